//go:build failure && unix

package main

import (
	"strings"
	"testing"

	"fieldgate/internal/clustertest"
)

// testCluster: one writer after the other is lost and comes back, and so are servers.
func testCluster(t *testing.T, cluster *clustertest.Cluster) *clients {
	f := newFleet(t, cluster.URL)
	f.add(2)
	c := newClients(t, "one-writer-", f.endpoints()...)
	c.withAdmin(cluster.URL)
	c.start(8)

	var node *clustertest.Node
	c.while("nothing happens", func() {})
	c.while("the node that writes is killed (`kill -9`)", func() {
		node = cluster.Writer(t)
		node.Kill()
	})
	c.while("it comes back", func() { node.Rejoin(t) })
	c.while("the node that writes is stopped (`SIGTERM`)", func() {
		node = cluster.Writer(t)
		node.Stop(t)
	})
	c.while("it comes back", func() { node.Rejoin(t) })
	c.while("the node that writes hangs (`SIGSTOP`)", func() {
		node = cluster.Writer(t)
		node.Freeze(t)
	})
	c.while("it goes on", func() {
		node.Thaw(t)
		node.Synced(t)
	})
	c.while("another node is killed", func() {
		node = cluster.Other(cluster.Writer(t))
		node.Kill()
	})
	c.while("it comes back with an empty disk", func() {
		node.Wipe(t)
		node.Rejoin(t)
	})
	first, second := f.servers[0], f.servers[1]
	c.while("a server is killed (`kill -9`)", func() { first.process.Kill() })
	c.while("it is started again", first.restart)
	c.while("a server is replaced (`SIGTERM`, and a new one)", func() {
		second.stop()
		second.restart()
	})
	c.end()
	c.wantPromisesKept(cluster.URL)
	c.wantUnknownsExplained(f.logs())
	return c
}

// testAllWrite: the nodes lag behind each other, and collide.
func testAllWrite(t *testing.T, cluster *clustertest.Cluster) *clients {
	f := newFleet(t, cluster.SpreadURL, "LOG_LEVEL=debug")
	f.add(2)
	c := newClients(t, "all-write-", f.endpoints()...)
	c.withAdmin(cluster.SpreadURL)
	c.start(8)
	c.while("all nodes write", func() {})
	node := cluster.Nodes[1]
	c.while("all nodes write, and one is killed (`kill -9`)", node.Kill)
	c.while("it comes back", func() { node.Rejoin(t) })
	c.end()
	c.wantPromisesKept(cluster.SpreadURL)
	logs := f.logs()
	c.wantUnknownsExplained(logs)
	if c.counts["conflicts"] = strings.Count(logs, `"transaction again"`); c.counts["conflicts"] == 0 {
		t.Error("nothing has collided, so this says nothing")
	}
	return c
}

//go:build failure && unix

package main

import (
	"strings"
	"testing"

	"fieldgate/internal/clustertest"
)

func TestFailureOfNodesAndServers(t *testing.T) {
	cluster := clustertest.Start(t, "deploy/haproxy-galera.cfg")
	t.Log("the cluster is there")
	f := newFleet(t, cluster.URL)
	f.add(2)
	c := newClients(t, "one-writer-", f.endpoints()...)
	c.withAdmin(cluster.URL)
	c.start(8)
	first, second := f.servers[0], f.servers[1]

	var writer, next *clustertest.Node
	c.while("nothing happens", func() {})
	c.while("the writer is killed (`kill -9`)", func() {
		writer = cluster.Writer(t)
		writer.Kill()
	})
	c.while("it comes back", func() { writer.Rejoin(t) })
	c.while("the new writer is stopped (`SIGTERM`)", func() {
		next = cluster.Writer(t)
		next.Stop(t)
	})
	c.while("it comes back", func() { next.Rejoin(t) })
	c.while("the writer hangs (`SIGSTOP`)", func() {
		writer = cluster.Writer(t)
		writer.Freeze(t)
	})
	c.while("it goes on", func() {
		writer.Thaw(t)
		writer.Synced(t)
	})
	c.while("another node is killed", func() {
		next = cluster.Other(cluster.Writer(t))
		next.Kill()
	})
	c.while("it comes back with an empty disk", func() {
		next.Wipe(t)
		next.Rejoin(t)
	})
	c.while("a server is killed (`kill -9`)", func() { first.process.Kill() })
	c.while("it is started again", first.restart)
	c.while("a server is replaced (`SIGTERM`, and a new one)", func() {
		second.stop()
		second.restart()
	})
	c.end()
	c.wantPromisesKept(cluster.URL, 0)
	c.wantUnknownsExplained(f.logs())

	g := newFleet(t, cluster.SpreadURL, "LOG_LEVEL=debug")
	g.add(2)
	d := newClients(t, "all-write-", g.endpoints()...)
	d.withAdmin(cluster.SpreadURL)
	d.start(8)
	d.while("all nodes write", func() {})
	d.while("all nodes write, and one is killed (`kill -9`)", func() {
		next = cluster.Nodes[1]
		next.Kill()
	})
	d.while("it comes back", func() { next.Rejoin(t) })
	d.end()
	d.wantPromisesKept(cluster.SpreadURL, 0)
	logs := g.logs()
	d.wantUnknownsExplained(logs)
	t.Logf("%d transactions tried again", strings.Count(logs, "transaction again"))
}

//go:build failure && unix

package failure

import (
	"strings"
	"testing"

	"fieldgate/internal/clustertest"
)

// visitors are as many as keep two processors busy with their passwords.
const visitors = 5

// testCluster: one writer after the other is lost and comes back, and so are servers.
func testCluster(t *testing.T, cluster *clustertest.Cluster) *clients {
	t.Helper()
	f := newFleet(t, cluster.URL)
	f.add(2)
	c := newClients(t, "one-writer-", f.endpoints()...)
	c.withAdmin(cluster.URL)
	c.start(visitors)

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
	t.Helper()
	f := newFleet(t, cluster.SpreadURL, "LOG_LEVEL=debug")
	f.add(2)
	c := newClients(t, "all-write-", f.endpoints()...)
	c.withAdmin(cluster.SpreadURL)
	wanted := c.register(0, "all-write-wanted@example.com") // by everybody, for another role
	c.work = func() {
		c.round()
		here := int(c.next.Load())
		if _, code, _ := c.insist(here, c.admin, failureRole, "u", wanted.id, "r", []string{"STAFF", "USER"}[here%2]); code != "" {
			c.breaks("a new role for somebody who just got one: %s", code)
		}
	}
	c.start(visitors)
	conflicts := func() int { return strings.Count(f.logs(), `"transaction again"`) }
	c.while("all nodes write", func() {
		waitUntil(t, "two have collided", func() bool { return conflicts() > 0 })
	})
	node := cluster.Nodes[1]
	c.while("all nodes write, and one is killed (`kill -9`)", node.Kill)
	c.end()
	c.wantPromisesKept(cluster.SpreadURL)
	c.wantUnknownsExplained(f.logs())
	c.counts["conflicts"] = conflicts()
	return c
}

//go:build failure && unix

package failure

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/clustertest"
	"fieldgate/models"
)

// userCount is how many users keep two processors busy with password hashes.
const userCount = 5

// testCluster loses and restores one node after another, and servers.
func testCluster(t *testing.T, cluster *clustertest.Cluster) *clients {
	t.Helper()
	f := newFleet(t, cluster.URL)
	f.addServers(2)
	c := newClients(t, "one-writer-", f.endpoints()...)
	c.registerAdmin(cluster.URL)
	c.start(userCount)

	var node *clustertest.Node
	c.during("nothing happens", func() {})
	c.during("the node that writes is killed (`kill -9`)", func() {
		node = cluster.Writer(t)
		node.Kill()
	})
	c.during("it comes back", func() { node.Rejoin(t) })
	c.during("the node that writes is stopped (`SIGTERM`)", func() {
		node = cluster.Writer(t)
		node.Stop(t)
	})
	c.during("it comes back", func() { node.Rejoin(t) })
	c.during("the node that writes hangs (`SIGSTOP`)", func() {
		node = cluster.Writer(t)
		node.Freeze(t)
	})
	c.during("it goes on", func() {
		node.Thaw(t)
		node.WaitReady(t)
	})
	c.during("another node is killed", func() {
		node = cluster.OtherNode(cluster.Writer(t))
		node.Kill()
	})
	c.during("it comes back with an empty disk", func() {
		node.Wipe(t)
		node.Rejoin(t)
	})
	first, second := f.servers[0], f.servers[1]
	c.during("a server is killed (`kill -9`)", func() { first.process.Kill() })
	c.during("it is started again", first.restart)
	c.during("a server is replaced (`SIGTERM`, and a new one)", func() {
		second.stop()
		second.restart()
	})
	c.end()
	c.wantPromisesKept(cluster.URL)
	c.wantUnknownOutcomesExplained(f.logs())
	return c
}

// testMultiWriter writes to all nodes, which lag behind each other and have conflicts.
func testMultiWriter(t *testing.T, cluster *clustertest.Cluster) *clients {
	t.Helper()
	f := newFleet(t, cluster.SpreadURL, "LOG_LEVEL=debug")
	f.addServers(2)
	wantSyncWaitOnConnections(t, cluster.SpreadURL)
	c := newClients(t, "all-write-", f.endpoints()...)
	c.registerAdmin(cluster.SpreadURL)
	contended := c.register(0, "all-write-wanted@example.com") // all clients change its role
	c.work = func() {
		c.round()
		here := int(c.next.Load())
		if _, code, _ := c.retry(here, c.admin, setRoleQuery, "u", contended.id, "r", []string{"STAFF", "USER"}[here%2]); code != "" {
			c.violate("a concurrent change of a role: %s", code)
		}
	}
	c.start(userCount)
	conflicts := func() int { return strings.Count(f.logs(), `"transaction retry"`) }
	c.during("all nodes write", func() {
		waitUntil(t, "a conflict has occurred", func() bool { return conflicts() > 0 })
	})
	node := cluster.Nodes[1]
	c.during("all nodes write, and one is killed (`kill -9`)", node.Kill)
	c.end()
	c.wantPromisesKept(cluster.SpreadURL)
	c.wantUnknownOutcomesExplained(f.logs())
	c.counts["conflicts"] = conflicts()
	return c
}

// wantSyncWaitOnConnections checks that each connection of a pool makes its node wait for writes
// acknowledged by others, on each node, and both new and reused.
func wantSyncWaitOnConnections(t *testing.T, databaseURL string) {
	t.Helper()
	const connections = 12
	s, err := models.Open(databaseURL, models.Options{MaxConnections: connections})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	type connection struct {
		ID   int64
		Node string
		Wait int
	}
	for range 2 {
		list := make([]connection, connections)
		var querying, all sync.WaitGroup
		all.Add(connections)
		for i := range list {
			querying.Go(func() {
				got := sync.OnceFunc(all.Done)
				defer got()
				err := s.Transaction(t.Context(), func(tx *models.Store) error {
					err := tx.DB(t.Context()).Raw("SELECT CONNECTION_ID() AS id, @@wsrep_node_name AS node, @@wsrep_sync_wait AS wait").Scan(&list[i]).Error
					got()
					all.Wait() // keeps each connection in use until all are open
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		querying.Wait()
		ids, nodes := map[string]bool{}, map[string]bool{}
		for _, c := range list {
			ids[fmt.Sprint(c.Node, c.ID)], nodes[c.Node] = true, true
			if c.Wait != 1 {
				t.Errorf("a connection to %s has wsrep_sync_wait = %d, want 1", c.Node, c.Wait)
			}
		}
		if len(ids) != connections || len(nodes) != 3 {
			t.Errorf("%d connections to %d nodes, want %d to 3: %v", len(ids), len(nodes), connections, list)
		}
	}
}

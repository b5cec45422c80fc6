package clustertest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// Group is three nodes of MySQL Group Replication in single-primary mode, behind HAProxy.
type Group struct {
	Nodes []*Node
	// URL is the DATABASE_URL through HAProxy to the primary.
	URL string

	haproxy *dbtest.Process
}

// groupName is the UUID of the group.
const groupName = "0f1e1d6a-7e55-4c0b-8f0e-f1e1d6a7e000"

// StartGroup starts a group, and HAProxy with the file config, which reads the addresses from its
// environment. Without real MySQL the test is skipped, see dbtest.RealMySQL.
func StartGroup(tb testing.TB, config string) *Group {
	tb.Helper()
	// First: a missing MySQL skips the test; a missing HAProxy fails it with REQUIRE_ALL.
	dbtest.RealMySQL(tb)
	haproxy := requireHAProxy(tb)
	dir := dbtest.Directory(tb)
	g := &Group{Nodes: newMySQL(tb, dir, 3, nil)}
	var seeds []string
	for _, n := range g.Nodes {
		n.mysql.groupPort = FreePorts(tb, 1)
		seeds = append(seeds, address(n.mysql.groupPort))
	}
	for _, n := range g.Nodes {
		n.mysql.options = groupOptions(n.mysql.groupPort, strings.Join(seeds, ","))
		n.launch(tb)
	}
	first := g.Nodes[0]
	first.waitForAnswer(tb)
	first.exec(tb,
		"SET GLOBAL group_replication_bootstrap_group = ON",
		"START GROUP_REPLICATION USER = 'root'",
		"SET GLOBAL group_replication_bootstrap_group = OFF")
	first.WaitReady(tb)
	first.exec(tb, "CREATE USER haproxy@'127.0.0.1'")
	for _, n := range g.Nodes[1:] {
		n.waitForAnswer(tb)
		n.joinGroup(tb)
	}
	env := []string{}
	for i, n := range g.Nodes {
		env = append(env, fmt.Sprintf("GROUP_%d=%s", i+1, n.Addr()))
	}
	port := FreePorts(tb, 1)
	env = append(env, "FIELDGATE_DATABASE="+address(port))
	g.haproxy = runHAProxy(tb, haproxy, filepath.Join(dir, "haproxy"), config, env)
	g.URL = databaseURL(port)
	eventually(tb, "HAProxy does not reach a primary", g.haproxy, func(ctx context.Context) error {
		return query(ctx, port, "SELECT 1", new(int))
	})
	return g
}

// groupOptions returns the options that docs/operations.md recommends, and those that three nodes
// on one machine need.
func groupOptions(port int, seeds string) []string {
	return []string{
		"--plugin-load-add=group_replication.so",
		"--group-replication-group-name=" + groupName,
		// joinGroup starts it, with the user of the distributed recovery
		"--group-replication-start-on-boot=OFF",
		"--group-replication-local-address=" + address(port),
		"--group-replication-group-seeds=" + seeds,
		"--group-replication-ip-allowlist=127.0.0.1/32",
		"--group-replication-recovery-get-public-key=ON",
		"--group-replication-message-cache-size=134217728",
		"--group-replication-member-expel-timeout=0",
		"--group-replication-unreachable-majority-timeout=5",
		"--group-replication-consistency=BEFORE_ON_PRIMARY_FAILOVER",
	}
}

// Primary returns the node that executes the statements of URL.
func (g *Group) Primary(tb testing.TB) (primary *Node) {
	tb.Helper()
	eventually(tb, "no node is the primary", g.haproxy, func(ctx context.Context) error {
		var id int
		err := query(ctx, portOf(g.URL), "SELECT @@server_id", &id)
		if err == nil {
			primary = g.Nodes[id-1]
		}
		return err
	})
	return primary
}

// Secondary returns a node that is online and not the primary.
func (g *Group) Secondary(tb testing.TB) *Node {
	tb.Helper()
	primary := g.Primary(tb)
	for _, n := range g.Nodes {
		if n != primary && n.checkOnline(tb.Context()) == nil {
			return n
		}
	}
	tb.Fatal("clustertest: no secondary is online")
	return nil
}

// WaitUntilOnline returns when the primary sees every node as a full member. A suspended node
// believes itself online until it learns that the group has expelled it, so its own view is not
// enough.
func (g *Group) WaitUntilOnline(tb testing.TB) {
	tb.Helper()
	eventually(tb, "a member is not online", g.haproxy, func(ctx context.Context) error {
		var online int
		err := query(ctx, portOf(g.URL), "SELECT COUNT(*) FROM performance_schema.replication_group_members"+
			" WHERE MEMBER_STATE = 'ONLINE'", &online)
		if err == nil && online != len(g.Nodes) {
			err = fmt.Errorf("%d of %d members are online", online, len(g.Nodes))
		}
		return err
	})
}

// SwitchOver makes another node the primary, as an operator does before maintenance. MySQL refuses
// while a member joins, so SwitchOver waits until all are online.
func (g *Group) SwitchOver(tb testing.TB, to *Node) {
	tb.Helper()
	g.WaitUntilOnline(tb)
	var uuid, result string
	requireNoError(tb, query(tb.Context(), to.port, "SELECT @@server_uuid", &uuid))
	requireNoError(tb, queryWithTimeout(tb.Context(), waitTimeout, to.port,
		"SELECT group_replication_set_as_primary('"+uuid+"')", &result))
}

// joinGroup makes a running node join the group, and returns when it is a full member.
func (n *Node) joinGroup(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, queryWithTimeout(tb.Context(), waitTimeout, n.port, "START GROUP_REPLICATION USER = 'root'"))
	n.WaitReady(tb)
}

// checkOnline returns an error unless the node is a full member of the group.
func (n *Node) checkOnline(ctx context.Context) error {
	var state string
	err := query(ctx, n.port, "SELECT COALESCE(MAX(MEMBER_STATE), 'OFFLINE')"+
		" FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid", &state)
	if err == nil && state != "ONLINE" {
		err = errors.New(state)
	}
	return err
}

// Package clustertest runs database servers that a test may kill: a Galera cluster of three nodes
// or a group of three real MySQL servers, both behind HAProxy, a single MariaDB, and real MySQL
// servers.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	c := clustertest.Start(t, "deploy/haproxy-galera.cfg")
//	writer := c.Writer(t)
//	writer.Kill()
//	…
//	writer.Rejoin(t)
//
// It extends dbtest to failures, with the same guarantees: real programs, run as the server user in
// a temporary directory on free loopback ports, which end with the test process. If a program is
// missing, dbtest.SkipOrFail ends the test.
//
// A killed node restarts as under systemd: it reads its position from its own files and receives
// only what it lacks, unless Wipe has deleted its files.
package clustertest

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"fieldgate/internal/dbtest"
)

// waitTimeout limits steps that take seconds on an idle machine.
const waitTimeout = 90 * time.Second

// database is the name of the database on all servers.
const database = "fieldgate"

// galeraLibrary is the path of Galera on Debian.
const galeraLibrary = "/usr/lib/galera/libgalera_smm.so"

const installHint = "apt-get install --no-install-recommends mariadb-server galera-4 rsync haproxy"

// Cluster is a Galera cluster of three nodes behind HAProxy.
type Cluster struct {
	// Nodes are in the order in which HAProxy makes them the writer.
	Nodes []*Node
	// URL is the DATABASE_URL through HAProxy to one node at a time; SpreadURL reaches all nodes.
	URL, SpreadURL string

	haproxy *dbtest.Process
}

// Start starts a cluster, and HAProxy with the file config, which reads the addresses from its
// environment.
func Start(tb testing.TB, config string) *Cluster {
	tb.Helper()
	haproxy := requireGalera(tb)
	dir := dbtest.Directory(tb)
	c := &Cluster{}
	for i := range 3 {
		n := newNode(tb, filepath.Join(dir, strconv.Itoa(i+1)))
		n.galeraPort = FreePorts(tb, 3)
		c.Nodes = append(c.Nodes, n)
	}
	for _, n := range c.Nodes {
		n.clusterAddress = c.address()
	}
	first := c.Nodes[0]
	first.install(tb)
	first.start(tb, "--wsrep-new-cluster")
	first.exec(tb, "CREATE DATABASE "+database, "CREATE USER haproxy@'127.0.0.1'")
	first.Stop(tb)
	for _, n := range c.Nodes[1:] {
		n.copyFilesFrom(tb, first) // faster than a state transfer
	}
	first.start(tb, "--wsrep-new-cluster")
	for _, n := range c.Nodes[1:] {
		n.start(tb) // sequentially: joining at the same time takes longer
	}
	c.startHAProxy(tb, haproxy, filepath.Join(dir, "haproxy"), config)
	return c
}

// requireGalera calls SkipOrFail if a program is missing, and returns the path of HAProxy.
func requireGalera(tb testing.TB) (haproxy string) {
	tb.Helper()
	missing := func(what string) { dbtest.SkipOrFail(tb, what, installHint) }
	if _, err := os.Stat(galeraLibrary); err != nil {
		missing("Galera (" + galeraLibrary + ")")
	}
	for _, name := range []string{"mariadbd", "mariadb-install-db", "wsrep_sst_rsync", "rsync"} {
		if _, err := dbtest.LookPath(name, "/usr/sbin", "/usr/bin"); err != nil {
			missing(name)
		}
	}
	return requireHAProxy(tb)
}

func requireHAProxy(tb testing.TB) string {
	tb.Helper()
	haproxy, err := dbtest.LookPath("haproxy", "/usr/sbin")
	if err != nil {
		dbtest.SkipOrFail(tb, "HAProxy", "apt-get install haproxy")
	}
	return haproxy
}

func (c *Cluster) address() string {
	var list []string
	for _, n := range c.Nodes {
		list = append(list, fmt.Sprintf("127.0.0.1:%d", n.galeraPort))
	}
	return "gcomm://" + strings.Join(list, ",")
}

func (c *Cluster) startHAProxy(tb testing.TB, haproxy, dir, config string) {
	tb.Helper()
	port := FreePorts(tb, 2)
	env := []string{"FIELDGATE_DATABASE=" + address(port), "FIELDGATE_DATABASE_SPREAD=" + address(port+1)}
	for i, n := range c.Nodes {
		env = append(env, fmt.Sprintf("GALERA_%d=127.0.0.1:%d", i+1, n.port))
	}
	c.haproxy = runHAProxy(tb, haproxy, dir, config, env)
	c.URL, c.SpreadURL = databaseURL(port), databaseURL(port+1)
	eventually(tb, "HAProxy does not forward connections", c.haproxy, func(ctx context.Context) error {
		return errors.Join(query(ctx, port, "SELECT 1", new(int)), query(ctx, port+1, "SELECT 1", new(int)))
	})
}

// runHAProxy runs HAProxy in dir with a copy of the file config that the server user can read.
func runHAProxy(tb testing.TB, haproxy, dir, config string, env []string) *dbtest.Process {
	tb.Helper()
	content, err := os.ReadFile(config)
	requireNoError(tb, err)
	requireNoError(tb, os.Mkdir(dir, 0o755))
	own := filepath.Join(dir, "haproxy.cfg")
	requireNoError(tb, os.WriteFile(own, content, 0o644))
	process, err := dbtest.StartProcess(dir, env, haproxy, "-db", "-f", own)
	requireNoError(tb, err)
	tb.Cleanup(process.Kill)
	return process
}

// Writer returns the node that executes the statements of URL.
func (c *Cluster) Writer(tb testing.TB) (writer *Node) {
	tb.Helper()
	port := portOf(c.URL)
	eventually(tb, "no node is the writer", c.haproxy, func(ctx context.Context) error {
		var name string
		err := query(ctx, port, "SELECT @@wsrep_node_name", &name)
		for _, n := range c.Nodes {
			if n.name() == name {
				writer = n
			}
		}
		return err
	})
	return writer
}

// OtherNode returns a node that is not in those.
func (c *Cluster) OtherNode(those ...*Node) *Node {
	for _, n := range c.Nodes {
		if !contains(those, n) {
			return n
		}
	}
	return nil
}

func contains(list []*Node, n *Node) bool {
	for _, other := range list {
		if other == n {
			return true
		}
	}
	return false
}

// FreePorts returns the first of count consecutive ports that are free and that it has not returned
// before: a node listens on some of its ports only while it joins the others. They are below the
// range of ephemeral ports, so that a killed server gets its own back.
func FreePorts(tb testing.TB, count int) (first int) {
	tb.Helper()
	for range 100 {
		first = 10000 + rand.IntN(20000)
		if reservePorts(first, count) {
			return first
		}
	}
	tb.Fatal("clustertest: no free ports")
	return 0
}

var assignedPorts sync.Map // ports that FreePorts has returned

func reservePorts(first, count int) bool {
	for port := first; port < first+count; port++ {
		if _, taken := assignedPorts.LoadOrStore(port, true); taken {
			return false
		}
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func databaseURL(port int) string { return "mysql://root@" + address(port) + "/" + database }

// portOf returns the port of a databaseURL.
func portOf(databaseURL string) int {
	_, host, _ := strings.Cut(databaseURL, "@127.0.0.1:")
	port, err := strconv.Atoi(strings.TrimSuffix(host, "/"+database))
	if err != nil {
		panic(err) // databaseURL returns no other form
	}
	return port
}

// query runs one statement on its own connection. Without answer it expects no rows.
func query(ctx context.Context, port int, query string, answer ...any) error {
	return queryWithTimeout(ctx, 10*time.Second, port, query, answer...)
}

func queryWithTimeout(ctx context.Context, timeout time.Duration, port int, query string, answer ...any) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", address(port)
	cfg.Timeout, cfg.ReadTimeout = time.Second, timeout
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer func() { _ = pool.Close() }()
	if len(answer) == 0 {
		_, err := pool.ExecContext(ctx, query)
		return err
	}
	return pool.QueryRowContext(ctx, query).Scan(answer...)
}

// eventually repeats f until it returns nil, while the process lives. what describes the failure.
func eventually(tb testing.TB, what string, process *dbtest.Process, f func(ctx context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), waitTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		if err = cmp.Or(f(ctx), ctx.Err()); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-process.Exited():
			tb.Fatalf("clustertest: %s: the process has ended: %v\n%s", what, process.Err(), process.LogTail())
		case <-ctx.Done():
			tb.Fatalf("clustertest: %s: %v\n%s", what, err, process.LogTail())
		}
	}
}

func requireNoError(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal("clustertest: ", err)
	}
}

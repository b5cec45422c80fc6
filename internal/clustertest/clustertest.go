// Package clustertest runs databases that a test may kill: a Galera cluster of three or a group of three real MySQL servers
// behind HAProxy, a single MariaDB, and real MySQL servers.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	c := clustertest.Start(t, "deploy/haproxy-galera.cfg")
//	writer := c.Writer(t)
//	writer.Kill()
//	…
//	writer.Rejoin(t)
//
// It is dbtest for the tests of failures, and keeps what that promises: real programs, as a user that may run them, in a
// temporary directory, on free ports of the loopback interface, gone when the test process is gone. What is missing on
// the machine leaves the test out, as dbtest.SkipOrFail says.
//
// A node that was killed comes back as a systemd unit would have it: it reads its position from its own files, and gets
// only what it lacks, unless Wipe has taken its files.
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

// waitTimeout bounds what takes seconds, on a machine that has other things to do.
const waitTimeout = 90 * time.Second

// database is the name of the one database that is there.
const database = "fieldgate"

// galeraLibrary is where Debian keeps Galera.
const galeraLibrary = "/usr/lib/galera/libgalera_smm.so"

const installHint = "apt-get install --no-install-recommends mariadb-server galera-4 rsync haproxy"

// Cluster is three nodes behind HAProxy.
type Cluster struct {
	// Nodes in the order in which HAProxy makes them the writer.
	Nodes []*Node
	// URL is the DATABASE_URL by way of HAProxy, to one node at a time; SpreadURL goes to all of them.
	URL, SpreadURL string

	haproxy *dbtest.Process
}

// Start starts a cluster, and HAProxy with the file config, which gets the addresses from its environment.
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
		n.copyFilesFrom(tb, first) // which is quicker than a transfer
	}
	first.start(tb, "--wsrep-new-cluster")
	for _, n := range c.Nodes[1:] {
		n.start(tb) // one after the other: two that join at once hold each other up for longer
	}
	c.startHAProxy(tb, haproxy, filepath.Join(dir, "haproxy"), config)
	return c
}

// requireGalera leaves the test out if a program is missing, and returns HAProxy's path.
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
	env := []string{fmt.Sprintf("FIELDGATE_DATABASE=127.0.0.1:%d", port), fmt.Sprintf("FIELDGATE_DATABASE_SPREAD=127.0.0.1:%d", port+1)}
	for i, n := range c.Nodes {
		env = append(env, fmt.Sprintf("GALERA_%d=127.0.0.1:%d", i+1, n.port))
	}
	c.haproxy = runHAProxy(tb, haproxy, dir, config, env)
	c.URL, c.SpreadURL = databaseURL(port), databaseURL(port+1)
	eventually(tb, "HAProxy lets nobody through", c.haproxy, func(ctx context.Context) error {
		return errors.Join(query(ctx, port, "SELECT 1", new(int)), query(ctx, port+1, "SELECT 1", new(int)))
	})
}

// runHAProxy runs it in dir with a copy of the file config, which the other user may read.
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

// Writer returns the node that gets the statements of URL.
func (c *Cluster) Writer(tb testing.TB) (writer *Node) {
	tb.Helper()
	port := portOf(c.URL)
	eventually(tb, "there is no writer", c.haproxy, func(ctx context.Context) error {
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

// OtherNode returns a node that is none of these.
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

// FreePorts returns the first of several ports in a row that nobody listens on, and that it has not returned before: some
// of a node's are listened on only while it joins the others. They are below the range that outgoing connections take theirs
// from, so that a server which was killed finds its own again.
func FreePorts(tb testing.TB, count int) (first int) {
	tb.Helper()
	for range 100 {
		first = 10000 + rand.IntN(20000)
		if reservePorts(first, count) {
			return first
		}
	}
	tb.Fatal("clustertest: there are no free ports")
	return 0
}

var assignedPorts sync.Map // ports

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

// portOf is the port of a databaseURL.
func portOf(databaseURL string) int {
	_, host, _ := strings.Cut(databaseURL, "@127.0.0.1:")
	port, err := strconv.Atoi(strings.TrimSuffix(host, "/"+database))
	if err != nil {
		panic(err) // databaseURL makes no other
	}
	return port
}

// query runs one statement on a connection of its own. Without an answer it expects no rows.
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

// eventually asks again and again, as long as the process lives; what is said if it does not come about.
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
			tb.Fatalf("clustertest: %s: it has ended: %v\n%s", what, process.Err(), process.LogTail())
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

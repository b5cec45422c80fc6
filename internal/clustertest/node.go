package clustertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"fieldgate/internal/dbtest"
)

// Node is a MariaDB or MySQL server, in a cluster or alone.
type Node struct {
	dir            string
	port           int
	galeraPort     int        // the first of three ports; 0: no cluster
	clusterAddress string     // the addresses of all nodes
	mysql          *mysqlNode // nil for MariaDB
	serverID       int        // of MariaDB in a Pair; 0: no replication
	extraOptions   []string   // further options
	process        *dbtest.Process
}

// Single starts a MariaDB without a cluster, with further options.
func Single(tb testing.TB, options ...string) *Node {
	tb.Helper()
	if _, err := dbtest.LookPath("mariadbd", "/usr/sbin"); err != nil {
		dbtest.SkipOrFail(tb, "MariaDB", "apt-get install mariadb-server-core mariadb-client-core")
	}
	n := newNode(tb, filepath.Join(dbtest.Directory(tb), "1"))
	n.extraOptions = options
	n.install(tb)
	n.start(tb)
	n.exec(tb, "CREATE DATABASE "+database)
	return n
}

func newNode(tb testing.TB, dir string) *Node {
	tb.Helper()
	n := &Node{dir: dir, port: FreePorts(tb, 1)}
	tb.Cleanup(func() {
		if n.process != nil {
			n.process.Kill()
		}
	})
	return n
}

// URL returns the DATABASE_URL of this node alone.
func (n *Node) URL() string { return databaseURL(n.port) }

// Addr returns the host and port of this node.
func (n *Node) Addr() string { return address(n.port) }

// Exec runs statements as root, each on its own connection and without a default database.
func (n *Node) Exec(tb testing.TB, statements ...string) {
	tb.Helper()
	n.exec(tb, statements...)
}

// Kill kills the node with SIGKILL.
func (n *Node) Kill() { n.process.Kill() }

// Stop stops the node with SIGTERM, and returns when it has ended.
func (n *Node) Stop(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, n.process.Signal(syscall.SIGTERM))
	<-n.process.Exited()
}

// Wipe deletes the files of a stopped node, as if its disk was replaced.
func (n *Node) Wipe(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, os.RemoveAll(filepath.Join(n.dir, "data")))
	n.install(tb)
}

// Rejoin starts a killed or stopped node, and returns when it is ready.
func (n *Node) Rejoin(tb testing.TB) {
	tb.Helper()
	switch {
	case n.mysql != nil && n.mysql.groupPort != 0:
		n.launch(tb)
		n.waitForAnswer(tb)
		n.joinGroup(tb)
		return
	case n.galeraPort == 0:
		n.start(tb)
		return
	}
	n.start(tb, "--wsrep-start-position="+n.recoveredPosition(tb))
}

// recoveredPosition returns the node's replication position from its files.
func (n *Node) recoveredPosition(tb testing.TB) string {
	tb.Helper()
	p, err := dbtest.StartProcess(n.dir, nil, mariadbd(tb), n.options("--wsrep-recover")...)
	requireNoError(tb, err)
	requireNoError(tb, p.Err())
	log, err := os.ReadFile(p.Log())
	requireNoError(tb, err)
	found := regexp.MustCompile(`Recovered position: *(\S+)`).FindSubmatch(log)
	if found == nil {
		tb.Fatalf("clustertest: no recovered position in the log:\n%s", log)
	}
	return string(found[1])
}

func (n *Node) name() string {
	if n.mysql != nil {
		return fmt.Sprintf("mysql-%d", n.mysql.id)
	}
	return "galera-" + filepath.Base(n.dir)
}

func (n *Node) install(tb testing.TB) {
	tb.Helper()
	if n.mysql != nil {
		n.installMySQL(tb)
		return
	}
	ctx, cancel := context.WithTimeout(tb.Context(), waitTimeout)
	defer cancel()
	requireNoError(tb, os.MkdirAll(n.dir, 0o755))
	requireNoError(tb, dbtest.InstallMariaDB(ctx, n.dir))
}

// copyFilesFrom copies the files of a stopped node.
func (n *Node) copyFilesFrom(tb testing.TB, other *Node) {
	tb.Helper()
	p, err := dbtest.StartProcess(n.dir, nil, "cp", "-r",
		filepath.Join(other.dir, "data"), filepath.Join(other.dir, "tmp"), n.dir)
	requireNoError(tb, err)
	requireNoError(tb, p.Err())
}

func (n *Node) start(tb testing.TB, more ...string) {
	tb.Helper()
	n.launch(tb, more...)
	n.WaitReady(tb)
}

func (n *Node) launch(tb testing.TB, more ...string) {
	tb.Helper()
	var err error
	if n.mysql != nil {
		n.process, err = dbtest.StartProcess(n.dir, nil, n.mysql.mysqld, n.mysqlOptions(more)...)
	} else {
		n.process, err = dbtest.StartProcess(n.dir, nil, mariadbd(tb), n.options(more...)...)
	}
	requireNoError(tb, err)
}

// WaitReady waits until the node is a synced member of its cluster, or answers if it is alone.
func (n *Node) WaitReady(tb testing.TB) {
	tb.Helper()
	eventually(tb, n.name()+" is not ready", n.process, func(ctx context.Context) error {
		if n.mysql != nil {
			return n.checkReady(ctx)
		}
		if n.galeraPort == 0 {
			return query(ctx, n.port, "SELECT 1", new(int))
		}
		var name, state string
		if err := query(ctx, n.port, "SELECT @@wsrep_node_name", &name); err != nil || name != n.name() {
			return errors.Join(err, fmt.Errorf("the node is %q", name))
		}
		err := query(ctx, n.port, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS"+
			" WHERE VARIABLE_NAME = 'wsrep_local_state_comment'", &state)
		if err == nil && state != "Synced" {
			err = errors.New(state)
		}
		return err
	})
}

func (n *Node) exec(tb testing.TB, statements ...string) {
	tb.Helper()
	for _, statement := range statements {
		requireNoError(tb, query(tb.Context(), n.port, statement))
	}
}

func mariadbd(tb testing.TB) string {
	tb.Helper()
	name, err := dbtest.LookPath("mariadbd", "/usr/sbin")
	if errors.Is(err, exec.ErrNotFound) {
		dbtest.SkipOrFail(tb, "MariaDB", installHint)
	}
	requireNoError(tb, err)
	return name
}

// options returns the options of a small server. Cluster options follow docs/operations.md, except
// that rsync transfers whole databases, and that data need not survive a power loss.
func (n *Node) options(more ...string) []string {
	options := []string{
		"--no-defaults",
		"--datadir=" + filepath.Join(n.dir, "data"),
		"--tmpdir=" + filepath.Join(n.dir, "tmp"),
		"--socket=" + filepath.Join(n.dir, "s"),
		"--pid-file=" + filepath.Join(n.dir, "pid"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--port=%d", n.port),
		"--skip-name-resolve",
		"--performance-schema=OFF",
		"--character-set-server=utf8mb4",
		"--collation-server=utf8mb4_unicode_ci",
		"--innodb-flush-log-at-trx-commit=2",
		"--innodb-log-file-size=8M",
		"--innodb-buffer-pool-size=64M",
	}
	if n.galeraPort != 0 {
		options = append(options,
			"--binlog-format=ROW",
			"--innodb-autoinc-lock-mode=2",
			"--wsrep-on=ON",
			"--wsrep-provider="+galeraLibrary,
			"--wsrep-cluster-name=fieldgate",
			"--wsrep-cluster-address="+n.clusterAddress,
			"--wsrep-node-name="+n.name(),
			"--wsrep-node-address=127.0.0.1",
			fmt.Sprintf("--wsrep-node-incoming-address=127.0.0.1:%d", n.port),
			"--wsrep-sst-method=rsync",
			fmt.Sprintf("--wsrep-sst-receive-address=127.0.0.1:%d", n.galeraPort+2),
			"--wsrep-slave-threads=2",
			fmt.Sprintf("--wsrep-provider-options=base_host=127.0.0.1;base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;"+
				"gcache.size=32M;gcache.page_size=32M;evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S;"+
				"evs.suspect_timeout=PT2S;evs.inactive_timeout=PT5S;evs.install_timeout=PT5S", n.galeraPort, n.galeraPort, n.galeraPort+1),
		)
	}
	if n.serverID != 0 {
		options = append(options,
			fmt.Sprintf("--server-id=%d", n.serverID),
			"--log-bin="+filepath.Join(n.dir, "data", "binlog"),
			"--log-slave-updates",
			"--binlog-format=ROW",
			"--gtid-strict-mode",
			"--rpl-semi-sync-slave-enabled=ON",
			// Clients never read what the replica lacks.
			"--rpl-semi-sync-master-wait-point=AFTER_SYNC",
		)
	} else {
		options = append(options, "--skip-log-bin")
	}
	return append(append(options, n.extraOptions...), more...)
}

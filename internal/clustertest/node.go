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

// Node is one MariaDB or MySQL, of a cluster or alone.
type Node struct {
	dir            string
	port           int
	galeraPort     int        // the first of three ports; 0: it is alone
	clusterAddress string     // the address of all
	mysql          *mysqlNode // nil: it is MariaDB
	serverID       int        // MariaDB's server_id in a Pair; 0: it replicates nothing
	extraOptions   []string   // options
	process        *dbtest.Process
}

// Single starts a MariaDB that is in no cluster, with further options of its own.
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

// URL is the DATABASE_URL to this node alone.
func (n *Node) URL() string { return databaseURL(n.port) }

// Addr is where this node listens.
func (n *Node) Addr() string { return address(n.port) }

// Exec runs statements as root, each on a connection of its own and without a database.
func (n *Node) Exec(tb testing.TB, statements ...string) {
	tb.Helper()
	n.exec(tb, statements...)
}

// Kill is kill -9.
func (n *Node) Kill() { n.process.Kill() }

// Stop has the node end by itself, and returns when it has.
func (n *Node) Stop(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, n.process.Signal(syscall.SIGTERM))
	<-n.process.Exited()
}

// Wipe takes the files of a node that does not run: its disk was replaced.
func (n *Node) Wipe(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, os.RemoveAll(filepath.Join(n.dir, "data")))
	n.install(tb)
}

// Rejoin starts a node that was killed or stopped, and returns when it is as good as the others.
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

// recoveredPosition is how far a node has come, by its own files.
func (n *Node) recoveredPosition(tb testing.TB) string {
	tb.Helper()
	p, err := dbtest.StartProcess(n.dir, nil, mariadbd(tb), n.options("--wsrep-recover")...)
	requireNoError(tb, err)
	requireNoError(tb, p.Err())
	log, err := os.ReadFile(p.Log())
	requireNoError(tb, err)
	found := regexp.MustCompile(`Recovered position: *(\S+)`).FindSubmatch(log)
	if found == nil {
		tb.Fatalf("clustertest: a node does not know its position:\n%s", log)
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

// copyFilesFrom takes over the files of a node that does not run.
func (n *Node) copyFilesFrom(tb testing.TB, other *Node) {
	tb.Helper()
	p, err := dbtest.StartProcess(n.dir, nil, "cp", "-r", filepath.Join(other.dir, "data"), filepath.Join(other.dir, "tmp"), n.dir)
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

// WaitReady waits until the node is one of the cluster's again; one that is alone has to answer.
func (n *Node) WaitReady(tb testing.TB) {
	tb.Helper()
	eventually(tb, n.name()+" does not get ready", n.process, func(ctx context.Context) error {
		if n.mysql != nil {
			return n.checkReady(ctx)
		}
		if n.galeraPort == 0 {
			return query(ctx, n.port, "SELECT 1", new(int))
		}
		var name, state string
		if err := query(ctx, n.port, "SELECT @@wsrep_node_name", &name); err != nil || name != n.name() {
			return errors.Join(err, fmt.Errorf("it is %q", name))
		}
		err := query(ctx, n.port, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_local_state_comment'", &state)
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

// options are those of a small server. What concerns a cluster is as docs/operations.md recommends it, but for the
// transfer of a whole database, which is rsync's here, and for what a test does not need to survive: the power.
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
			"--rpl-semi-sync-master-wait-point=AFTER_SYNC", // what a replica lacks, nobody has read
		)
	} else {
		options = append(options, "--skip-log-bin")
	}
	return append(append(options, n.extraOptions...), more...)
}

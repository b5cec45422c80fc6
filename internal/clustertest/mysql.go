package clustertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"fieldgate/internal/dbtest"
)

// mysqlNode is the part of a Node that only real MySQL has.
type mysqlNode struct {
	mysqld    string
	id        int
	options   []string // beyond those of every node
	groupPort int      // the port of Group Replication; 0: no group
}

// MySQL starts real MySQL servers without replication, each with an empty database and a binary log
// with GTIDs. Exec can set up replication. Their server_id counts from 1. options are passed to
// every mysqld.
//
// Without real MySQL the test is skipped, see dbtest.RealMySQL.
func MySQL(tb testing.TB, count int, options ...string) []*Node {
	tb.Helper()
	nodes := newMySQL(tb, dbtest.Directory(tb), count, options)
	for _, n := range nodes {
		n.start(tb)
	}
	return nodes
}

// newMySQL returns nodes that are not started. Only the first is initialized, which takes seconds;
// the others are copies.
func newMySQL(tb testing.TB, dir string, count int, options []string) (nodes []*Node) {
	tb.Helper()
	mysqld := dbtest.RealMySQL(tb)
	for i := range count {
		n := newNode(tb, filepath.Join(dir, strconv.Itoa(i+1)))
		n.mysql = &mysqlNode{mysqld: mysqld, id: i + 1, options: options}
		nodes = append(nodes, n)
	}
	first := nodes[0]
	first.install(tb)
	for _, n := range nodes[1:] {
		n.copyFilesFrom(tb, first)
	}
	return nodes
}

// installMySQL creates the system tables, a user root without a password, and the database.
func (n *Node) installMySQL(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, os.MkdirAll(filepath.Join(n.dir, "tmp"), 0o755))
	requireNoError(tb, dbtest.ChownToServerUser(n.dir, filepath.Join(n.dir, "tmp")))
	statements := filepath.Join(n.dir, "init.sql")
	requireNoError(tb, os.WriteFile(statements, []byte("CREATE USER root@'127.0.0.1';\n"+
		"GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"+
		"CREATE DATABASE "+database+";\n"), 0o644))
	p, err := dbtest.StartProcess(n.dir, nil, n.mysql.mysqld, "--no-defaults", "--initialize-insecure",
		"--datadir="+filepath.Join(n.dir, "data"), "--tmpdir="+filepath.Join(n.dir, "tmp"),
		"--innodb-redo-log-capacity=32M", "--init-file="+statements)
	requireNoError(tb, err)
	if p.Err() != nil {
		tb.Fatalf("clustertest: mysqld --initialize: %v\n%s", p.Err(), p.LogTail())
	}
	// A server creates its own identity, which copies must not share.
	requireNoError(tb, os.RemoveAll(filepath.Join(n.dir, "data", "auto.cnf")))
}

func (n *Node) mysqlOptions(more []string) []string {
	options := []string{
		"--no-defaults",
		"--datadir=" + filepath.Join(n.dir, "data"),
		"--tmpdir=" + filepath.Join(n.dir, "tmp"),
		"--socket=" + filepath.Join(n.dir, "s"),
		"--pid-file=" + filepath.Join(n.dir, "pid"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--port=%d", n.port),
		fmt.Sprintf("--server-id=%d", n.mysql.id),
		fmt.Sprintf("--report-port=%d", n.port),
		"--report-host=127.0.0.1",
		"--mysqlx=OFF",
		"--skip-name-resolve",
		"--character-set-server=utf8mb4",
		"--gtid-mode=ON",
		"--enforce-gtid-consistency=ON",
		"--innodb-buffer-pool-size=64M",
		"--innodb-redo-log-capacity=32M",
		// Commits must survive a kill, but not a power loss.
		"--innodb-flush-log-at-trx-commit=2",
		"--sync-binlog=0",
		"--performance-schema-max-table-instances=500",
	}
	return append(append(options, n.mysql.options...), more...)
}

// waitForAnswer waits until the node answers, even if it is in no group.
func (n *Node) waitForAnswer(tb testing.TB) {
	tb.Helper()
	eventually(tb, n.name()+" does not answer", n.process, n.checkAnswers)
}

// checkReady returns an error unless the node answers and, in a group, is online.
func (n *Node) checkReady(ctx context.Context) error {
	if err := n.checkAnswers(ctx); err != nil || n.mysql.groupPort == 0 {
		return err
	}
	return n.checkOnline(ctx)
}

// checkAnswers returns an error unless the node itself answers: another server may have taken the
// port.
func (n *Node) checkAnswers(ctx context.Context) error {
	var socket string
	err := query(ctx, n.port, "SELECT @@socket", &socket)
	if err == nil && socket != filepath.Join(n.dir, "s") {
		err = errors.New("another server answers")
	}
	return err
}

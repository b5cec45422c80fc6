package clustertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// Pair is two servers of MariaDB or real MySQL. The second is a semi-synchronous replica of the
// first: a commit is acknowledged when the replica has received it.
//
// A switchover is Demote, CatchUp, Promote, and then moving the clients with one or more
// Forwarders. The old primary stays up, and connections to it stay established.
type Pair struct {
	First, Second *Node
}

// MariaDBPair starts two MariaDB servers.
func MariaDBPair(tb testing.TB) *Pair {
	tb.Helper()
	if _, err := dbtest.LookPath("mariadbd", "/usr/sbin"); err != nil {
		dbtest.SkipOrFail(tb, "MariaDB", "apt-get install mariadb-server-core mariadb-client-core")
	}
	dir := dbtest.Directory(tb)
	first, second := newNode(tb, filepath.Join(dir, "1")), newNode(tb, filepath.Join(dir, "2"))
	first.serverID, second.serverID = 1, 2
	first.install(tb)
	second.copyFilesFrom(tb, first)
	first.start(tb)
	second.start(tb)
	return newPair(tb, first, second)
}

// MySQLPair starts two real MySQL servers, or skips the test.
func MySQLPair(tb testing.TB) *Pair {
	tb.Helper()
	nodes := MySQL(tb, 2, "--plugin-load-add=semisync_source.so;semisync_replica.so",
		"--performance-schema=OFF", "--loose-rpl-semi-sync-replica-enabled=ON", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0")
	return newPair(tb, nodes[0], nodes[1])
}

// newPair makes second a replica of first, and creates the database and the user of URL. That user
// has all privileges on the database, but cannot write to a read-only server.
func newPair(tb testing.TB, first, second *Node) *Pair {
	tb.Helper()
	p := &Pair{first, second}
	second.Follow(tb, first)
	first.exec(tb,
		"CREATE DATABASE IF NOT EXISTS "+database,
		"CREATE USER fieldgate@'127.0.0.1'",
		"GRANT ALL ON "+database+".* TO fieldgate@'127.0.0.1'")
	second.exec(tb, "SET GLOBAL read_only = ON")
	second.CatchUp(tb, first)
	return p
}

// URL returns the DATABASE_URL of the first server, for a user to whom read_only applies. A
// Forwarder replaces the host.
func (p *Pair) URL() string {
	return strings.Replace(p.First.URL(), "root@", "fieldgate@", 1)
}

// Switch makes the second server the primary. The first stays up and read-only.
func (p *Pair) Switch(tb testing.TB) {
	tb.Helper()
	p.First.Demote(tb)
	p.Second.CatchUp(tb, p.First)
	p.Second.Promote(tb)
}

// Demote makes a primary read-only after its running commits have ended.
func (n *Node) Demote(tb testing.TB) {
	tb.Helper()
	n.exec(tb, "SET GLOBAL read_only = ON")
}

// DemoteLocked is Demote with a global read lock, as cautious operators do: all writes wait while
// during runs, and find the server read-only afterwards.
func (n *Node) DemoteLocked(tb testing.TB, during func()) {
	tb.Helper()
	db, err := sql.Open("mysql", "root@tcp("+n.Addr()+")/")
	requireNoError(tb, err)
	defer func() { _ = db.Close() }()
	ctx := tb.Context()
	conn, err := db.Conn(ctx)
	requireNoError(tb, err)
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{"FLUSH TABLES WITH READ LOCK", "SET GLOBAL read_only = ON"} {
		_, err = conn.ExecContext(ctx, statement)
		requireNoError(tb, err)
	}
	during()
	_, err = conn.ExecContext(ctx, "UNLOCK TABLES")
	requireNoError(tb, err)
}

// Promote makes a replica the primary: it stops replicating and accepts writes.
func (n *Node) Promote(tb testing.TB) {
	tb.Helper()
	if n.mysql != nil {
		n.exec(tb, "STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
		return
	}
	n.exec(tb, "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF")
}

// Follow makes a server the replica of another one, whose commits wait for it from now on.
func (n *Node) Follow(tb testing.TB, primary *Node) {
	tb.Helper()
	semisync, word := "rpl_semi_sync_master", "slave"
	follow := []string{"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = " + strconv.Itoa(primary.port) +
		", MASTER_USER = 'root', MASTER_USE_GTID = slave_pos", "START SLAVE"}
	if n.mysql != nil {
		semisync, word = "rpl_semi_sync_source", "replica"
		follow = []string{"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = " + strconv.Itoa(primary.port) +
			", SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1", "START REPLICA"}
	}
	// Before the replica checks whether it is enabled. Commits do not wait until then.
	primary.exec(tb, "SET GLOBAL "+semisync+"_wait_no_"+word+" = OFF", "SET GLOBAL "+semisync+"_enabled = ON")
	n.exec(tb, "SET GLOBAL "+semisync+"_enabled = OFF") // it has no replica to wait for
	n.exec(tb, follow...)
	eventually(tb, n.name()+" does not replicate", n.process, func(ctx context.Context) error {
		var name, clients string
		err := query(ctx, primary.port, "SHOW GLOBAL STATUS LIKE '"+semisync+"_clients'", &name, &clients)
		if err == nil && clients != "1" {
			err = errors.New(clients + " replicas acknowledge commits")
		}
		return err
	})
}

// ApplyReceived waits until a replica has applied everything it received from a primary that is
// gone.
func (n *Node) ApplyReceived(tb testing.TB) {
	tb.Helper()
	column := "Gtid_IO_Pos"
	if n.mysql != nil {
		column = "Retrieved_Gtid_Set"
	}
	n.waitForGTID(tb, n.replicaStatus(tb)[column])
}

func (n *Node) replicaStatus(tb testing.TB) map[string]string {
	tb.Helper()
	db, err := sql.Open("mysql", "root@tcp("+n.Addr()+")/")
	requireNoError(tb, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(tb.Context(), "SHOW REPLICA STATUS")
	requireNoError(tb, err)
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	requireNoError(tb, err)
	status := map[string]string{}
	for rows.Next() {
		values, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			pointers[i] = &values[i]
		}
		requireNoError(tb, rows.Scan(pointers...))
		for i, name := range names {
			status[name] = values[i].String
		}
	}
	requireNoError(tb, rows.Err())
	return status
}

// CatchUp waits until a replica has applied all commits of the primary.
func (n *Node) CatchUp(tb testing.TB, primary *Node) {
	tb.Helper()
	position := "SELECT @@gtid_binlog_pos"
	if n.mysql != nil {
		position = "SELECT @@global.gtid_executed"
	}
	var gtid string
	requireNoError(tb, query(tb.Context(), primary.port, position, &gtid))
	n.waitForGTID(tb, gtid)
}

func (n *Node) waitForGTID(tb testing.TB, gtid string) {
	tb.Helper()
	wait := "SELECT MASTER_GTID_WAIT('%s', 9)" // shorter than the client's read timeout
	if n.mysql != nil {
		wait = "SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', 9)"
	}
	wait = fmt.Sprintf(wait, strings.ReplaceAll(gtid, "\n", ""))
	eventually(tb, n.name()+" is behind", n.process, func(ctx context.Context) error {
		var late int
		err := query(ctx, n.port, wait, &late)
		if err == nil && late != 0 {
			err = errors.New("not applied: " + gtid)
		}
		return err
	})
}

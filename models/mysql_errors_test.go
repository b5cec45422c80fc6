package models

import (
	"context"
	"errors"
	"fmt"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"fieldgate/internal/dbtest"
)

// Messages of Vitess v0.24.4.
const (
	noTablet     = "target: fieldgate.0.primary: no healthy tablet available for 'keyspace:\"fieldgate\" shard:\"0\" tablet_type:PRIMARY'"
	reparenting  = "target: fieldgate.0.primary: primary is not serving, there may be a reparent operation in progress"
	notServing   = "target: fieldgate.0.primary: vttablet: rpc error: code = FailedPrecondition desc = operation not allowed in state NOT_SERVING"
	shuttingDown = "target: fieldgate.0.primary: vttablet: rpc error: code = FailedPrecondition desc = operation not allowed in state SHUTTING_DOWN"
	unavailable  = "target: fieldgate.0.primary: vttablet: rpc error: code = Unavailable desc = error reading from server: EOF"
	crossShard   = "VT12001: unsupported: multi-shard or vindex write statement"
	lostAtCommit = `target: fieldgate.0.primary: vttablet: rpc error: code = Canceled desc = EOF (errno 2013) (sqlstate HY000) (CallerID: userData1): Sql: "commit", BindVars: {}`
)

// atCommit is how a store treats an error that the server returns for COMMIT.
type atCommit string

const (
	repeated atCommit = "is repeated"
	// The client gets no promise that nothing was done.
	outcomeUnknown atCommit = "has an unknown outcome"
)

func TestServerErrorsAreClassified(t *testing.T) {
	t.Parallel()
	var d mysqlDialect
	for _, row := range []struct {
		engine                 string
		number                 uint16
		message                string
		retryable, unavailable bool
		commit                 atCommit
	}{
		{"MariaDB", 1020, "Record has changed since last read", true, false, repeated},
		{"MySQL", 1205, "Lock wait timeout exceeded", true, false, repeated},
		{"MySQL", 1213, "Deadlock found", true, false, repeated},
		{"Group Replication", 3101, "Plugin instructed the server to rollback", true, false, repeated},
		{"Galera", 1047, "WSREP has not yet prepared node", true, false, repeated},
		{"Galera", 1180, "Got error 6 during COMMIT", true, false, outcomeUnknown},
		{"TiDB", 8002, "can not retry select for update statement", true, false, repeated},
		{"TiDB", 8005, "Write Conflict, txnStartTS is stale", true, false, repeated},
		{"TiDB", 8022, "KV error safe to retry", true, false, repeated},
		{"TiDB", 8028, "Information schema is changed", true, false, repeated},
		{"TiDB", 9007, "Write conflict", true, false, repeated},

		{"MySQL", 1040, "Too many connections", false, true, outcomeUnknown},
		{"MySQL", 1053, "Server shutdown in progress", false, true, outcomeUnknown},
		{"MySQL", 1317, "Query execution was interrupted", false, true, outcomeUnknown},
		{"MySQL", 3024, "maximum statement execution time exceeded", false, true, outcomeUnknown},
		{"MariaDB", 1927, "Connection was killed", false, true, outcomeUnknown},
		{"TiDB", 8027, "Information schema is out of date", false, true, outcomeUnknown},
		{"TiDB", 9001, "PD server timeout", false, true, outcomeUnknown},
		{"TiDB", 9002, "TiKV server timeout", false, true, outcomeUnknown},
		{"TiDB", 9003, "TiKV server is busy", false, true, outcomeUnknown},
		{"TiDB", 9004, "Resolve lock timeout", false, true, outcomeUnknown},
		{"TiDB", 9005, "Region is unavailable", false, true, outcomeUnknown},
		{"Vitess", 1105, noTablet, false, true, outcomeUnknown},
		{"Vitess", 1105, reparenting, false, true, outcomeUnknown},
		{"Vitess", 1105, notServing, false, true, outcomeUnknown},
		{"Vitess", 1105, shuttingDown, false, true, outcomeUnknown},
		{"Vitess", 1105, unavailable, false, true, outcomeUnknown},
		{"Vitess", 1041, "Transaction throttled", false, true, outcomeUnknown},
		{"Vitess", 1203, "transaction pool connection limit exceeded", false, true, outcomeUnknown},
		{"Vitess", 1317, "transaction 1759: ended: exceeded timeout: 30s", false, true, outcomeUnknown},
		{"Vitess", 2002, "net.Dial(/mysql.sock) to local server failed", false, true, outcomeUnknown},
		{"Vitess", 2003, "connection refused", false, true, outcomeUnknown},
		{"Vitess", 2006, "broken pipe", false, true, outcomeUnknown},
		{"Vitess", 2013, lostAtCommit, false, true, outcomeUnknown},
		{"Vitess", 3168, "server is not available", false, true, outcomeUnknown},

		// Errors of our own, or of the server's setup, must not look like an outage.
		{"Vitess", 1105, crossShard, false, false, outcomeUnknown},
		{"MySQL", 1064, "You have an error in your SQL syntax", false, false, ""},
		{"MySQL", 1146, "Table doesn't exist", false, false, ""},
		{"MySQL", 1406, "Data too long for column", false, false, ""},
		{"MySQL", 1045, "Access denied", false, false, ""},
	} {
		err := error(&mysqldriver.MySQLError{Number: row.number, Message: row.message})
		for _, err := range []error{err, fmt.Errorf("wrapped: %w", err)} {
			if d.retryable(err) != row.retryable || d.unavailable(err) != row.unavailable || d.badConnection(err) {
				t.Errorf("%s %d %s: got retryable %t, unavailable %t; want %t, %t", row.engine, row.number, row.message,
					d.retryable(err), d.unavailable(err), row.retryable, row.unavailable)
			}
			if d.uncertain(err) != (row.commit == outcomeUnknown) {
				t.Errorf("%s %d %s: got uncertain at COMMIT %t", row.engine, row.number, row.message, d.uncertain(err))
			}
		}
	}
}

// A proxy such as vtgate may lose its server during a COMMIT. Then the outcome is unknown.
func TestServerLostBehindProxyIsClassified(t *testing.T) {
	t.Parallel()
	p := newProxy(t, dbtest.MySQL(t))
	s := newStore(t, p.url)
	for _, row := range []struct {
		name, at, instead string
		number            uint16
		message           string
		unavailable, done bool
	}{
		{"before the COMMIT", "INSERT INTO `users`", "DO 0", 2013, lostAtCommit, true, false},
		{"before the COMMIT, without a tablet", "INSERT INTO `users`", "DO 0", 1105, noTablet, true, false},
		{"at a COMMIT that was done", "COMMIT", "COMMIT", 2013, lostAtCommit, false, true},
		{"at a COMMIT that was not done", "COMMIT", "ROLLBACK", 2013, lostAtCommit, false, false},
		{"at a COMMIT, without a tablet", "COMMIT", "ROLLBACK", 1105, noTablet, false, false},
		{"at a COMMIT, with an error without a code of its own", "COMMIT", "COMMIT", 1105, "unexpected", false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := newUser(newID())
			p.refuseAt(row.at, row.instead, row.number, row.message)
			err := s.CreateUser(testContext(t), u)
			if err == nil || errors.Is(err, ErrUnavailable) != row.unavailable {
				t.Errorf("got error %v, ErrUnavailable %t, want %t", err, errors.Is(err, ErrUnavailable), row.unavailable)
			}
			_, err = s.UserByID(testContext(t), u.ID)
			if done := err == nil; done != row.done {
				t.Errorf("got done %t, want %t: %v", done, row.done, err)
			}
		})
	}
}

// A transaction with an older snapshot sees a reservation that was committed later.
func TestReservedEmailIsVisibleInOldSnapshot(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		owner := createUser(t, s, newUser("owner@example.com"))
		reserve := func(ctx context.Context, s *Store) error {
			return s.upsertToken(ctx, &OneTimeToken{
				ID: newID(), Hash: []byte(newID())[:32], UserID: owner.ID, Purpose: "undo", Email: "ada@example.com",
				EmailKey: "ada@example.com", ExpiresAt: s.Now().Add(1 << 40),
			})
		}
		register := func(tx *Store) error {
			u := newUser("ada@example.com")
			u.CreatedAt = s.Now()
			return tx.CreateUserUnlessReserved(ctx, u)
		}
		if s.dialect.name() == "sqlite" { // write transactions are serialized
			requireNoError(t, reserve(ctx, s))
			wantError(t, register(s), ErrEmailTaken)
			return
		}
		wantError(t, s.Transaction(ctx, func(tx *Store) error {
			if _, err := tx.UserByID(ctx, owner.ID); err != nil {
				return err
			}
			requireNoError(t, reserve(ctx, s)) // on another connection
			return register(tx)
		}), ErrEmailTaken)
	})
}

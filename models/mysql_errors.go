package models

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"slices"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"fieldgate/internal/dbwatch"
)

// retryableCodes are the server errors after which nothing was done and the same transaction may
// succeed.
var retryableCodes = []uint16{
	1020, // MariaDB: the row has changed since the transaction read it
	1205, // lock wait timeout
	1213, // deadlock; in Galera, also a conflict with another node, at COMMIT too
	1047, // Galera: this node is not ready
	1180, // COMMIT failed on a conflict; other causes are uncertain
	3101, // Group Replication: conflict with a transaction of another node

	// TiDB, untested: tidb/pkg/errno says of each that the transaction must be retried.
	8002, // SELECT … FOR UPDATE: write conflict
	8005, // write conflict
	8022, // conflict in the storage layer, at COMMIT
	8028, // the schema was changed meanwhile
	9007, // write conflict
}

func (mysqlDialect) retryable(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e) && slices.Contains(retryableCodes, e.Number)
}

// badConnection reports errors after which nothing was done: the driver closed the connection
// before it sent anything; the server rejected a write because it is read-only (1290, 1792, 1836:
// see RejectReadOnly); or only read-only servers could be reached. database/sql retries on another
// connection only outside of transactions.
func (mysqlDialect) badConnection(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, dbwatch.ErrReadOnly)
}

// unavailableCodes are the server errors of a temporary outage. Before a COMMIT nothing was done.
var unavailableCodes = []uint16{
	1040, 1203, 1226, // too many connections; in Vitess 1203 is the transaction cap
	1053,             // server shutdown in progress
	1129,             // host is blocked
	1317,             // interrupted; in Vitess, a query or transaction timeout
	1927, 3169, 4031, // the server has closed this connection
	1290, 1792, 1836, // read-only
	1969, 3024, // query timeout: MariaDB, MySQL

	// Vitess: a proxy that has lost its server reports client-side errors.
	2002, 2003, // cannot connect
	2006, 2013, // connection lost
	1041, 3168, // Vitess: transactions are throttled; server is not available (untested)

	// TiDB, untested: tidb/pkg/errno.
	8027,                         // the schema is outdated
	9001, 9002, 9003, 9004, 9005, // placement driver or storage does not answer
}

// vitessUnknownError is the code of Vitess errors without a code of their own. The message tells
// them apart.
const vitessUnknownError = 1105

// unavailableTexts are parts of the messages of Vitess errors that mean a temporary outage.
var unavailableTexts = []string{
	"code = Unavailable",
	"no healthy tablet available",
	"primary is not serving, there may be a reparent operation in progress",
	"operation not allowed in state NOT_SERVING",
	"operation not allowed in state SHUTTING_DOWN",
}

func (mysqlDialect) unavailable(err error) bool {
	if e := (*mysqldriver.MySQLError)(nil); errors.As(err, &e) {
		return slices.Contains(unavailableCodes, e.Number) || e.Number == vitessUnknownError && containsAny(e.Message, unavailableTexts)
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, mysqldriver.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, dbwatch.ErrCircuitOpen)
}

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// A failed COMMIT may give the reason only in its message: "Got error 149 during COMMIT", with
// additional words from some servers.
const (
	commitFailed = 1180
	// With a transaction of another node, as Group Replication reports it.
	commitDeadlock = "Got error 149 "
)

// uncertain reports whether a COMMIT that ended with err may have happened.
//
// Without an answer of the server, the COMMIT may have reached it. ErrBadConn means that it was not
// sent or was rejected. The other three errors come from database/sql, which did not send it.
//
// An answer that COMMIT failed does not always tell how far it came. If the disk is full, the
// transaction may already be in the binary log. A Galera node that loses the others may have sent
// it to them before. vtgate answers for a server that it has lost. A server that shuts down or
// closes a connection may do so after the commit. A retry would then run the transaction twice: a
// registration would find its own address taken. A conflict with another node was not committed;
// Galera reports 1213 for it.
func (d mysqlDialect) uncertain(err error) bool {
	if e := (*mysqldriver.MySQLError)(nil); errors.As(err, &e) {
		return e.Number == commitFailed && !strings.HasPrefix(e.Message, commitDeadlock) ||
			e.Number == vitessUnknownError || d.unavailable(err)
	}
	return !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, sql.ErrTxDone) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

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

// retryableCodes are the server's errors after which nothing was done, and the same transaction
// may succeed.
var retryableCodes = []uint16{
	1020, // MariaDB: the row was changed since the transaction has read it
	1205, // lock wait timeout
	1213, // deadlock; in Galera, also a conflict with another node, at COMMIT too
	1047, // Galera: this node is not ready
	1180, // COMMIT failed, for a conflict; for other reasons it is uncertain
	3101, // Group Replication: the transaction lost to another node's

	// TiDB; read, not run: tidb/pkg/errno, which says of each that the transaction is to be
	// retried.
	8002, // SELECT … FOR UPDATE: write conflict
	8005, // write conflict
	8022, // a conflict below, at COMMIT
	8028, // the schema was changed meanwhile
	9007, // write conflict
}

func (mysqlDialect) retryable(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e) && slices.Contains(retryableCodes, e.Number)
}

// badConnection: the driver closed the connection before it sent anything, or the server refused
// a write because it is read only (1290, 1792, 1836: see RejectReadOnly), or only read-only
// servers could be reached. database/sql tries another connection only outside of transactions.
func (mysqlDialect) badConnection(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, dbwatch.ErrReadOnly)
}

// unavailableCodes are the server's errors that say: not now. Before a COMMIT nothing was done.
var unavailableCodes = []uint16{
	1040, 1203, 1226, // too many connections; in Vitess 1203 is the transaction cap
	1053,             // server shutdown in progress
	1129,             // host is blocked
	1317,             // interrupted; in Vitess, a query or transaction that took too long
	1927, 3169, 4031, // the server has ended this connection
	1290, 1792, 1836, // read only
	1969, 3024, // query ran too long: MariaDB, MySQL

	// A proxy that has lost its server says what a client library would say: Vitess.
	2002, 2003, // it cannot connect
	2006, 2013, // the connection was lost
	1041, 3168, // Vitess: transactions are throttled; server is not available (read, not run)

	// TiDB; read, not run: tidb/pkg/errno.
	8027,                         // the schema is out of date
	9001, 9002, 9003, 9004, 9005, // placement driver or storage does not answer
}

// vitessUnknownError is the number of what has no number of its own: "unknown error". Vitess tells more
// in the text.
const vitessUnknownError = 1105

// unavailableTexts stand in an error of Vitess that says: not now.
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

// The answer to a COMMIT that failed for a reason of its own, which stands only in the text: "Got
// error 149 during COMMIT", with more words in some servers.
const (
	commitFailed   = 1180
	commitDeadlock = "Got error 149 " // with another node's transaction, as Group Replication has it
)

// uncertain: the server has not answered, and the COMMIT may have reached it. With ErrBadConn it
// has not, or was refused, and the other three come from database/sql, which did not send it.
//
// Or it has answered that it failed, and not how far it came. The transaction may stand in the
// binary log already when the disk is full, and a node of Galera that loses the others may have
// sent it to them before. vtgate answers for a server that it has lost, and a server that shuts
// down or ends a connection may do so after the commit. Done again it would be done twice: an
// account that was just made would have its address taken by itself. A conflict with another node
// was not done; Galera says 1213 for it.
func (d mysqlDialect) uncertain(err error) bool {
	if e := (*mysqldriver.MySQLError)(nil); errors.As(err, &e) {
		return e.Number == commitFailed && !strings.HasPrefix(e.Message, commitDeadlock) ||
			e.Number == vitessUnknownError || d.unavailable(err)
	}
	return !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, sql.ErrTxDone) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

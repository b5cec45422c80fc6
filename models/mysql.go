package models

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"

	"fieldgate/internal/dbwatch"
)

// mysqlDialect is a server that speaks the MySQL protocol.
//
// Tests run on MariaDB, on Galera (tag failure), on MySQL 9.7 where it can be had, and on Vitess with one shard
// (bash .ci/vitess). Nothing was run on TiDB, Aurora, PlanetScale or a sharded Vitess: what this package says of them is from
// their documentation and source.
type mysqlDialect struct{ config *mysqldriver.Config }

func parseMySQL(databaseURL string) (dialect, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("the mysql:// address cannot be read; special characters in the password are written %XX")
	}
	c := mysqldriver.NewConfig()
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.TLSConfig = u.Query().Get("tls")
	c.ParseTime, c.Loc = true, time.UTC
	c.InterpolateParams = true // one round trip a statement instead of two
	c.ClientFoundRows = true   // an UPDATE that changes nothing has still found its row
	c.Collation = "utf8mb4_bin"
	// Together well below what a client of ours waits for an answer (30 s): it has to learn that the database does not
	// answer. Longer than a cluster takes to go on without a node that was lost.
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 5*time.Second, 10*time.Second, 10*time.Second
	c.RejectReadOnly = true // after a failover, leave the node that is no longer the writer
	c.Params = map[string]string{
		"innodb_lock_wait_timeout": seconds(lockWaitTimeout),
		"lock_wait_timeout":        seconds(lockWaitTimeout),
		"time_zone":                "'+00:00'",
		// Object MySQL 8 has of itself, on every server: what does not fit a column is an error and never cut off.
		"sql_mode": "'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
	}
	c.Logger = mysqldriver.Logger(&mysqldriver.NopLogger{})
	if u.Hostname() == "" || c.User == "" || c.DBName == "" {
		return nil, errors.New("a MySQL address is mysql://USER:PASSWORD@HOST:PORT/NAME")
	}
	return mysqlDialect{c}, nil
}

// lockWaitTimeout is how long a statement waits for somebody else's lock, on a row or on a table, before it ends with error 1205.
// It has to be shorter than the time limits of the connection: a server waits for a row for 50 seconds and for a table for a
// day, and we would have closed the connection, which it does not notice while it waits. All that speak the protocol take
// both variables, and ProxySQL keeps track of them; to TiDB and Vitess the one for tables means nothing (read, not run, for TiDB).
const lockWaitTimeout = 5 * time.Second

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

func (mysqlDialect) name() string { return "mysql" }

func (d mysqlDialect) open(log *slog.Logger) (*sql.DB, *dbwatch.Watch, error) {
	watch := dbwatch.New(dbwatch.Config{
		Log: log, ConnectTimeout: d.config.Timeout, Variables: []string{"wsrep_on"}, Prepare: enableSyncWait,
		Heartbeat: heartbeatQuery, IsAnswer: isServerError, IsUnavailable: func(err error) bool { return d.unavailable(err) || d.retryable(err) },
		NoMonitoring: d.config.ReadTimeout == 0,
	})
	config := d.config.Clone()
	config.DialFunc = watch.Dial
	c, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, nil, err
	}
	pool := watch.Open(c)
	// Shorter than any server's or proxy's own limit, so that a connection is never closed under a query,
	// and that the connections spread again over a cluster whose node has come back.
	pool.SetConnMaxLifetime(3 * time.Minute)
	pool.SetConnMaxIdleTime(time.Minute)
	return pool, watch, nil
}

// heartbeatQuery reads a table that no request locks. A node that has lost its cluster still answers questions that need none.
const heartbeatQuery = "SELECT EXISTS (SELECT 1 FROM goose_db_version)"

// isServerError reports whether err is the answer of a server.
func isServerError(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e)
}

// enableSyncWait has a node of Galera answer only when it has done all that the other nodes had acknowledged when it was
// asked: by itself it may lag behind, and let somebody in who has just been signed out by way of another node. That is a
// round trip between the nodes for each read or transaction. With a single writer it counts in the moment after a
// failover, which nobody can see coming. Other servers do not have the variable.
func enableSyncWait(ctx context.Context, conn driver.Conn, variables map[string]string) error {
	if !strings.EqualFold(variables["wsrep_on"], "ON") {
		return nil
	}
	_, err := conn.(driver.ExecerContext).ExecContext(ctx, "SET wsrep_sync_wait = 1", nil) // SELECT and BEGIN
	return err
}

// gorm does not ask the server for its version, so that the same statements go to every server.
func (mysqlDialect) gorm(pool *sql.DB) gorm.Dialector {
	return gormmysql.New(gormmysql.Config{Conn: pool, SkipInitializeWithVersion: true, DontSupportForShareClause: true})
}

func (mysqlDialect) ping(ctx context.Context, pool *sql.DB) error { return pingTable(ctx, pool) }

func (mysqlDialect) indexHint(index string) string { return "FORCE INDEX (" + index + ")" }

// maxConnections is a share of the 151 that a server allows unless told otherwise.
func (mysqlDialect) maxConnections() int { return 32 }

// migrationLease is how long a process that was killed while it migrated keeps the next one waiting. It is
// renewed five times in that time.
const migrationLease = 10 * time.Second

func (mysqlDialect) gooseTables() string {
	return "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'goose%'"
}

// migrationLockWait is how long a step waits for those who use a table. Everybody else who comes to that table waits
// behind it, so it gives up soon and is tried again; the server's own patience is a day.
const migrationLockWait = time.Second

func (mysqlDialect) goose() goose.Dialect { return goose.DialectMySQL }

func (d mysqlDialect) migrationPool() (*sql.DB, lock.Locker, error) {
	locker, err := newMigrationLock()
	if err != nil {
		return nil, nil, err
	}
	patient := d.config.Clone()
	patient.ReadTimeout = 0 // to rebuild a large table takes as long as it takes
	patient.Params["lock_wait_timeout"] = seconds(migrationLockWait)
	pool, _, err := mysqlDialect{patient}.open(slog.New(slog.DiscardHandler)) // the store's own pool logs what this one sees
	return pool, locker, err
}

// newMigrationLock is a row with a lease, not GET_LOCK: that one does not cross the nodes of a cluster.
func newMigrationLock() (lock.Locker, error) {
	return lock.NewMySQLTableLocker(
		lock.WithTableLeaseDuration(migrationLease),
		lock.WithTableHeartbeatInterval(migrationLease/5),
		lock.WithTableLockTimeout(200*time.Millisecond, uint64(migrationRetryTimeout/(200*time.Millisecond))),
		lock.WithTableUnlockTimeout(200*time.Millisecond, 50),
		lock.WithTableRetryPolicy(isLockRetryable),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)),
	)
}

// isLockRetryable: another process has the lock (goose has no name for that error) or a conflict with one that
// asks too. What else the server answers, a missing privilege for one, it would answer for five minutes.
func isLockRetryable(err error) bool {
	var e *mysqldriver.MySQLError
	return !errors.As(err, &e) || slices.Contains(retryableCodes, e.Number)
}

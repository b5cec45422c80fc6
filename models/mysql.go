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

// mysqlDialect is the dialect of servers that speak the MySQL protocol.
//
// Tests run on MariaDB, on Galera (tag failure), on MySQL 9.7 if it is installed, and on Vitess
// with one shard (bash .ci/vitess). TiDB, Aurora, PlanetScale and a sharded Vitess are untested:
// statements about them in this package come from their documentation and source.
type mysqlDialect struct{ config *mysqldriver.Config }

func parseMySQL(databaseURL string) (dialect, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("the mysql:// URL cannot be parsed: write special characters in the password as %XX")
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
	c.InterpolateParams = true // one round trip per statement instead of two
	c.ClientFoundRows = true   // an UPDATE that changes nothing still reports its row
	c.Collation = "utf8mb4_bin"
	// Together well below the 30 s that our clients wait, so that they get UNAVAILABLE as an
	// answer. Longer than a cluster takes to continue without a lost node.
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 5*time.Second, 10*time.Second, 10*time.Second
	c.RejectReadOnly = true // after a failover, drop the connection to the old writer
	c.Params = map[string]string{
		"innodb_lock_wait_timeout": seconds(lockWaitTimeout),
		"lock_wait_timeout":        seconds(lockWaitTimeout),
		"time_zone":                "'+00:00'",
		// MySQL 8's default, for every server: a value that does not fit is an error, not
		// truncated.
		"sql_mode": "'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
	}
	c.Logger = mysqldriver.Logger(&mysqldriver.NopLogger{})
	if u.Hostname() == "" || c.User == "" || c.DBName == "" {
		return nil, errors.New("a MySQL URL has the form mysql://USER:PASSWORD@HOST:PORT/NAME")
	}
	return mysqlDialect{c}, nil
}

// lockWaitTimeout is how long a statement waits for a lock on a row or a table before it fails with
// error 1205. It must be shorter than the timeouts of the connection. By default a server waits 50
// seconds for a row and a day for a table; we would have closed the connection, and a waiting
// server does not notice that. All servers of the protocol accept both variables, and ProxySQL
// tracks them. The variable for tables has no effect in Vitess, nor in TiDB (untested, from its
// documentation).
const lockWaitTimeout = 5 * time.Second

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

func (mysqlDialect) name() string { return "mysql" }

func (d mysqlDialect) open(log *slog.Logger) (*sql.DB, *dbwatch.Watch, error) {
	watch := dbwatch.New(dbwatch.Config{
		Log: log, ConnectTimeout: d.config.Timeout, Variables: []string{"wsrep_on"}, Prepare: enableSyncWait,
		Heartbeat: heartbeatQuery, IsAnswer: isServerError,
		IsUnavailable: func(err error) bool { return d.unavailable(err) || d.retryable(err) },
		NoMonitoring:  d.config.ReadTimeout == 0,
	})
	config := d.config.Clone()
	config.DialFunc = watch.Dial
	c, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, nil, err
	}
	pool := watch.Open(c)
	// Shorter than the limits of servers and proxies, so that no connection is closed during a
	// query. New connections also spread over a cluster again after a node has come back.
	pool.SetConnMaxLifetime(3 * time.Minute)
	pool.SetConnMaxIdleTime(time.Minute)
	return pool, watch, nil
}

// heartbeatQuery reads a table that no request locks. Queries without a table do not detect a node
// that has lost its cluster.
const heartbeatQuery = "SELECT EXISTS (SELECT 1 FROM goose_db_version)"

// isServerError reports whether err is an answer of the server.
func isServerError(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e)
}

// enableSyncWait makes a Galera node apply all writes that other nodes have acknowledged before it
// answers. Otherwise a node that lags accepts a session that another node has just revoked. It
// costs one round trip between the nodes for each read or transaction. With a single writer it
// matters in the moment after a failover, which cannot be predicted. Other servers do not have the
// variable.
func enableSyncWait(ctx context.Context, conn driver.Conn, variables map[string]string) error {
	if !strings.EqualFold(variables["wsrep_on"], "ON") {
		return nil
	}
	// 1: for SELECT and BEGIN.
	_, err := conn.(driver.ExecerContext).ExecContext(ctx, "SET wsrep_sync_wait = 1", nil)
	return err
}

// gorm does not query the server version, so that every server gets the same statements.
func (mysqlDialect) gorm(pool *sql.DB) gorm.Dialector {
	return gormmysql.New(gormmysql.Config{Conn: pool, SkipInitializeWithVersion: true, DontSupportForShareClause: true})
}

func (mysqlDialect) ping(ctx context.Context, pool *sql.DB) error { return pingTable(ctx, pool) }

func (mysqlDialect) indexHint(index string) string { return "FORCE INDEX (" + index + ")" }

// maxConnections is a share of a server's default limit of 151 connections.
func (mysqlDialect) maxConnections() int { return 32 }

// migrationLease is how long the lock of a process that was killed during a migration blocks the
// next process. The holder renews it five times in that time.
const migrationLease = 10 * time.Second

func (mysqlDialect) gooseTables() string {
	return "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'goose%'"
}

// migrationLockWait is how long a step waits for the transactions that use a table. Later queries
// on the table queue behind the step, so it times out soon and is retried; the server's default is
// a day.
const migrationLockWait = time.Second

func (mysqlDialect) goose() goose.Dialect { return goose.DialectMySQL }

func (d mysqlDialect) migrationPool() (*sql.DB, lock.Locker, error) {
	locker, err := newMigrationLock()
	if err != nil {
		return nil, nil, err
	}
	config := d.config.Clone()
	config.ReadTimeout = 0 // rebuilding a large table may take any time
	config.Params["lock_wait_timeout"] = seconds(migrationLockWait)
	// The store's own pool logs the same events.
	pool, _, err := mysqlDialect{config}.open(slog.New(slog.DiscardHandler))
	return pool, locker, err
}

// newMigrationLock uses a row with a lease instead of GET_LOCK, which does not reach the other
// nodes of a cluster.
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

// isLockRetryable reports whether waiting may help: another process holds the lock, for which goose
// has no error value, or a conflict with another waiter. Other server errors, such as a missing
// privilege, would persist for the whole timeout.
func isLockRetryable(err error) bool {
	var e *mysqldriver.MySQLError
	return !errors.As(err, &e) || slices.Contains(retryableCodes, e.Number)
}

package models

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/gormlite"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"

	"fieldgate/internal/dbwatch"
)

// sqliteDialect is a database in one file. The SQLite driver is chosen here only.
type sqliteDialect struct{ path string }

func parseSQLite(databaseURL string) (dialect, error) {
	path := strings.TrimPrefix(databaseURL, "sqlite://")
	if path == "" || path == ":memory:" {
		return nil, errors.New("a SQLite URL must name a file: sqlite://fieldgate.db")
	}
	return sqliteDialect{localPath(path)}, nil
}

// SQLitePath returns the file of a sqlite:// URL; ok is false for other databases.
func SQLitePath(databaseURL string) (path string, ok bool) {
	path, ok = strings.CutPrefix(databaseURL, "sqlite://")
	return localPath(path), ok
}

// localPath returns the path in the operating system's form: sqlite:///C:/x.db is C:/x.db on
// Windows.
func localPath(path string) string {
	if without := strings.TrimPrefix(path, "/"); filepath.VolumeName(without) != "" {
		return without
	}
	return path
}

func (sqliteDialect) name() string { return "sqlite" }

// sqliteTime is the format of stored times. All have the same length, so that they sort as text.
const sqliteTime = string(sqlite3.TimeFormat4) // 2006-01-02 15:04:05.000

// busyTimeout is how long a writer waits for other writers.
const busyTimeout = 10 * time.Second

var busyPragma = fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())

func (d sqliteDialect) dsn() string {
	return sqliteURI(d.path, url.Values{
		// A transaction takes the write lock at its start. If it read first, it could find at its
		// first write that another one was quicker, and fail at once without waiting.
		"_txlock":  {"immediate"},
		"_timefmt": {sqliteTime},
		"_pragma": {
			busyPragma,
			"journal_mode(WAL)",
			"synchronous(NORMAL)",
			"foreign_keys(ON)",
		},
	})
}

// sqliteURI names an existing file: a deleted file must be an error, not an empty database.
// SQLite's sidecar files contain the same rows and get the file's mode and owner.
func sqliteURI(path string, q url.Values) string {
	q.Set("mode", "rw")
	q.Set("modeof", path)
	// Two slashes at the start would begin a host.
	clean := filepath.ToSlash(filepath.Clean(path))
	query := strings.ReplaceAll(q.Encode(), "+", "%20") // SQLite does not decode "+"
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: clean}).EscapedPath(), RawQuery: query}).String()
}

// open returns no watch: a file needs none.
func (d sqliteDialect) open(*slog.Logger) (*sql.DB, *dbwatch.Watch, error) {
	if err := touch(d.path); err != nil {
		return nil, nil, notWritable(d.path, err)
	}
	if err := CheckSQLiteFolder(d.path); err != nil {
		return nil, nil, err
	}
	c, err := (&driver.SQLite{}).OpenConnector(d.dsn())
	if err != nil {
		return nil, nil, err
	}
	return sql.OpenDB(&sqliteConnector{c, d.path}), nil, nil
}

// touch creates the file with mode 0600 if it does not exist. SQLite would let all users read it.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// touchSibling creates path+suffix with the mode of path if it does not exist.
func touchSibling(path, suffix string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	f, err := os.OpenFile(path+suffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(info.Mode().Perm()), f.Close())
}

// sqliteConnector creates the one sidecar file that "modeof" does not apply to before SQLite does.
// It makes each connection open that file at once, because the last connection to close deletes it.
type sqliteConnector struct {
	sqldriver.Connector
	path string
}

// Connect retries while the file is locked. busy_timeout does not cover the switch to WAL, which
// all first connections to a new file attempt.
func (c *sqliteConnector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	if err := touchSibling(c.path, "-shm"); err != nil {
		return nil, err
	}
	for begin := time.Now(); ; {
		conn, err := c.connect(ctx)
		if !errors.Is(err, sqlite3.BUSY) || time.Since(begin) > busyTimeout {
			return conn, err
		}
		if err := sleepRandom(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (c *sqliteConnector) connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	const read = "SELECT 1 FROM sqlite_schema LIMIT 1"
	if _, err := conn.(sqldriver.ExecerContext).ExecContext(ctx, read, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (sqliteDialect) gorm(pool *sql.DB) gorm.Dialector {
	return gormlite.OpenDB(&preparedPool{DB: pool})
}

// ping also checks whether the file still exists: SQLite keeps using a deleted file until the last
// connection is closed.
func (d sqliteDialect) ping(ctx context.Context, pool *sql.DB) error {
	if _, err := os.Stat(d.path); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return pingTable(ctx, pool)
}

func (sqliteDialect) indexHint(index string) string { return "INDEXED BY " + index }

// maxConnections allows concurrent reads on all processors. Writers are serialized in any case.
func (sqliteDialect) maxConnections() int { return max(4, 2*runtime.NumCPU()) }

// retryable is always false: writers wait in busy_timeout, and a retry would only wait longer.
func (sqliteDialect) retryable(error) bool { return false }

func (sqliteDialect) badConnection(error) bool { return false }

func (sqliteDialect) unavailable(err error) bool {
	return errors.Is(err, sqlite3.BUSY) || errors.Is(err, sqlite3.CANTOPEN) || errors.Is(err, sqlite3.FULL) ||
		errors.Is(err, sqlite3.IOERR) || errors.Is(err, sqlite3.PROTOCOL) || errors.Is(err, sqlite3.READONLY) ||
		errors.Is(err, sqlite3.INTERRUPT) || errors.Is(err, sql.ErrConnDone)
}

// uncertain is always false: SQLite rolls back a COMMIT that fails.
func (sqliteDialect) uncertain(error) bool { return false }

func (sqliteDialect) gooseTables() string {
	return "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'goose%'"
}

func (sqliteDialect) goose() goose.Dialect { return goose.DialectSQLite3 }

func (d sqliteDialect) migrationPool() (*sql.DB, lock.Locker, error) {
	pool, _, err := d.open(nil)
	return pool, &fileLock{path: d.path}, err
}

// fileLock is the migration lock of the SQLite file at path: an exclusive transaction on a file
// beside it. The operating system releases the lock when the process ends, even if it is killed.
type fileLock struct {
	path string
	pool *sql.DB
	conn *sql.Conn
}

// Lock waits until no other process migrates or ctx ends.
func (l *fileLock) Lock(ctx context.Context, _ *sql.DB) (err error) {
	if err := touchSibling(l.path, ".lock"); err != nil {
		return err
	}
	if l.pool, err = driver.Open(sqliteURI(l.path+".lock", url.Values{"_pragma": {busyPragma}})); err != nil {
		return err
	}
	if l.conn, err = l.pool.Conn(ctx); err != nil {
		return errors.Join(err, l.pool.Close())
	}
	for {
		_, err = l.conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			err = ctx.Err() // SQLite reports "locked" or "interrupted"
		}
		if !errors.Is(err, sqlite3.BUSY) {
			return errors.Join(err, l.conn.Close(), l.pool.Close())
		}
	}
}

// Unlock releases the lock.
func (l *fileLock) Unlock(ctx context.Context, _ *sql.DB) error {
	_, err := l.conn.ExecContext(ctx, "ROLLBACK")
	return errors.Join(err, l.conn.Close(), l.pool.Close())
}

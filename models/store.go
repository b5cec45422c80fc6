// Package models holds the rows of the database and every query on them.
//
// It is the only package that uses GORM. A Store connects to SQLite or to a server with the MySQL
// protocol. Both behave alike; sqlite.go and mysql.go contain the differences. The errors below are
// those that callers handle; any other error is unexpected. A Store is safe for concurrent use.
//
//	store, err := models.Open("sqlite://fieldgate.db", models.Options{})
//	err = store.Migrate(ctx)
//	user, err := store.UserByEmailKey(ctx, "ada@example.com")
package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"fieldgate/internal/dbwatch"
	"fieldgate/internal/trace"
)

// The errors of queries. Each is wrapped with its cause if there is one: compare with errors.Is.
// ErrUnavailable also guarantees that nothing was done. A write whose outcome is unknown returns an
// error that is none of these.
var (
	ErrNotFound    = errors.New("no such row")
	ErrEmailTaken  = errors.New("another account has this e-mail address")
	ErrUnavailable = errors.New("the database does not answer")
	ErrLastAdmin   = errors.New("the last administrator cannot be demoted, disabled or deleted")
)

// Options configure a Store. The zero value is ready to use.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log receives every statement at level debug, without its values; nil logs nothing.
	Log *slog.Logger
	// MaxConnections is the size of the pool; 0 is the dialect's default.
	MaxConnections int
	// Migrations contains a folder of numbered steps for each dialect; nil uses the embedded ones.
	Migrations fs.FS
}

// Store is the database or, in Transaction, a transaction of it.
type Store struct {
	db            *gorm.DB
	pool          *sql.DB
	watch         *dbwatch.Watch // nil for a file
	dialect       dialect
	now           func() time.Time
	log           *slog.Logger
	folders       fs.FS // Fieldgate's migrations, one folder per dialect
	features      []Feature
	queries       *atomic.Uint64
	sessions      *sessionQuery
	inTransaction bool
	savepoints    int        // open savepoints of the transaction
	span          trace.Span // of the transaction
}

// dialect covers the differences between the databases.
type dialect interface {
	name() string
	// open connects lazily: an unreachable database is an error of the first query. The watch may
	// be nil; closing the pool ends it.
	open(log *slog.Logger) (*sql.DB, *dbwatch.Watch, error)
	gorm(pool *sql.DB) gorm.Dialector
	maxConnections() int
	ping(ctx context.Context, pool *sql.DB) error
	// indexHint returns the clause after a table name that makes the database use one index.
	indexHint(index string) string
	// inspect adds the facts about the database system. The schema is inspected in the same way for
	// all dialects, with structure.
	inspect(ctx context.Context, pool *sql.DB, e *Inspection, deep bool) error
	structure(ctx context.Context, pool *sql.DB) (structure, error)
	backup(ctx context.Context, pool *sql.DB, path string) error
	// migrationPool returns the pool for applying steps, which the caller closes, and the migration
	// lock.
	migrationPool() (*sql.DB, lock.Locker, error)
	goose() goose.Dialect
	// gooseTables returns the query for tables whose names begin with goose.
	gooseTables() string
	// retryable reports whether a transaction that ended with err changed nothing and may succeed
	// if it is run again.
	retryable(err error) bool
	// badConnection reports whether the connection was unusable and nothing was done.
	badConnection(err error) bool
	// unavailable reports whether err means that the database is absent.
	unavailable(err error) bool
	// uncertain reports whether a COMMIT that ended with err may have happened.
	uncertain(err error) bool
}

// Open prepares a store for a DATABASE_URL: sqlite://FILE or
// mysql://USER:PASSWORD@HOST:PORT/NAME?tls=…. Migrate creates the tables. Open does not connect to
// a server: if it is unreachable, the first call returns ErrUnavailable.
func Open(databaseURL string, o Options) (*Store, error) {
	d, err := dialectOf(databaseURL)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Migrations == nil {
		o.Migrations = embeddedMigrations()
	}
	pool, watch, err := d.open(o.Log)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.name(), err)
	}
	connections := d.maxConnections()
	if o.MaxConnections > 0 {
		connections = o.MaxConnections
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections) // opening a connection is expensive in every database
	s := &Store{
		pool: pool, watch: watch, dialect: d, now: o.Now, log: o.Log, folders: o.Migrations, queries: new(atomic.Uint64),
	}
	s.db, err = gorm.Open(d.gorm(pool), &gorm.Config{
		Logger:                 &statementLog{log: o.Log, queries: s.queries, system: d.name()},
		NowFunc:                s.Now,
		SkipDefaultTransaction: true, // writes use Transaction
		DisableAutomaticPing:   true,
		TranslateError:         true,
		QueryFields:            true, // SELECT * could change its columns in a prepared statement
	})
	if err == nil {
		err = translateResults(s.db)
	}
	if err == nil {
		s.sessions, err = newSessionQuery(s.db, pool, connections)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.name(), errors.Join(err, pool.Close()))
	}
	return s, nil
}

func dialectOf(databaseURL string) (dialect, error) {
	scheme, _, _ := strings.Cut(databaseURL, "://")
	switch scheme {
	case "sqlite":
		return parseSQLite(databaseURL)
	case "mysql":
		return parseMySQL(databaseURL)
	}
	return nil, errors.New("a database URL must start with sqlite:// or mysql://")
}

// Close closes all connections.
func (s *Store) Close() error { return s.pool.Close() }

// Ping checks whether the database answers. It reads a table, because a node that has lost its
// cluster still answers queries without one. It returns ErrUnavailable without an answer.
func (s *Store) Ping(ctx context.Context) error {
	return s.translate(ctx, s.dialect.ping(ctx, s.pool))
}

func pingTable(ctx context.Context, pool *sql.DB) error {
	var any bool
	return pool.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM users)").Scan(&any)
}

// Now returns the store's clock in UTC, truncated to the precision of every database: a time that
// was written equals itself when it is read.
func (s *Store) Now() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// Queries returns the number of statements since Open, including those in transactions.
func (s *Store) Queries() uint64 { return s.queries.Load() }

// Pool returns the statistics of the connection pool.
func (s *Store) Pool() sql.DBStats { return s.pool.Stats() }

// transactionRetryTimeout is how long after its first attempt a transaction may be retried. A
// client waits 30 s for an answer, and the last attempt may wait for a lock (lockWaitTimeout) or
// for a server that does not answer.
const transactionRetryTimeout = 10 * time.Second

// Transaction runs f in one transaction and commits it if f returns nil.
//
// f is run again if the transaction loses a deadlock or a conflict with another node, also at
// COMMIT. So f must have no effect except on tx, must get ids and times from outside, and must
// return the errors of tx. f is also run again if its connection turns out to be bad before the
// COMMIT, for long enough to bridge a switch to another server.
//
// Reads outside of a transaction are not retried here. database/sql retries them once on a new
// connection; if that is bad too, the caller gets ErrUnavailable. Nearly every request begins with
// such a read, and waiting requests would pile up.
//
// In an existing transaction f becomes a part of it. A database that aborts a part has aborted the
// whole transaction, so only the whole can be retried.
func (s *Store) Transaction(ctx context.Context, f func(tx *Store) error) error {
	if s.inTransaction {
		return f(s)
	}
	r := retries{begin: s.now()}
	for {
		committing, err := s.runTransaction(ctx, f)
		if err != nil && committing && s.dialect.uncertain(err) {
			// Not ErrUnavailable, which promises that nothing was done.
			return fmt.Errorf("the database was lost at COMMIT, or COMMIT failed: it is unknown whether the transaction was committed: %w", err)
		}
		if err == nil {
			return nil
		}
		again, ended := r.waitToRetry(ctx, s, committing, err)
		if ended != nil {
			return s.translate(ctx, ended)
		}
		if !again {
			return s.translate(ctx, err)
		}
	}
}

// runTransaction also reports whether an error is that of the COMMIT.
func (s *Store) runTransaction(ctx context.Context, f func(tx *Store) error) (committing bool, err error) {
	ctx, span := trace.Start(ctx, "transaction")
	defer func() { span.End(err != nil && (s.dialect.retryable(err) || s.dialect.unavailable(err))) }()
	err = s.db.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		tx := *s
		tx.db, tx.inTransaction, tx.span = db, true, span
		err := f(&tx)
		committing = err == nil
		return err
	})
	return committing, err
}

// sleepRandom waits up to d. The wait is random, so that colliding callers do not collide again.
func sleepRandom(ctx context.Context, d time.Duration) error { return sleep(ctx, rand.N(d)) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conn returns the database handle for one call. All queries use it, so that each has the request's
// context.
func (s *Store) conn(ctx context.Context) *gorm.DB { return s.db.WithContext(s.span.Within(ctx)) }

// insert inserts one or several rows as they are, without the rows they refer to.
func (s *Store) insert(ctx context.Context, rows any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		return tx.translate(ctx, tx.conn(ctx).Omit(clause.Associations).Create(rows).Error)
	})
}

// keepExisting makes an INSERT keep an existing row with the same key, by assigning a column to
// itself. GORM's DoNothing assigns the key on MySQL, which Vitess rejects on a sharded table
// (VT12001).
func keepExisting(key, column string) clause.OnConflict {
	same := clause.Assignment{
		Column: clause.Column{Name: column},
		Value:  clause.Column{Table: clause.CurrentTable, Name: column},
	}
	return clause.OnConflict{Columns: []clause.Column{{Name: key}}, DoUpdates: clause.Set{same}}
}

// isASCII reports whether text can be in an ASCII column: an id, a role, a hash. Other text must
// not be sent: MariaDB returns an error for such a comparison instead of no rows.
func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// translate turns errors of GORM and the drivers into this package's errors and keeps the cause.
// ctx is the context of the failed call.
func (s *Store) translate(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrUnavailable), errors.Is(err, ErrEmailTaken),
		errors.Is(err, ErrLastAdmin), errors.Is(err, ErrConflict):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, dbwatch.ErrReadOnly):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errors.Is(err, context.Canceled):
		return err // the client disconnected; the database is not at fault
	case errors.Is(err, context.DeadlineExceeded), s.dialect.unavailable(err), s.dialect.retryable(err),
		errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil:
		// Some drivers do not return the context's error for an aborted statement, but
		// "interrupted".
		ended := ctx.Err()
		if ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err)
		}
		if errors.Is(ended, context.Canceled) {
			return err
		}
		if d, ok := s.dialect.(sqliteDialect); ok {
			err = d.explain(err)
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// Package models holds the rows of the database and every query on them.
//
// It is the only package that knows GORM. A Store speaks to SQLite or to the MySQL protocol; the two
// answer alike, and the differences stand in sqlite.go and mysql.go. Errors that callers act on are the
// ones below; anything else is unexpected. A Store is safe for use by many goroutines.
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

// Object a query can answer instead of a row. Each is wrapped with the cause where there is one: compare
// with errors.Is. ErrUnavailable also promises that nothing was done; a write whose outcome is not known
// ends in an error that is none of these.
var (
	ErrNotFound    = errors.New("no such row")
	ErrEmailTaken  = errors.New("another account has this e-mail address")
	ErrUnavailable = errors.New("the database does not answer")
	ErrLastAdmin   = errors.New("nobody else could do what this account can")
)

// Options are what a Store needs beside its address. The zero value is ready to use.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets every statement at level debug, without its values; nil logs nothing.
	Log *slog.Logger
	// MaxConnections bounds the pool; 0 is the dialect's own default.
	MaxConnections int
	// Migrations has a folder with the numbered steps for each dialect; nil is what this program was compiled with.
	Migrations fs.FS
}

// Store is the database, or inside Transaction a transaction of it.
type Store struct {
	db            *gorm.DB
	pool          *sql.DB
	watch         *dbwatch.Watch // nil for a file
	dialect       dialect
	now           func() time.Time
	log           *slog.Logger
	folders       fs.FS // of Fieldgate's migrations, one a dialect
	features      []Feature
	queries       *atomic.Uint64
	sessions      *sessionQuery
	inTransaction bool
	savepoints    int        // that are open in the transaction
	span          trace.Span // the transaction's
}

// dialect is what differs between the databases.
type dialect interface {
	name() string
	// open connects lazily: a database that is not there is an error of the first query. The watch may be nil; closing the
	// pool ends it.
	open(log *slog.Logger) (*sql.DB, *dbwatch.Watch, error)
	gorm(pool *sql.DB) gorm.Dialector
	maxConnections() int
	ping(ctx context.Context, pool *sql.DB) error
	// indexHint follows the name of a table, to have it read by one index and by no other.
	indexHint(index string) string
	// inspect says what there is to know of the database itself. What stands in it is the same for all dialects, but
	// for the way to ask.
	inspect(ctx context.Context, pool *sql.DB, e *Inspection, deep bool) error
	structure(ctx context.Context, pool *sql.DB) (structure, error)
	backup(ctx context.Context, pool *sql.DB, path string) error
	// migrationPool is what steps are applied on, for the caller to close, and the lock under which that happens.
	migrationPool() (*sql.DB, lock.Locker, error)
	goose() goose.Dialect
	// gooseTables lists the tables whose names begin with goose.
	gooseTables() string
	// retryable says whether a transaction that ended with err left nothing behind and may succeed if it is
	// simply run again.
	retryable(err error) bool
	// badConnection reports whether the connection was unusable and nothing was done: another one may be good.
	badConnection(err error) bool
	// unavailable says whether err is the database's absence rather than its answer.
	unavailable(err error) bool
	// uncertain says whether a COMMIT that ended with err may have happened nevertheless.
	uncertain(err error) bool
}

// Open prepares a store for a DATABASE_URL: sqlite://FILE or mysql://USER:PASSWORD@HOST:PORT/NAME?tls=….
// The tables are there only after Migrate. Open does not speak to a server: one that is not there is
// ErrUnavailable from whatever is called first.
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
	pool.SetMaxIdleConns(connections) // opening one is dear on every database
	s := &Store{pool: pool, watch: watch, dialect: d, now: o.Now, log: o.Log, folders: o.Migrations, queries: new(atomic.Uint64)}
	s.db, err = gorm.Open(d.gorm(pool), &gorm.Config{
		Logger:                 &statementLog{log: o.Log, queries: s.queries, system: d.name()},
		NowFunc:                s.Now,
		SkipDefaultTransaction: true, // who writes asks for Transaction
		DisableAutomaticPing:   true,
		TranslateError:         true,
		QueryFields:            true, // what SELECT * stands for may change under a statement that is kept prepared
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
	return nil, errors.New("a database address starts with sqlite:// or mysql://")
}

// Close ends every connection.
func (s *Store) Close() error { return s.pool.Close() }

// Ping asks the database for a sign of life: it looks into a table, because a node that has lost its cluster
// still answers questions that need none. It returns ErrUnavailable if there is no answer.
func (s *Store) Ping(ctx context.Context) error {
	return s.translate(ctx, s.dialect.ping(ctx, s.pool))
}

func pingTable(ctx context.Context, pool *sql.DB) error {
	var any bool
	return pool.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM users)").Scan(&any)
}

// Now is the store's clock in UTC, as exact as every column of every database keeps it: a time that was
// written is equal to itself when it is read.
func (s *Store) Now() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// Queries counts the statements asked of the database since Open, those inside transactions included.
func (s *Store) Queries() uint64 { return s.queries.Load() }

// Pool returns what the connections to the database do.
func (s *Store) Pool() sql.DBStats { return s.pool.Stats() }

// transactionRetryTimeout is how long after its first try a transaction may be tried again. A client waits 30 s for an answer,
// and the last try may wait for a lock (lockWaitTimeout) or for a server that does not answer.
const transactionRetryTimeout = 10 * time.Second

// Transaction runs f in one transaction and commits it if f returns nil. When the database picks the
// transaction as the victim of a deadlock or of a conflict with another node, at COMMIT too, f is run
// again: it must have no effect but on tx, make ids and times before, and return the errors of tx.
// f is also run again when its connection turns out to be bad before the COMMIT, for long enough to bridge a
// switch to another server.
//
// Reads outside a transaction are not retried here. database/sql runs them on a new connection at once; if that one is
// bad too, the caller gets ErrUnavailable. Nearly every request begins with such a read, and requests that wait for a
// database pile up.
//
// In a transaction that is already there, f becomes a part of it: a database that gives up a part has given
// up the whole, so only the whole can be tried again.
func (s *Store) Transaction(ctx context.Context, f func(tx *Store) error) error {
	if s.inTransaction {
		return f(s)
	}
	r := retries{begin: s.now()}
	for {
		committing, err := s.runTransaction(ctx, f)
		if err != nil && committing && s.dialect.uncertain(err) {
			// Not ErrUnavailable, which promises that nothing was done.
			return fmt.Errorf("the database was lost at COMMIT, or failed in it, and does not say whether it happened: %w", err)
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

// runTransaction also says whether the error, if there is one, is that of the COMMIT.
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

// sleepRandom waits up to d, at random so that those who collided do not collide again.
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

// conn is the database for one call. Each caller passes through here, so that no query runs without the
// request's context.
func (s *Store) conn(ctx context.Context) *gorm.DB { return s.db.WithContext(s.span.Within(ctx)) }

// insert adds a row, or several, as they are; what they point to is there already.
func (s *Store) insert(ctx context.Context, rows any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		return tx.translate(ctx, tx.conn(ctx).Omit(clause.Associations).Create(rows).Error)
	})
}

// keepExisting has an INSERT leave a row with the same key as it is, by assigning a column to itself. GORM's DoNothing assigns the
// key on MySQL, which Vitess refuses on a sharded table (VT12001).
func keepExisting(key, column string) clause.OnConflict {
	same := clause.Assignment{Column: clause.Column{Name: column}, Value: clause.Column{Table: clause.CurrentTable, Name: column}}
	return clause.OnConflict{Columns: []clause.Column{{Name: key}}, DoUpdates: clause.Set{same}}
}

// isASCII reports whether text can stand in a column of ASCII: an id, a role, a hash. What cannot is not asked
// for, because MariaDB has an error for that question and not the answer that no row is equal to it.
func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// translate turns what GORM and the drivers say into this package's errors, and keeps the cause. ctx is the
// one of the call that failed.
func (s *Store) translate(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrUnavailable), errors.Is(err, ErrEmailTaken), errors.Is(err, ErrLastAdmin), errors.Is(err, ErrConflict):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, dbwatch.ErrReadOnly):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errors.Is(err, context.Canceled):
		return err // the client hung up: no fault of the database
	case errors.Is(err, context.DeadlineExceeded), s.dialect.unavailable(err), s.dialect.retryable(err),
		errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil:
		// Where the context ends a statement, not every driver says so: "interrupted" is one of the answers.
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

package models

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
)

// The numbered files, one folder a dialect. A number stands for the same step in each folder.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// embedded are the folders that this program was compiled with.
func embedded() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// Migration is one numbered step of the schema.
type Migration struct {
	Number    int64
	Name      string    // of its file; empty: this program does not know the step, a newer one has applied it
	AppliedAt time.Time // zero if it has not been applied
	Contract  string    // what it takes away, and since when nothing reads that; empty: it only adds
}

// Pending reports whether the database lacks something that this program needs. A step that takes something away is
// nothing that a program needs.
func (m Migration) Pending() bool { return m.AppliedAt.IsZero() && m.Contract == "" }

// Waiting reports whether the step takes something away, and waits for Contract.
func (m Migration) Waiting() bool { return m.AppliedAt.IsZero() && m.Contract != "" }

// Unknown reports whether a newer program has applied the step.
func (m Migration) Unknown() bool { return m.Name == "" }

// Migrate applies the steps that the database lacks, in order, and returns those that it applied, also
// beside an error. Any number of processes may call it at once: one works, the others wait for it, as long as
// ctx allows. Programs that are one version older may go on meanwhile: what takes something away from them is left
// to Contract, unless the database is empty, which no older program can use.
func (s *Store) Migrate(ctx context.Context) (applied []Migration, err error) {
	return s.migrate(ctx, false)
}

// Contract is Migrate with the steps that take something away. No program may run that reads it still.
func (s *Store) Contract(ctx context.Context) (applied []Migration, err error) {
	return s.migrate(ctx, true)
}

// migrationPatience is how long a step is tried again that others kept from a lock, and how long those wait who find
// that somebody else migrates.
const migrationPatience = 5 * time.Minute

// migrationPause is the longest pause between two tries, in which others get at the table that the step waits for.
const migrationPause = 5 * time.Second

func (s *Store) migrate(ctx context.Context, contracts bool) (applied []Migration, err error) {
	list, err := s.Migrations(ctx)
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); ; {
		done, err := s.up(ctx, contracts)
		for _, number := range done {
			i := slices.IndexFunc(list, func(m Migration) bool { return m.Number == number })
			list[i].AppliedAt = s.Now()
			applied = append(applied, list[i])
		}
		// A step can be run twice: a test does so.
		if err == nil || !s.again(ctx, err, begin) {
			return applied, s.translate(ctx, err)
		}
	}
}

// again waits, and says whether what was begun first at begin, and ended with err, is to be tried once more.
func (s *Store) again(ctx context.Context, err error, begin time.Time) bool {
	return s.dialect.retryable(err) && time.Since(begin) <= migrationPatience && pause(ctx, migrationPause) == nil
}

// up works on a pool of its own: the lock and the steps need more than one connection, and the
// store's pool may have just one.
func (s *Store) up(ctx context.Context, contracts bool) (done []int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("migrations: %w", err)
		}
	}()
	pool, locker, err := s.dialect.migrationPool()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := locker.Lock(ctx, pool); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, locker.Unlock(context.WithoutCancel(ctx), pool)) }()
	return s.upLocked(ctx, pool, contracts)
}

// upLocked looks under the lock whether the database is empty: whoever had the lock before may be an older program, which
// serves by now.
func (s *Store) upLocked(ctx context.Context, pool *sql.DB, contracts bool) (done []int64, err error) {
	steps, err := s.steps()
	if err != nil {
		return nil, err
	}
	applied, err := s.applied(ctx, pool)
	if err != nil {
		return nil, err
	}
	m, err := goose.NewProvider(s.dialect.goose(), pool, s.migrations, s.optionsFor(steps, contracts || len(applied) == 0)...)
	if err != nil {
		return nil, err
	}
	results, err := m.Up(ctx)
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
		results = partial.Applied
	}
	for _, r := range results {
		done = append(done, r.Source.Version)
	}
	return done, err
}

// optionsFor says how goose is to apply the steps. One that takes something away has waited while later ones were
// applied, so the order is not that of the numbers.
func (s *Store) optionsFor(steps []step, contracts bool) []goose.ProviderOption {
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithAllowOutofOrder(true),
	}
	for _, st := range steps {
		waits := st.contract != "" && !contracts
		if waits || st.backfill != nil {
			options = append(options, goose.WithExcludeNames([]string{st.name}))
		}
		if !waits && st.backfill != nil {
			fill := &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error { return s.fill(ctx, db, st) }}
			options = append(options, goose.WithGoMigrations(goose.NewGoMigration(st.number, fill, nil)))
		}
	}
	return options
}

// Migrations lists every step by its number, those too that only a newer program knows, and when it was applied. It
// waits for nobody who migrates, and changes nothing.
func (s *Store) Migrations(ctx context.Context) (list []Migration, err error) {
	steps, err := s.steps()
	if err != nil {
		return nil, err
	}
	applied, err := s.applied(ctx, s.pool)
	if err != nil {
		return nil, s.translate(ctx, fmt.Errorf("migrations: %w", err))
	}
	for _, st := range steps {
		list = append(list, Migration{Number: st.number, Name: st.name, AppliedAt: applied[st.number], Contract: st.contract})
		delete(applied, st.number)
	}
	for number, at := range applied {
		list = append(list, Migration{Number: number, AppliedAt: at})
	}
	slices.SortFunc(list, func(a, b Migration) int { return cmp.Compare(a.Number, b.Number) })
	return list, nil
}

// applied reads goose's table, whose first row stands for no step.
func (s *Store) applied(ctx context.Context, pool *sql.DB) (map[int64]time.Time, error) {
	at := map[int64]time.Time{}
	var there bool
	if err := pool.QueryRowContext(ctx, s.dialect.hasVersions()).Scan(&there); err != nil || !there {
		return at, err
	}
	rows, err := pool.QueryContext(ctx, "SELECT version_id, tstamp FROM goose_db_version WHERE version_id > 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var t time.Time
		if err := rows.Scan(&number, &t); err != nil {
			return nil, err
		}
		at[number] = t
	}
	return at, rows.Err()
}

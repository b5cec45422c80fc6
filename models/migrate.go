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
	"github.com/pressly/goose/v3/database"
)

// The numbered files, one folder per dialect. A number means the same step in each folder.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// embeddedMigrations returns the folders that are compiled into this program.
func embeddedMigrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// Migration is one numbered step of the database schema.
type Migration struct {
	Feature   string // of a product; "" for Fieldgate's own
	Number    int64
	Name      string    // of its file; "" if only a newer program knows the step
	AppliedAt time.Time // zero if it has not been applied
	// Contract says what a contract step removes, and since which step that is unused; "" if the
	// step only adds.
	Contract string
}

// Title returns the file name of the step, or its number if the name is unknown. Steps of a feature
// have the feature as a prefix.
func (m Migration) Title() string {
	name := m.Name
	if m.Unknown() {
		name = fmt.Sprintf("%05d", m.Number)
	}
	return migrationSet{feature: m.Feature}.title(name)
}

// Pending reports whether the program needs the step and it is not applied. A program never needs a
// contract step.
func (m Migration) Pending() bool { return m.AppliedAt.IsZero() && m.Contract == "" }

// Waiting reports whether the step is a contract step that is not applied. Contract applies it.
func (m Migration) Waiting() bool { return m.AppliedAt.IsZero() && m.Contract != "" }

// Unknown reports whether a newer program has applied the step.
func (m Migration) Unknown() bool { return m.Name == "" }

// Migrate applies the missing steps in order. It returns the steps that it applied, also with an
// error. Any number of processes may call it concurrently: one applies the steps, the others wait
// until ctx ends. Programs of the previous version may keep running, so contract steps are left to
// Contract. An empty database gets them at once, because no older program can use it.
func (s *Store) Migrate(ctx context.Context) (applied []Migration, err error) {
	return s.migrate(ctx, false)
}

// Contract is Migrate including the contract steps. No program that uses what they remove may run.
func (s *Store) Contract(ctx context.Context) (applied []Migration, err error) {
	return s.migrate(ctx, true)
}

// migrationRetryTimeout is how long a step is retried that cannot get a lock, and how long a
// process waits for another one that migrates.
const migrationRetryTimeout = 5 * time.Minute

// migrationMaxBackoff is the longest pause between two attempts, in which other transactions can
// use the table.
const migrationMaxBackoff = 5 * time.Second

func (s *Store) migrate(ctx context.Context, contracts bool) (applied []Migration, err error) {
	list, err := s.Migrations(ctx)
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); ; {
		done, err := s.up(ctx, contracts)
		for _, m := range done {
			m.AppliedAt = s.Now()
			i := slices.IndexFunc(list, m.isSameStep)
			list[i].AppliedAt = m.AppliedAt
			applied = append(applied, list[i])
		}
		// A step can run twice; a test proves it.
		if err == nil || !s.waitToRetryStep(ctx, err, begin) {
			return applied, s.translate(ctx, err)
		}
	}
}

func (m Migration) isSameStep(other Migration) bool {
	return m.Feature == other.Feature && m.Number == other.Number
}

// waitToRetryStep waits, and reports whether a step that was first tried at begin and failed with
// err is to be tried again.
func (s *Store) waitToRetryStep(ctx context.Context, err error, begin time.Time) bool {
	return s.dialect.retryable(err) && time.Since(begin) <= migrationRetryTimeout &&
		sleepRandom(ctx, migrationMaxBackoff) == nil
}

// up uses a pool of its own: the lock and the steps need more than one connection, and the store's
// pool may have just one.
//
// One lock covers all migration sets, because a step of a feature may use Fieldgate's tables.
func (s *Store) up(ctx context.Context, contracts bool) (done []Migration, err error) {
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
	for _, set := range s.migrationSets() {
		numbers, err := s.upLocked(ctx, pool, set, contracts)
		for _, number := range numbers {
			done = append(done, Migration{Feature: set.feature, Number: number})
		}
		if err != nil && set.feature != "" {
			err = fmt.Errorf("feature %q: %w", set.feature, err)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// upLocked checks under the lock whether the set is new to the database. The previous holder of the
// lock may be an older program, which is serving by now.
func (s *Store) upLocked(
	ctx context.Context, pool *sql.DB, set migrationSet, contracts bool) (done []int64, err error,
) {
	steps, err := readSteps(set.folders, s.dialect)
	if err != nil {
		return nil, err
	}
	tables, err := s.gooseTables(ctx, pool)
	if err != nil {
		return nil, err
	}
	applied, err := set.applied(ctx, pool, tables)
	if err != nil {
		return nil, err
	}
	folder, err := fs.Sub(set.folders, s.dialect.name())
	if err != nil {
		return nil, err
	}
	versions, err := s.versionStore(set)
	if err != nil {
		return nil, err
	}
	options := append(s.gooseOptions(steps, contracts || len(applied) == 0), goose.WithStore(versions))
	m, err := goose.NewProvider(goose.DialectCustom, pool, folder, options...)
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

// versionStore is goose's own store with one query replaced. To see whether its table exists, goose
// asks "database() IS NULL OR table_schema = database()". Vitess replaces the database name only in
// a plain comparison, so goose would create the table at each start.
type versionStore struct {
	database.Store
	tables string // the query for goose's tables
}

func (s *Store) versionStore(set migrationSet) (versionStore, error) {
	own, err := database.NewStore(s.dialect.goose(), set.table())
	return versionStore{own, s.dialect.gooseTables()}, err
}

// TableExists implements goose's database.StoreExtender.
func (v versionStore) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	tables, err := queryColumn[string](ctx, db, v.tables)
	return slices.Contains(tables, v.Tablename()), err
}

// gooseOptions returns goose's options for applying the steps. Steps may be applied out of order: a
// contract step may wait while later steps are applied.
func (s *Store) gooseOptions(steps []step, contracts bool) []goose.ProviderOption {
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithAllowOutofOrder(true),
	}
	for _, st := range steps {
		waits := st.contract != "" && !contracts
		if waits || st.backfill != nil {
			options = append(options, goose.WithExcludeNames([]string{st.name}))
		}
		if !waits && st.backfill != nil {
			fill := &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error { return s.backfill(ctx, db, st) }}
			options = append(options, goose.WithGoMigrations(goose.NewGoMigration(st.number, fill, nil)))
		}
	}
	return options
}

// Migrations returns every step with the time when it was applied, by number, Fieldgate's before
// those of features. It includes steps that only a newer program knows. It does not wait for a
// running migration, and changes nothing.
func (s *Store) Migrations(ctx context.Context) (list []Migration, err error) {
	tables, err := s.gooseTables(ctx, s.pool)
	if err != nil {
		return nil, s.translate(ctx, fmt.Errorf("migrations: %w", err))
	}
	for _, set := range s.migrationSets() {
		of, err := s.migrationsOf(ctx, set, tables)
		if err != nil {
			return nil, s.translate(ctx, fmt.Errorf("migrations: %w", err))
		}
		list = append(list, of...)
	}
	return list, nil
}

func (s *Store) migrationsOf(ctx context.Context, set migrationSet, tables []string) (list []Migration, err error) {
	steps, err := readSteps(set.folders, s.dialect)
	if err != nil {
		return nil, err
	}
	applied, err := set.applied(ctx, s.pool, tables)
	if err != nil {
		return nil, err
	}
	for _, st := range steps {
		list = append(list, Migration{
			Feature: set.feature, Number: st.number, Name: st.name, AppliedAt: applied[st.number], Contract: st.contract,
		})
		delete(applied, st.number)
	}
	for number, at := range applied {
		list = append(list, Migration{Feature: set.feature, Number: number, AppliedAt: at})
	}
	slices.SortFunc(list, func(a, b Migration) int { return cmp.Compare(a.Number, b.Number) })
	return list, nil
}

// gooseTables returns the version tables and the table of the migration lock.
func (s *Store) gooseTables(ctx context.Context, pool *sql.DB) ([]string, error) {
	return queryColumn[string](ctx, pool, s.dialect.gooseTables())
}

// applied reads the set's version table, if it is among the tables. Its first row is not a step.
func (set migrationSet) applied(ctx context.Context, pool *sql.DB, tables []string) (map[int64]time.Time, error) {
	at := map[int64]time.Time{}
	if !slices.Contains(tables, set.table()) {
		return at, nil
	}
	rows, err := pool.QueryContext(ctx, "SELECT version_id, tstamp FROM "+set.table()+" WHERE version_id > 0")
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

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

// The numbered files, one folder a dialect. A number stands for the same step in each folder.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// embeddedMigrations are the folders that this program was compiled with.
func embeddedMigrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// Migration is one numbered step of the schema.
type Migration struct {
	Feature   string // of a product; empty: Fieldgate's own
	Number    int64
	Name      string    // of its file; empty: this program does not know the step, a newer one has applied it
	AppliedAt time.Time // zero if it has not been applied
	Contract  string    // what it takes away, and since when nothing reads that; empty: it only adds
}

// Title names the step for people: the name of its file or its number, with the feature before it.
func (m Migration) Title() string {
	name := m.Name
	if m.Unknown() {
		name = fmt.Sprintf("%05d", m.Number)
	}
	return migrationSet{feature: m.Feature}.title(name)
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

// migrationRetryTimeout is how long a step is tried again that others kept from a lock, and how long those wait who find
// that somebody else migrates.
const migrationRetryTimeout = 5 * time.Minute

// migrationMaxBackoff is the longest pause between two tries, in which others get at the table that the step waits for.
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
		// A step can be run twice: a test does so.
		if err == nil || !s.waitToRetryStep(ctx, err, begin) {
			return applied, s.translate(ctx, err)
		}
	}
}

func (m Migration) isSameStep(other Migration) bool {
	return m.Feature == other.Feature && m.Number == other.Number
}

// waitToRetry waits, and says whether what was begun first at begin, and ended with err, is to be tried once more.
func (s *Store) waitToRetryStep(ctx context.Context, err error, begin time.Time) bool {
	return s.dialect.retryable(err) && time.Since(begin) <= migrationRetryTimeout && sleepRandom(ctx, migrationMaxBackoff) == nil
}

// up works on a pool of its own: the lock and the steps need more than one connection, and the
// store's pool may have just one.
//
// One lock is for all series: a step of a feature may use tables of Fieldgate's.
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
	for _, v := range s.migrationSets() {
		numbers, err := s.upLocked(ctx, pool, v, contracts)
		for _, number := range numbers {
			done = append(done, Migration{Feature: v.feature, Number: number})
		}
		if err != nil && v.feature != "" {
			err = fmt.Errorf("feature %q: %w", v.feature, err)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// upLocked looks under the lock whether the series is new to the database: whoever had the lock before may be an older
// program, which serves by now.
func (s *Store) upLocked(ctx context.Context, pool *sql.DB, v migrationSet, contracts bool) (done []int64, err error) {
	steps, err := readSteps(v.folders, s.dialect)
	if err != nil {
		return nil, err
	}
	tables, err := s.gooseTables(ctx, pool)
	if err != nil {
		return nil, err
	}
	applied, err := v.applied(ctx, pool, tables)
	if err != nil {
		return nil, err
	}
	folder, err := fs.Sub(v.folders, s.dialect.name())
	if err != nil {
		return nil, err
	}
	versions, err := s.versionStore(v)
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

// versionStore is goose's own, but for one query. goose asks whether its table exists by
// "database() IS NULL OR table_schema = database()". Vitess replaces the name of its database
// only in a plain comparison, so that goose would create the table at each start.
type versionStore struct {
	database.Store
	tables string // the query for the tables of goose
}

func (s *Store) versionStore(v migrationSet) (versionStore, error) {
	own, err := database.NewStore(s.dialect.goose(), v.table())
	return versionStore{own, s.dialect.gooseTables()}, err
}

// TableExists is called by goose.
func (v versionStore) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	tables, err := queryColumn[string](ctx, db, v.tables)
	return slices.Contains(tables, v.Tablename()), err
}

// gooseOptions says how goose is to apply the steps. One that takes something away has waited while later ones were
// applied, so the order is not that of the numbers.
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

// Migrations lists every step by its number, Fieldgate's before those of the features, those too that only a newer
// program knows, and when it was applied. It waits for nobody who migrates, and changes nothing.
func (s *Store) Migrations(ctx context.Context) (list []Migration, err error) {
	tables, err := s.gooseTables(ctx, s.pool)
	if err != nil {
		return nil, s.translate(ctx, fmt.Errorf("migrations: %w", err))
	}
	for _, v := range s.migrationSets() {
		of, err := s.migrationsOf(ctx, v, tables)
		if err != nil {
			return nil, s.translate(ctx, fmt.Errorf("migrations: %w", err))
		}
		list = append(list, of...)
	}
	return list, nil
}

func (s *Store) migrationsOf(ctx context.Context, v migrationSet, tables []string) (list []Migration, err error) {
	steps, err := readSteps(v.folders, s.dialect)
	if err != nil {
		return nil, err
	}
	applied, err := v.applied(ctx, s.pool, tables)
	if err != nil {
		return nil, err
	}
	for _, st := range steps {
		list = append(list, Migration{Feature: v.feature, Number: st.number, Name: st.name, AppliedAt: applied[st.number], Contract: st.contract})
		delete(applied, st.number)
	}
	for number, at := range applied {
		list = append(list, Migration{Feature: v.feature, Number: number, AppliedAt: at})
	}
	slices.SortFunc(list, func(a, b Migration) int { return cmp.Compare(a.Number, b.Number) })
	return list, nil
}

// gooseTables are those that keep versions of migrations, and the lock's.
func (s *Store) gooseTables(ctx context.Context, pool *sql.DB) ([]string, error) {
	return queryColumn[string](ctx, pool, s.dialect.gooseTables())
}

// applied reads the version table of the series, if it is among the tables. Its first row stands for no step.
func (v migrationSet) applied(ctx context.Context, pool *sql.DB, tables []string) (map[int64]time.Time, error) {
	at := map[int64]time.Time{}
	if !slices.Contains(tables, v.table()) {
		return at, nil
	}
	rows, err := pool.QueryContext(ctx, "SELECT version_id, tstamp FROM "+v.table()+" WHERE version_id > 0")
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

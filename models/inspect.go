package models

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pressly/goose/v3"
)

// Inspection is the result of Inspect: facts about a database, without a judgement.
type Inspection struct {
	Product string // SQLite, MySQL or MariaDB
	Version string // as the server reports it

	RoundTrip time.Duration // the median of several SELECT 1
	// ClockAhead is how far the database's clock is ahead of this machine's, to half a round trip;
	// 0 in SQLite.
	ClockAhead time.Duration

	Pending []string // names of migrations that are not applied
	// Waiting lists the names of contract migrations that are not applied; an operator applies
	// them.
	Waiting []string
	Unknown []int64  // numbers of applied migrations that only a newer program knows
	Ahead   []string // as Unknown, for features: FEATURE/NUMBER
	// Removed lists the names of features that have migrated the database and that this program
	// lacks.
	Removed    []string
	Issues     []SchemaIssue // differences from the migrations; checked if none is pending
	Corruption []string      // errors of SQLite's quick_check; with deep only

	Pool int // the maximum of connections of this Store
	// MaxConnections is the maximum that the server allows; 0 is no limit, as in SQLite and TiDB.
	MaxConnections int
	TimeZone       string // of the Store's connections, which set +00:00; "" in SQLite
	Strict         bool   // whether a value that does not fit its column is an error

	File    *DatabaseFile // nil unless the database is SQLite
	Cluster *Cluster      // nil unless the server is a Galera node
	Group   *Group        // nil unless the server is a member of MySQL Group Replication
}

// DatabaseFile describes the file of a SQLite database.
type DatabaseFile struct {
	Path    string
	Mode    fs.FileMode // of the file
	Folder  fs.FileMode // of its folder
	Journal string      // the journal mode: wal, if the file system supports it
	Size    int64       // in bytes
	Free    int64       // free bytes on the disk; -1 if unknown
}

// Cluster is the state of a Galera node, as the node reports it.
type Cluster struct {
	Ready  bool   // whether the node accepts statements
	Status string // Primary, or another value on the minority side of a split
	Size   int    // number of nodes
}

// SchemaIssue is one difference between the database and the result of the migrations.
type SchemaIssue struct {
	Kind     SchemaIssueKind
	Object   string // a table, TABLE.COLUMN, or TABLE(COLUMN,…) for an index
	Actual   string // the present state; "" if Object is missing
	Expected string // the required state; "" if Object is missing
}

// SchemaIssueKind classifies a SchemaIssue.
type SchemaIssueKind string

// The kinds of schema issues.
const (
	IssueMissing SchemaIssueKind = "missing" // a table, column or index does not exist
	IssueEngine  SchemaIssueKind = "engine"  // a table without transactions
	// A table without a primary key, which clusters do not replicate.
	IssuePrimaryKey SchemaIssueKind = "key"
	IssueCollation  SchemaIssueKind = "collation" // text is not compared byte by byte
)

// roundTrips is the number of measured round trips. It is odd, so that the median is one of them.
const roundTrips = 5

// Inspect examines the database and changes nothing. With deep it also checks the integrity of a
// SQLite file, which takes seconds per gigabyte. It returns ErrUnavailable if the database does not
// answer.
func (s *Store) Inspect(ctx context.Context, deep bool) (*Inspection, error) {
	e := &Inspection{Pool: s.pool.Stats().MaxOpenConnections}
	for _, step := range []func() error{
		func() (err error) { e.RoundTrip, err = s.roundTrip(ctx); return err },
		func() error { return s.dialect.inspect(ctx, s.pool, e, deep) },
		func() error { return s.inspectMigrations(ctx, e) },
		func() error { return s.inspectTables(ctx, e) },
	} {
		if err := step(); err != nil {
			return nil, s.translate(ctx, err)
		}
	}
	return e, nil
}

func (s *Store) roundTrip(ctx context.Context) (time.Duration, error) {
	if err := s.pool.PingContext(ctx); err != nil { // connecting takes several round trips
		return 0, err
	}
	took := make([]time.Duration, roundTrips)
	for i := range took {
		begin := time.Now()
		var one int
		if err := s.pool.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
			return 0, err
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[roundTrips/2], nil
}

func (s *Store) inspectMigrations(ctx context.Context, e *Inspection) error {
	list, err := s.Migrations(ctx)
	for _, m := range list {
		switch {
		case m.Unknown() && m.Feature == "":
			e.Unknown = append(e.Unknown, m.Number)
		case m.Unknown():
			e.Ahead = append(e.Ahead, m.Title())
		case m.Waiting():
			e.Waiting = append(e.Waiting, m.Title())
		case m.Pending():
			e.Pending = append(e.Pending, m.Title())
		}
	}
	if err != nil {
		return err
	}
	tables, err := s.gooseTables(ctx, s.pool)
	e.Removed = s.removedFeatures(tables)
	return err
}

// inspectTables compares the database with the result of the migrations in an empty SQLite
// database, whatever the dialect. A test ensures that both dialects create the same tables, columns
// and indexes, and SQLite is always available.
func (s *Store) inspectTables(ctx context.Context, e *Inspection) error {
	want, err := s.expectedStructure(ctx, e.Waiting)
	if err != nil {
		return err
	}
	// Other tables in the database are not checked.
	e.Issues = slices.DeleteFunc(e.Issues, func(i SchemaIssue) bool {
		table, _, _ := strings.Cut(i.Object, ".")
		return !slices.Contains(want.tables, table) && !isGooseTable(table)
	})
	if len(e.Pending) > 0 {
		return nil // the tables of pending migrations are missing, and Pending reports them
	}
	has, err := s.dialect.structure(ctx, s.pool)
	e.Issues = append(want.missingFrom(has), e.Issues...)
	return err
}

// structure lists the parts of a database: tables, columns as TABLE.COLUMN, and indexes as
// TABLE(COLUMN,…), followed by " unique" if they are.
type structure struct{ tables, columns, indexes []string }

// expectedStructure returns the structure that all migrations except the waiting ones create.
func (s *Store) expectedStructure(ctx context.Context, waiting []string) (_ structure, err error) {
	pool, err := driver.Open(":memory:")
	if err != nil {
		return structure{}, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	pool.SetMaxOpenConns(1) // each connection has a :memory: database of its own
	for _, set := range s.migrationSets() {
		if err := s.applyExpected(ctx, pool, set, waiting); err != nil {
			return structure{}, fmt.Errorf("expected tables: %w", err)
		}
	}
	return sqliteDialect{}.structure(ctx, pool)
}

// applyExpected applies the steps of a migration set to an empty SQLite database, except the
// waiting ones, which are given by title.
func (s *Store) applyExpected(ctx context.Context, pool *sql.DB, set migrationSet, waiting []string) error {
	steps, err := readSteps(set.folders, sqliteDialect{})
	if err != nil {
		return err
	}
	folder, err := fs.Sub(set.folders, sqliteDialect{}.name())
	if err != nil {
		return err
	}
	var without []string
	for _, st := range steps {
		// The database has no rows to fill, and a backfill would wait for another connection.
		if st.backfill != nil || slices.Contains(waiting, set.title(st.name)) {
			without = append(without, st.name)
		}
	}
	options := append(s.gooseOptions(nil, true), goose.WithExcludeNames(without), goose.WithTableName(set.table()))
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, folder, options...)
	if errors.Is(err, goose.ErrNoMigrations) { // all of them are waiting
		return nil
	}
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// missingFrom returns the parts of want that has lacks. It reports a missing table without its
// columns and indexes. An index may be unique although want does not require it.
func (want structure) missingFrom(has structure) (issues []SchemaIssue) {
	missing := func(object string) { issues = append(issues, SchemaIssue{Kind: IssueMissing, Object: object}) }
	for _, table := range want.tables {
		if !slices.Contains(has.tables, table) && !isGooseTable(table) {
			missing(table)
		}
	}
	for _, column := range want.columns {
		table, _, _ := strings.Cut(column, ".")
		if slices.Contains(has.tables, table) && !slices.Contains(has.columns, column) && !isGooseTable(table) {
			missing(column)
		}
	}
	for _, index := range want.indexes {
		table, _, _ := strings.Cut(index, "(")
		if slices.Contains(has.tables, table) && !slices.Contains(has.indexes, index) &&
			!slices.Contains(has.indexes, index+" unique") && !isGooseTable(table) {
			missing(index)
		}
	}
	return issues
}

// isGooseTable reports whether a table belongs to goose, which maintains its own tables.
func isGooseTable(table string) bool { return strings.HasPrefix(table, "goose") }

// querier is a pool, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// queryColumn returns the rows of a query with one column.
func queryColumn[T any](ctx context.Context, db querier, query string) (list []T, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, rows.Err()
}

// readStructure reads the three parts with one query each.
func readStructure(ctx context.Context, pool *sql.DB, tables, columns, indexes string) (s structure, err error) {
	for _, part := range []struct {
		list  *[]string
		query string
	}{{&s.tables, tables}, {&s.columns, columns}, {&s.indexes, indexes}} {
		list, partErr := queryColumn[string](ctx, pool, part.query)
		err = cmp.Or(err, partErr)
		*part.list = list
	}
	return s, err
}

// HasEnabledUser reports whether an enabled account has one of the roles.
func (s *Store) HasEnabledUser(ctx context.Context, roles []string) (any bool, err error) {
	var ids []string
	err = s.conn(ctx).Model(&User{}).Where("role IN ? AND disabled_at IS NULL", roles).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

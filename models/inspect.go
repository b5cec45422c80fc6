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

// Inspection is what Examine has seen of a database: facts alone. What to think of them is for others to say.
type Inspection struct {
	Product string // SQLite, MySQL or MariaDB
	Version string // as it calls itself

	RoundTrip  time.Duration // of a question that costs the database nothing: the median of several
	ClockAhead time.Duration // of its clock before this machine's, to half a round trip; 0 in SQLite, which has no other

	Pending    []string      // the migrations that are not applied, by name
	Waiting    []string      // those that take something away, which somebody has to ask for, by name
	Unknown    []int64       // the numbers of those that are applied and that this program does not have: a newer one was here
	Ahead      []string      // the same of features, as FEATURE/NUMBER
	Removed    []string      // features that have migrated the database, and that this program does not have, by name
	Issues     []SchemaIssue // in what migrations have made; looked for where none is pending
	Corruption []string      // what SQLite's quick_check says, if it was asked for

	Pool           int    // connections that a Store opens at most
	MaxConnections int    // that the server allows in all; 0: it sets no limit, as SQLite and TiDB do not
	TimeZone       string // of our connections, which ask for +00:00; empty in SQLite
	Strict         bool   // what does not fit a column is an error

	File    *DatabaseFile // nil but in SQLite
	Cluster *Cluster      // nil but on a node of Galera
	Group   *Group        // nil but on a member of MySQL Group Replication
}

// DatabaseFile is the file that a SQLite database is in.
type DatabaseFile struct {
	Path    string
	Mode    fs.FileMode // of the file
	Folder  fs.FileMode // of the folder that it is in
	Journal string      // the journal mode: wal, where the file system can have that
	Size    int64       // in bytes
	Free    int64       // bytes that are left on the disk; -1: not known
}

// Cluster is what a node of Galera says of itself.
type Cluster struct {
	Ready  bool   // it takes statements
	Status string // Primary, or else the node is on the smaller side of a split
	Size   int    // nodes
}

// SchemaIssue is one thing in the database that is not as the migrations make it.
type SchemaIssue struct {
	Kind     SchemaIssueKind
	Object   string // a table, TABLE.COLUMN, or TABLE(COLUMN,…) for an index
	Actual   string // as it is; empty where it is not there
	Expected string // as it should be; empty where it is simply missing
}

// SchemaIssueKind is what a Flaw is about.
type SchemaIssueKind string

// The kinds of flaws.
const (
	IssueMissing    SchemaIssueKind = "missing"   // a table, column or index is not there
	IssueEngine     SchemaIssueKind = "engine"    // a table without transactions
	IssuePrimaryKey SchemaIssueKind = "key"       // a table without a primary key, which clusters do not replicate
	IssueCollation  SchemaIssueKind = "collation" // text is compared otherwise than by its bytes
)

// roundTrips are measured; of an odd number the median is one of them.
const roundTrips = 5

// Inspect looks at the database and changes nothing. With deep it also reads all of a SQLite file to see whether it
// is whole, which takes seconds a gigabyte. It returns ErrUnavailable if there is no answer.
func (s *Store) Inspect(ctx context.Context, deep bool) (*Inspection, error) {
	e := &Inspection{Pool: s.pool.Stats().MaxOpenConnections}
	for _, look := range []func() error{
		func() (err error) { e.RoundTrip, err = s.roundTrip(ctx); return err },
		func() error { return s.dialect.inspect(ctx, s.pool, e, deep) },
		func() error { return s.inspectMigrations(ctx, e) },
		func() error { return s.inspectTables(ctx, e) },
	} {
		if err := look(); err != nil {
			return nil, s.translate(ctx, err)
		}
	}
	return e, nil
}

func (s *Store) roundTrip(ctx context.Context) (time.Duration, error) {
	if err := s.pool.PingContext(ctx); err != nil { // to connect takes several
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

// inspectTables compares with what the migrations make of an empty database: SQLite's, whatever the dialect, since
// both make the same tables, columns and indexes (a test insists), and that one is at hand.
func (s *Store) inspectTables(ctx context.Context, e *Inspection) error {
	want, err := s.expectedStructure(ctx, e.Waiting)
	if err != nil {
		return err
	}
	e.Issues = slices.DeleteFunc(e.Issues, func(f SchemaIssue) bool { // what else there is in the database is somebody else's
		table, _, _ := strings.Cut(f.Object, ".")
		return !slices.Contains(want.tables, table) && !isGooseTable(table)
	})
	if len(e.Pending) > 0 {
		return nil // what they would make is missing, and that is said already
	}
	has, err := s.dialect.structure(ctx, s.pool)
	e.Issues = append(want.missingFrom(has), e.Issues...)
	return err
}

// structure is what a database is made of: tables, columns as TABLE.COLUMN, and indexes as TABLE(COLUMN,…), with
// " unique" behind them where they are.
type structure struct{ tables, columns, indexes []string }

// expectedStructure is the structure that all migrations together make, but those that wait.
func (s *Store) expectedStructure(ctx context.Context, waiting []string) (_ structure, err error) {
	pool, err := driver.Open(":memory:")
	if err != nil {
		return structure{}, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	pool.SetMaxOpenConns(1) // another one would have a memory of its own
	for _, v := range s.migrationSets() {
		if err := s.applyExpected(ctx, pool, v, waiting); err != nil {
			return structure{}, fmt.Errorf("the tables that there should be: %w", err)
		}
	}
	return sqliteDialect{}.structure(ctx, pool)
}

// applyExpected applies the steps of a series to an empty SQLite database, but those that wait, by their titles.
func (s *Store) applyExpected(ctx context.Context, pool *sql.DB, v migrationSet, waiting []string) error {
	steps, err := readSteps(v.folders, sqliteDialect{})
	if err != nil {
		return err
	}
	folder, err := fs.Sub(v.folders, sqliteDialect{}.name())
	if err != nil {
		return err
	}
	var without []string
	for _, st := range steps {
		// There are no rows to fill, and a backfill would wait for another connection.
		if st.backfill != nil || slices.Contains(waiting, v.title(st.name)) {
			without = append(without, st.name)
		}
	}
	options := append(s.gooseOptions(nil, true), goose.WithExcludeNames(without), goose.WithTableName(v.table()))
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, folder, options...)
	if errors.Is(err, goose.ErrNoMigrations) { // all of them wait
		return nil
	}
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// missingFrom are the parts of want that has lacks. Of a table that is missing, its parts are not named; an index that is
// there may be unique without need.
func (want structure) missingFrom(has structure) (flaws []SchemaIssue) {
	missing := func(what string) { flaws = append(flaws, SchemaIssue{Kind: IssueMissing, Object: what}) }
	for _, table := range want.tables {
		if !slices.Contains(has.tables, table) && !isGooseTable(table) {
			missing(table)
		}
	}
	for _, column := range want.columns {
		if table, _, _ := strings.Cut(column, "."); slices.Contains(has.tables, table) && !slices.Contains(has.columns, column) && !isGooseTable(table) {
			missing(column)
		}
	}
	for _, index := range want.indexes {
		table, _, _ := strings.Cut(index, "(")
		if slices.Contains(has.tables, table) && !slices.Contains(has.indexes, index) && !slices.Contains(has.indexes, index+" unique") && !isGooseTable(table) {
			missing(index)
		}
	}
	return flaws
}

// isGooseTable: goose looks after its own tables.
func isGooseTable(table string) bool { return strings.HasPrefix(table, "goose") }

// querier is a pool, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// queryColumn reads a query's only column.
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

// readStructure asks for the three parts by a query each.
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

// HasEnabledUser reports whether there is an account that has one of the roles and is not shut.
func (s *Store) HasEnabledUser(ctx context.Context, roles []string) (any bool, err error) {
	var ids []string
	err = s.conn(ctx).Model(&User{}).Where("role IN ? AND disabled_at IS NULL", roles).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

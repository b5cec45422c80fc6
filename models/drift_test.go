package models

import (
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm/schema"

	"fieldgate/internal/dbtest"
)

// table is a row type, and the indexes that its queries need besides the primary key: columns, and whether they are unique.
type table struct {
	row     any
	indexes []string
}

// tables are all that there are. A new one is entered here; if its rows belong to people, Store.DeleteUser deletes them.
var tables = []table{
	{&User{}, []string{"email_key unique", "name_key,id", "email_key,name_key", "role,id", "role,name_key,id", "role,email_key,name_key", "unused_since"}},
	{&Session{}, []string{"refresh_hash unique", "parent_hash unique", "user_id", "expires_at"}},
	{&SpentToken{}, []string{"expires_at"}},
	{&Turn{}, nil},
	{&Limit{}, []string{"until"}},
	{&Ticket{}, []string{"hash unique", "user_id,slot unique", "email_key", "expires_at"}},
	{&Mail{}, []string{"due_at", "user_id", "email_key", "priority,due_at,id"}},
	{&PendingRegistration{}, []string{"user_id", "expires_at"}},
	{&TrustedPlace{}, []string{"user_id", "expires_at"}},
	{&AuditEntry{}, []string{"user_id,id", "actor_id,id", "created_at"}},
}

// column is what matters of one, in words that the dialects have in common.
type column struct {
	Kind string // text, whole, yesno, bytes, time
	Null bool
}

func TestMigratedTablesAgreeWithTheRows(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		got := schemaOf(t, s)
		for _, table := range tables {
			name, want := table.name(t), table.columns(t)
			if got[name] == nil {
				t.Errorf("no migration makes the table %s. This drafts one: go test ./models -run TestWriteDrafts -draft -v", name)
			} else if !maps.Equal(got[name], want) {
				t.Errorf("table %s\nhas  %v\nwant %v", name, got[name], want)
			}
			delete(got, name)
		}
		for name := range got {
			t.Errorf("table %s has no row type", name)
		}
	})
}

// GORM's own idea of the tables knows no lengths, collations and NOT NULL. Their names and kinds of columns it
// must have as the numbered files have them.
func TestAutoMigrateWouldMakeTheSameColumns(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		guessed := openStore(t, emptyLike(t, s), Options{})
		// AutoMigrate is for this test only.
		guessed.db.DisableForeignKeyConstraintWhenMigrating = true
		for _, table := range tables {
			noError(t, guessed.db.AutoMigrate(table.row))
		}
		want, got := schemaOf(t, guessed), schemaOf(t, s)
		for table := range maps.Keys(want) {
			if kinds(got[table]) != kinds(want[table]) {
				t.Errorf("table %s\nhas  %s\nGORM %s", table, kinds(got[table]), kinds(want[table]))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d tables, GORM would make %d", len(got), len(want))
		}
	})
}

func TestIndexes(t *testing.T) {
	t.Parallel()
	var want []string
	for _, table := range tables {
		want = append(want, table.allIndexes(t)...)
	}
	slices.Sort(want)
	eachStore(t, func(t *testing.T, s *Store) {
		if got := indexesOf(t, s); !slices.Equal(got, want) {
			t.Errorf("indexes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestMySQLTables(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	for _, row := range []struct{ name, query string }{
		{"are InnoDB", `SELECT CONCAT(table_name, ': ', engine) FROM information_schema.tables
			WHERE table_schema = DATABASE() AND engine <> 'InnoDB'`},
		{"have a primary key, goose's too", `SELECT t.table_name FROM information_schema.tables t WHERE t.table_schema = DATABASE()
			AND NOT EXISTS (SELECT 1 FROM information_schema.statistics i WHERE i.table_schema = t.table_schema
				AND i.table_name = t.table_name AND i.index_name = 'PRIMARY')`},
		{"compare text as it is, whatever the server's default", `SELECT CONCAT(table_name, '.', column_name, ': ', collation_name) FROM information_schema.columns
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND collation_name NOT IN ('ascii_bin', 'utf8mb4_bin')`},
		{"compare columns yet to come as they are", `SELECT CONCAT(table_name, ': ', table_collation) FROM information_schema.tables
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND table_collation <> 'utf8mb4_bin'`},
		{"keep milliseconds", `SELECT CONCAT(table_name, '.', column_name, ': ', datetime_precision) FROM information_schema.columns
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND data_type = 'datetime' AND datetime_precision <> 3`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if wrong := queryAll[string](t, s, row.query); len(wrong) > 0 {
				t.Errorf("not so: %q", wrong)
			}
		})
	}
}

func TestEachDialectHasTheSameSteps(t *testing.T) {
	t.Parallel()
	names := func(d dialect) (list []string) {
		entries, err := fs.ReadDir(embedded(), d.name())
		noError(t, err)
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	sqlite, mysql := names(sqliteDialect{}), names(mysqlDialect{})
	if !slices.Equal(sqlite, mysql) {
		t.Errorf("sqlite has %q, mysql has %q", sqlite, mysql)
	}
	for i, name := range sqlite {
		if want := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("%s is at the place of %s…", name, want)
		}
	}
}

func (table table) parse(t *testing.T) *schema.Schema {
	t.Helper()
	parsed, err := schema.Parse(table.row, new(sync.Map), schema.NamingStrategy{})
	noError(t, err)
	return parsed
}

func (table table) name(t *testing.T) string { return table.parse(t).Table }

func (table table) columns(t *testing.T) map[string]column {
	t.Helper()
	columns := map[string]column{}
	for _, f := range table.parse(t).Fields {
		if f.DBName != "" {
			columns[f.DBName] = columnOf(t, f)
		}
	}
	return columns
}

func columnOf(t *testing.T, f *schema.Field) column {
	t.Helper()
	return column{kindOfGo(t, f.IndirectFieldType), f.FieldType.Kind() == reflect.Pointer || f.FieldType == reflect.TypeFor[NullBytes]()}
}

// allIndexes are those of a table as indexesOf has them.
func (table table) allIndexes(t *testing.T) []string {
	t.Helper()
	parsed := table.parse(t)
	list := []string{parsed.Table + "(" + parsed.PrimaryFields[0].DBName + ") unique"}
	for _, index := range table.indexes {
		columns, unique := strings.CutSuffix(index, " unique")
		index = parsed.Table + "(" + columns + ")"
		if unique {
			index += " unique"
		}
		list = append(list, index)
	}
	return list
}

func kindOfGo(t *testing.T, typ reflect.Type) string {
	t.Helper()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "time"
	case typ == reflect.TypeFor[[]byte](), typ == reflect.TypeFor[NullBytes]():
		return "bytes"
	case typ.Kind() == reflect.String:
		return "text"
	case typ.Kind() == reflect.Bool:
		return "yesno"
	case typ.Kind() == reflect.Int64:
		return "whole"
	}
	t.Fatalf("a field of type %s: say here which columns fit it", typ)
	return ""
}

// kindOfColumn: GORM has "numeric" for a bool in SQLite.
var kindOfColumn = map[string]string{
	"char": "text", "varchar": "text", "longtext": "text", "text": "text",
	"bigint": "whole", "integer": "whole",
	"tinyint": "yesno", "boolean": "yesno", "numeric": "yesno",
	"binary": "bytes", "varbinary": "bytes", "longblob": "bytes", "blob": "bytes",
	"datetime": "time",
}

// schemaOf lists the tables that are not goose's.
func schemaOf(t *testing.T, s *Store) map[string]map[string]column {
	t.Helper()
	query := `SELECT m.name AS table_name, c.name AS column_name, lower(c.type) AS kind, c."notnull" = 0 AS nullable
		FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'`
	if s.dialect.name() == "mysql" {
		query = `SELECT table_name AS table_name, column_name AS column_name, data_type AS kind, is_nullable = 'YES' AS nullable
			FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'`
	}
	tables := map[string]map[string]column{}
	for _, c := range queryAll[struct {
		TableName, ColumnName, Kind string
		Nullable                    bool
	}](t, s, query) {
		kind, known := kindOfColumn[c.Kind]
		if !known {
			kind = "unknown " + c.Kind
		}
		if tables[c.TableName] == nil {
			tables[c.TableName] = map[string]column{}
		}
		tables[c.TableName][c.ColumnName] = column{kind, c.Nullable}
	}
	return tables
}

func kinds(columns map[string]column) string {
	var list []string
	for name, c := range columns {
		list = append(list, name+" "+c.Kind)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func indexesOf(t *testing.T, s *Store) []string {
	t.Helper()
	query := `SELECT i.tbl || '(' || group_concat(c.name, ',') || ')' || iif(i."unique", ' unique', '')
		FROM (SELECT m.name AS tbl, l.name, l."unique" FROM sqlite_schema m, pragma_index_list(m.name) l
			WHERE m.type = 'table' AND m.name NOT LIKE 'goose%') i, pragma_index_info(i.name) c GROUP BY i.tbl, i.name`
	if s.dialect.name() == "mysql" {
		query = `SELECT CONCAT(MIN(table_name), '(', GROUP_CONCAT(column_name ORDER BY seq_in_index), ')', IF(MIN(non_unique), '', ' unique'))
			FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'
			GROUP BY table_name, index_name`
	}
	list := queryAll[string](t, s, query)
	slices.Sort(list)
	return list
}

// emptyLike is an empty database of the same kind.
func emptyLike(t *testing.T, s *Store) string {
	t.Helper()
	if s.dialect.name() == "mysql" {
		return dbtest.MySQL(t)
	}
	return dbtest.SQLite(t)
}

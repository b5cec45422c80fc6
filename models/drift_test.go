package models

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/schematest"
)

type table = schematest.Table

var tables = func() (list []table) {
	for _, t := range ownTables {
		list = append(list, table(t))
	}
	return list
}()

func TestMigratedTablesMatchRowTypes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		got := schematest.TablesOf(t, s.conn(testContext(t)))
		for _, table := range tables {
			name, want := table.Name(t), table.Columns(t)
			if got[name] == nil {
				t.Errorf("no migration creates the table %s. To draft one: go test ./models -run TestWriteDrafts -draft -v", name)
			} else if !maps.Equal(got[name], want) {
				t.Errorf("table %s\ngot  %v\nwant %v", name, got[name], want)
			}
			delete(got, name)
		}
		for name := range got {
			t.Errorf("table %s has no row type", name)
		}
	})
}

// GORM does not know the lengths, collations and NOT NULL of the migrations. The names and kinds of
// columns must agree.
func TestAutoMigrateCreatesSameColumns(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		guessed := openStore(t, emptyLike(t, s), Options{})
		// Only this test uses AutoMigrate.
		guessed.db.DisableForeignKeyConstraintWhenMigrating = true
		for _, table := range tables {
			requireNoError(t, guessed.db.AutoMigrate(table.Row))
		}
		want, got := schematest.TablesOf(t, guessed.conn(testContext(t))), schematest.TablesOf(t, s.conn(testContext(t)))
		for table := range maps.Keys(want) {
			if schematest.Kinds(got[table]) != schematest.Kinds(want[table]) {
				t.Errorf("table %s\ngot  %s\nGORM %s", table, schematest.Kinds(got[table]), schematest.Kinds(want[table]))
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %d tables, GORM creates %d", len(got), len(want))
		}
	})
}

func TestMigratedIndexesMatchDeclaredIndexes(t *testing.T) {
	t.Parallel()
	var want []string
	for _, table := range tables {
		want = append(want, table.AllIndexes(t)...)
	}
	slices.Sort(want)
	eachStore(t, func(t *testing.T, s *Store) {
		if got := schematest.IndexesOf(t, s.conn(testContext(t))); !slices.Equal(got, want) {
			t.Errorf("indexes: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestMySQLTablesHaveRequiredProperties(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	for _, row := range []struct{ name, query string }{
		{"use InnoDB", `SELECT CONCAT(table_name, ': ', engine) FROM information_schema.tables
			WHERE table_schema = DATABASE() AND engine <> 'InnoDB'`},
		{"have a primary key, also those of goose", `SELECT t.table_name FROM information_schema.tables t WHERE t.table_schema = DATABASE()
			AND NOT EXISTS (SELECT 1 FROM information_schema.statistics i WHERE i.table_schema = t.table_schema
				AND i.table_name = t.table_name AND i.index_name = 'PRIMARY')`},
		{"compare text byte by byte, whatever the server's default", `SELECT CONCAT(table_name, '.', column_name, ': ', collation_name) FROM information_schema.columns
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND collation_name NOT IN ('ascii_bin', 'utf8mb4_bin')`},
		{"compare new columns byte by byte", `SELECT CONCAT(table_name, ': ', table_collation) FROM information_schema.tables
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND table_collation <> 'utf8mb4_bin'`},
		{"keep milliseconds", `SELECT CONCAT(table_name, '.', column_name, ': ', datetime_precision) FROM information_schema.columns
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND data_type = 'datetime' AND datetime_precision <> 3`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if wrong := queryAll[string](t, s, row.query); len(wrong) > 0 {
				t.Errorf("got exceptions %q, want none", wrong)
			}
		})
	}
}

func TestDialectsHaveSameSteps(t *testing.T) {
	t.Parallel()
	names := func(d dialect) (list []string) {
		entries, err := fs.ReadDir(embeddedMigrations(), d.name())
		requireNoError(t, err)
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	sqlite, mysql := names(sqliteDialect{}), names(mysqlDialect{})
	if !slices.Equal(sqlite, mysql) {
		t.Errorf("got steps %q for sqlite, %q for mysql", sqlite, mysql)
	}
	for i, name := range sqlite {
		if want := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("got step %s, want %s…", name, want)
		}
	}
}

// emptyLike returns an empty database of the same kind.
func emptyLike(t *testing.T, s *Store) string {
	t.Helper()
	if s.dialect.name() == "mysql" {
		return dbtest.MySQL(t)
	}
	return dbtest.SQLite(t)
}

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
func TestAutoMigrateCreatesSameColumns(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		guessed := openStore(t, emptyLike(t, s), Options{})
		// AutoMigrate is for this test only.
		guessed.db.DisableForeignKeyConstraintWhenMigrating = true
		for _, table := range tables {
			requireNoError(t, guessed.db.AutoMigrate(table.Row))
		}
		want, got := schematest.TablesOf(t, guessed.conn(testContext(t))), schematest.TablesOf(t, s.conn(testContext(t)))
		for table := range maps.Keys(want) {
			if schematest.Kinds(got[table]) != schematest.Kinds(want[table]) {
				t.Errorf("table %s\nhas  %s\nGORM %s", table, schematest.Kinds(got[table]), schematest.Kinds(want[table]))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d tables, GORM would make %d", len(got), len(want))
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
			t.Errorf("indexes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestMySQLTablesHaveRequiredProperties(t *testing.T) {
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
		t.Errorf("sqlite has %q, mysql has %q", sqlite, mysql)
	}
	for i, name := range sqlite {
		if want := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("%s is at the place of %s…", name, want)
		}
	}
}

// emptyLike is an empty database of the same kind.
func emptyLike(t *testing.T, s *Store) string {
	t.Helper()
	if s.dialect.name() == "mysql" {
		return dbtest.MySQL(t)
	}
	return dbtest.SQLite(t)
}

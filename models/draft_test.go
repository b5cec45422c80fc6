package models

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/schematest"
)

var draft = flag.Bool("draft", false, "TestWriteDrafts writes a migration for each row type that has no table")

// TestWriteDrafts writes the migrations of new row types with -draft. Read and correct them: the
// drafts know no lengths except those in tags, as in `gorm:"size:1000"`, and make only ids ASCII.
func TestWriteDrafts(t *testing.T) {
	if !*draft {
		t.Skip("writes the migrations of row types that have no table, with -draft")
	}
	s := newStore(t, dbtest.SQLite(t))
	steps, err := s.Migrations(testContext(t))
	requireNoError(t, err)
	made, next := schematest.TablesOf(t, s.conn(testContext(t))), len(steps)+1
	for _, table := range tables {
		if made[table.Name(t)] != nil {
			continue
		}
		for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
			path := fmt.Sprintf("migrations/%s/%05d_%s.sql", d.name(), next, table.Name(t))
			requireNoError(t, os.WriteFile(path, []byte(table.Migration(t, d.name() == "mysql")), 0o644))
			t.Logf("wrote models/%s: read and correct it", path)
		}
		next++
	}
}

// The drafts for the existing row types create and drop their tables.
func TestDraftedMigrationsCreateTables(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		var want []string
		var down strings.Builder
		for _, table := range tables {
			up, undo, _ := strings.Cut(table.Migration(t, s.dialect.name() == "mysql"), downMark)
			executeAll(t, s, strings.TrimPrefix(up, upMark))
			down.WriteString(undo)
			if got := schematest.TablesOf(t, s.conn(testContext(t)))[table.Name(t)]; !maps.Equal(got, table.Columns(t)) {
				t.Errorf("table %s\ngot  %v\nwant %v", table.Name(t), got, table.Columns(t))
			}
			want = append(want, table.AllIndexes(t)...)
		}
		slices.Sort(want)
		if got := schematest.IndexesOf(t, s.conn(testContext(t))); !slices.Equal(got, want) {
			t.Errorf("indexes: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		executeAll(t, s, down.String())
		if left := schematest.TablesOf(t, s.conn(testContext(t))); len(left) > 0 {
			t.Errorf("got tables %v after the down migrations, want none", left)
		}
	})
}

func executeAll(t *testing.T, s *Store, statements string) {
	t.Helper()
	for statement := range strings.SplitAfterSeq(strings.TrimSpace(statements), ";\n") {
		execute(t, s, statement)
	}
}

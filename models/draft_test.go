package models

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm/schema"

	"fieldgate/internal/dbtest"
)

var draft = flag.Bool("draft", false, "TestWriteDrafts writes a migration for each row type that has no table")

// With -draft it writes the migrations of new tables, to be read and corrected by whoever adds the row type: it knows no
// length that stands not in a tag, as in `gorm:"size:1000"`, and takes no text for ASCII but ids.
func TestWriteDrafts(t *testing.T) {
	if !*draft {
		t.Skip("writes the migrations of row types that have no table, with -draft")
	}
	s := newStore(t, dbtest.SQLite(t))
	steps, err := s.Migrations(testContext(t))
	noError(t, err)
	made, next := schemaOf(t, s), len(steps)+1
	for _, table := range tables {
		if made[table.name(t)] != nil {
			continue
		}
		for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
			path := fmt.Sprintf("migrations/%s/%05d_%s.sql", d.name(), next, table.name(t))
			noError(t, os.WriteFile(path, []byte(table.migration(t, d)), 0o644))
			t.Logf("models/%s is written: read it, and correct what you know better", path)
		}
		next++
	}
}

// What is drafted for the row types that there are makes their tables, and drops them.
func TestDraftedMigrationsMakeTheTables(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		var want []string
		var down strings.Builder
		for _, table := range tables {
			up, undo, _ := strings.Cut(table.migration(t, s.dialect), downMark)
			executeAll(t, s, strings.TrimPrefix(up, upMark))
			down.WriteString(undo)
			if got := schemaOf(t, s)[table.name(t)]; !maps.Equal(got, table.columns(t)) {
				t.Errorf("table %s\nhas  %v\nwant %v", table.name(t), got, table.columns(t))
			}
			want = append(want, table.allIndexes(t)...)
		}
		slices.Sort(want)
		if got := indexesOf(t, s); !slices.Equal(got, want) {
			t.Errorf("indexes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		executeAll(t, s, down.String())
		if left := schemaOf(t, s); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func executeAll(t *testing.T, s *Store, statements string) {
	t.Helper()
	for statement := range strings.SplitAfterSeq(strings.TrimSpace(statements), ";\n") {
		execute(t, s, statement)
	}
}

// migration is the file that makes a table, written as the others are.
func (table table) migration(t *testing.T, d dialect) string {
	t.Helper()
	parsed, mysql := table.parse(t), d.name() == "mysql"
	create, options := "CREATE TABLE ", ""
	if mysql {
		create, options = "CREATE TABLE IF NOT EXISTS ", " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	var lines, after []string
	for _, f := range parsed.Fields {
		if f.DBName != "" {
			lines = append(lines, f.DBName+" "+columnType(t, f, mysql)+" "+nullable[columnOf(t, f).Null])
		}
	}
	lines = append(lines, "PRIMARY KEY ("+parsed.PrimaryFields[0].DBName+")")
	for _, index := range table.indexes {
		columns, unique := strings.CutSuffix(index, " unique")
		kind, name := "", parsed.Table+"_"+strings.ReplaceAll(columns, ",", "_")
		if unique {
			kind = "UNIQUE "
		}
		columns = "(" + strings.ReplaceAll(columns, ",", ", ") + ")"
		if mysql {
			lines = append(lines, kind+"KEY "+name+" "+columns)
		} else {
			after = append(after, "CREATE "+kind+"INDEX "+name+" ON "+parsed.Table+" "+columns+";\n")
		}
	}
	return upMark + create + parsed.Table + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + options + ";\n" +
		strings.Join(after, "") + "\n" + downMark + "DROP TABLE " + parsed.Table + ";\n"
}

var nullable = map[bool]string{true: "NULL", false: "NOT NULL"}

// columnType takes what ends in "id" for an id, and any other text for one of people's.
func columnType(t *testing.T, f *schema.Field, mysql bool) string {
	t.Helper()
	kind, size := kindOfGo(t, f.IndirectFieldType), cmp.Or(f.Size, 255)
	switch {
	case !mysql:
		return map[string]string{"text": "TEXT", "whole": "INTEGER", "yesno": "BOOLEAN", "bytes": "BLOB", "time": "DATETIME"}[kind]
	case kind == "text" && (f.DBName == "id" || strings.HasSuffix(f.DBName, "_id")):
		return "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin"
	case kind == "text":
		return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", size)
	case kind == "bytes":
		return fmt.Sprintf("VARBINARY(%d)", size)
	}
	return map[string]string{"whole": "BIGINT", "yesno": "BOOLEAN", "time": "DATETIME(3)"}[kind]
}

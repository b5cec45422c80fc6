package policytest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/dbtest"
	"fieldgate/policytest"
)

// schemaInTwoFiles returns the sample's schema, with one type in a schema file of a product.
func schemaInTwoFiles(t *testing.T, below string) *ast.Schema {
	t.Helper()
	schema := must(gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(must(os.ReadFile("internal/sample/schema.graphqls"))(t))}))(t)
	file := &ast.Source{Name: "../../" + below + "/notes.graphqls"}
	for _, field := range schema.Types["Note"].Fields {
		field.Position = &ast.Position{Src: file}
	}
	return schema
}

// countCells runs a part of the tests, and returns how many fields and cells it covered.
func countCells(t *testing.T, s *server, change func(*policytest.App)) (fields, cells int) {
	t.Helper()
	app := s.app()
	app.Schema = schemaInTwoFiles(t, "app/notes")
	change(&app)
	recorder := &logRecorder{TB: t}
	policytest.Run(recorder, app)
	for _, line := range recorder.lines {
		if before, after, ok := strings.Cut(line, " routes: "); ok {
			if _, err := fmt.Sscan(before, &fields); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(after, &cells); err != nil {
				t.Fatal(err)
			}
		}
	}
	return fields, cells
}

type logRecorder struct {
	testing.TB
	lines []string
}

func (l *logRecorder) Logf(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// The cells of Within and of Without are disjoint, and together they are all cells.
func TestWithinAndWithoutPartitionTheCells(t *testing.T) {
	t.Parallel()
	s := startServer(t, dbtest.SQLite(t), nil)
	_, all := countCells(t, s, func(*policytest.App) {})
	fields, within := countCells(t, s, func(a *policytest.App) { a.Within = "app/notes" })
	_, without := countCells(t, s, func(a *policytest.App) { a.Without = "app" })
	if within == 0 || without == 0 || within+without != all {
		t.Errorf("%d cells with Within and %d with Without, want %d together", within, without, all)
	}
	_, elsewhere := countCells(t, s, func(a *policytest.App) { a.Without = "app/note" })
	if elsewhere != all {
		t.Errorf("%d cells with Without of an empty folder, want %d", elsewhere, all)
	}
	t.Logf("%d fields with Within", fields)
}

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

// The sample's schema, in which one type with a root field that leads to it comes from a file of a product's own.
func schemaInTwoFiles(t *testing.T, below string) *ast.Schema {
	t.Helper()
	schema := must(gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(must(os.ReadFile("internal/sample/schema.graphqls"))(t))}))(t)
	file := &ast.Source{Name: "../../" + below + "/notes.graphqls"}
	for _, field := range schema.Types["Note"].Fields {
		field.Position = &ast.Position{Src: file}
	}
	return schema
}

// countCells proves a part, and returns how many cells that were and of how many fields.
func countCells(t *testing.T, s *server, change func(*policytest.App)) (fields, cells int) {
	t.Helper()
	app := s.app()
	app.Schema = schemaInTwoFiles(t, "app/notes")
	change(&app)
	said := &logRecorder{TB: t}
	policytest.Run(said, app)
	for _, line := range said.lines {
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

// What a feature proves and what the rest proves are all cells together, and none twice.
func TestWithinAndWithoutPartitionTheCells(t *testing.T) {
	t.Parallel()
	s := startServer(t, dbtest.SQLite(t), nil)
	_, all := countCells(t, s, func(*policytest.App) {})
	fields, within := countCells(t, s, func(a *policytest.App) { a.Within = "app/notes" })
	_, without := countCells(t, s, func(a *policytest.App) { a.Without = "app" })
	if within == 0 || without == 0 || within+without != all {
		t.Errorf("%d cells within and %d without, of %d", within, without, all)
	}
	_, elsewhere := countCells(t, s, func(a *policytest.App) { a.Without = "app/note" })
	if elsewhere != all {
		t.Errorf("%d cells without a folder that holds nothing, of %d", elsewhere, all)
	}
	t.Logf("%d fields within", fields)
}

//go:build failure

package endurance

import (
	"os"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reportFigures logs measurements. With FIGURES=docs/operations.md it also writes them between two
// comments of that file.
func reportFigures(t *testing.T, name, text string) {
	t.Helper()
	t.Log(text)
	path := os.Getenv("FIGURES")
	if path == "" {
		return
	}
	content, err := os.ReadFile(path)
	noError(t, err)
	begin, end := "<!-- "+name+" -->", "<!-- /"+name+" -->"
	before, rest, found := strings.Cut(string(content), begin)
	_, after, also := strings.Cut(rest, end)
	if !found || !also {
		t.Fatalf("%s has no %s…%s", path, begin, end)
	}
	noError(t, os.WriteFile(path, []byte(before+begin+text+end+after), 0o644))
}

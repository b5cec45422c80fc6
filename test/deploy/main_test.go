package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// readRepoFile returns the text of a file of the repository.
func readRepoFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// replaceOnce returns text with replacements, old and new in turn. Each old text must occur exactly
// once.
func replaceOnce(t *testing.T, text string, replacements ...string) string {
	t.Helper()
	for i := 0; i < len(replacements); i += 2 {
		if n := strings.Count(text, replacements[i]); n != 1 {
			t.Fatalf("%q occurs %d times, want once", replacements[i], n)
		}
		text = strings.Replace(text, replacements[i], replacements[i+1], 1)
	}
	return text
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writableDir returns an empty directory that the user that servers run as can write.
func writableDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(dbtest.Directory(t), "data")
	noError(t, os.Mkdir(dir, 0o700))
	noError(t, dbtest.ChownToServerUser(dir))
	return dir
}

// existsInRepo reports whether the repository has a file or directory.
func existsInRepo(t *testing.T, name string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join("..", "..", name))
	return err == nil
}

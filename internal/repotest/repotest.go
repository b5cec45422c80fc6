// Package repotest supports tests that read files of the repository: documents, deploy files,
// sources.
package repotest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"fieldgate/servertest"
)

// Main is servertest.Main for a package whose tests run in the module's root directory.
func Main(m *testing.M) {
	if os.Getenv(servertest.AsProgram) == "" {
		chdirToModuleRoot()
	}
	servertest.Main(m)
}

// chdirToModuleRoot changes to the closest parent directory with a go.mod. Without one, as for a
// copy of the test binary that runs elsewhere, it changes nothing.
func chdirToModuleRoot() {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
			_ = os.Chdir(dir) // on failure, opening the first file reports the error
			return
		}
		if filepath.Dir(dir) == dir {
			return
		}
		dir = filepath.Dir(dir)
	}
}

// CopyFile copies a file and creates the directory of the copy.
func CopyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// NoError ends the test if err is not nil.
func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

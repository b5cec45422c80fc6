// Package repotest is for tests that read the repository around them: documents, deploy files, sources.
package repotest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"fieldgate/servertest"
)

// Main is servertest.Main for a package whose tests run in the module's root: paths are relative to it.
func Main(m *testing.M) {
	if os.Getenv(servertest.AsProgram) == "" {
		chdirToModuleRoot()
	}
	servertest.Main(m)
}

// chdirToModuleRoot changes to the folder above that has the go.mod. A copy of the test binary that runs elsewhere stays there.
func chdirToModuleRoot() {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
			_ = os.Chdir(dir) // where that fails, the first file that is not there says so
			return
		}
		if filepath.Dir(dir) == dir {
			return
		}
		dir = filepath.Dir(dir)
	}
}

// CopyFile copies a file, and makes the folder that it goes to.
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

// NoError ends the test at an error.
func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

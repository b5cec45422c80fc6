package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockFilesNameNoRegistry checks that lock files have no resolved URLs: they override the
// registry that npm is configured for.
func TestLockFilesNameNoRegistry(t *testing.T) {
	t.Parallel()
	locks := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case d.Name() != "package-lock.json":
			return nil
		}
		locks++
		content, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(content), `"resolved"`) {
			t.Errorf("%s has resolved URLs: set omit-lockfile-registry-resolved=true in the .npmrc beside it", path)
		}
		return err
	})
	if err != nil || locks == 0 {
		t.Errorf("%d locks: %v", locks, err)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// installScript installs a script of Node and what it imports, as the reader of its folder would. The function that
// it returns runs it: the error is what it says on stderr.
func installScript(t *testing.T, folder, script string) (run func(args ...string) (stdout string, err error)) {
	t.Helper()
	runOne := installScripts(t, folder, script)
	return func(args ...string) (string, error) { return runOne(script, args...) }
}

// installScripts is installScript for scripts that import the same: it is installed once. A test that wants to share
// it has its parts in subtests.
func installScripts(t *testing.T, folder string, scripts ...string) (run func(script string, args ...string) (stdout string, err error)) {
	t.Helper()
	const how = "install Node 20.11 or newer, which brings npm"
	node, err := exec.LookPath("node")
	if err != nil {
		dbtest.LeftOut(t, "node", how)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		dbtest.LeftOut(t, "npm", how)
	}
	dir := filepath.Join(t.TempDir(), filepath.Base(folder))
	for _, name := range append([]string{".npmrc", "package.json", "package-lock.json"}, scripts...) {
		copyFile(t, filepath.Join(folder, name), filepath.Join(dir, name))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		dbtest.LeftOut(t, "package of npm (npm ci: "+err.Error()+")", "it needs Node 20.11 or newer and the npm registry:\n"+string(out))
	}
	return func(script string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), node, append([]string{filepath.Join(dir, script)}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		if err != nil {
			err = errors.New(err.Error() + ": " + stderr.String())
		}
		return string(stdout), err
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A lock that names a registry sends everybody there, whatever registry they have configured.
func TestLocksNameNoRegistry(t *testing.T) {
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
			t.Errorf("%s has resolved addresses; put omit-lockfile-registry-resolved=true into the .npmrc beside it", path)
		}
		return err
	})
	if err != nil || locks == 0 {
		t.Errorf("%d locks: %v", locks, err)
	}
}

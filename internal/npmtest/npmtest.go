// Package npmtest runs Node scripts in tests and installs the npm packages that they import.
package npmtest

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
)

// InstallScript installs the npm packages of a script with npm ci. The returned function runs the
// script; its error includes the script's stderr.
func InstallScript(t *testing.T, folder, script string) (run func(args ...string) (stdout string, err error)) {
	t.Helper()
	runScript := InstallScripts(t, folder, script)
	return func(args ...string) (string, error) { return runScript(script, args...) }
}

// InstallScripts is InstallScript for several scripts of one package.json, which is installed once.
// To share the installation, run the parts of a test as subtests.
func InstallScripts(
	t *testing.T, folder string, scripts ...string,
) (run func(script string, args ...string) (stdout string, err error)) {
	t.Helper()
	const how = "install Node 20.11 or newer, which includes npm"
	node, err := exec.LookPath("node")
	if err != nil {
		dbtest.SkipOrFail(t, "node", how)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		dbtest.SkipOrFail(t, "npm", how)
	}
	dir := filepath.Join(t.TempDir(), filepath.Base(folder))
	for _, name := range append([]string{".npmrc", "package.json", "package-lock.json"}, scripts...) {
		repotest.CopyFile(t, filepath.Join(folder, name), filepath.Join(dir, name))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		dbtest.SkipOrFail(t, "package of npm (npm ci: "+err.Error()+")",
			"it needs Node 20.11 or newer and the npm registry:\n"+string(out))
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

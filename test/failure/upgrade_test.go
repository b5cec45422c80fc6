//go:build failure && unix

package failure

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fieldgate/internal/dbtest"
)

// lastRelease is the commit of the previous version, from which servers are upgraded. Move it
// forward with each release.
const lastRelease = "86bf6c7"

// TestFailureUpgradeKeepsPromises upgrades and rolls back servers of one database one by one.
// Servers of the previous release and of this version share the database meanwhile.
func TestFailureUpgradeKeepsPromises(t *testing.T) {
	t.Parallel()
	old := buildRelease(t, lastRelease)
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		f := newFleet(t, databaseURL)
		current := f.program
		f.program = old
		f.addServers(2)
		c := newClients(t, "upgrade-", f.endpoints()...)
		c.registerAdmin(databaseURL)
		c.start(3)
		c.during("two servers of the last release", func() {})
		first, second := f.servers[0], f.servers[1]
		for _, step := range []struct {
			name    string
			server  *server
			program string
		}{
			{"one is upgraded, and migrates", first, current},
			{"the other one is upgraded", second, current},
			{"one is rolled back", first, old},
			{"the other one is rolled back", second, old},
			{"one is upgraded again", second, current},
		} {
			c.during(step.name, func() {
				step.server.stop()
				step.server.program = step.program
				step.server.restart()
			})
		}
		c.during("one of each, and the old one is killed (`kill -9`)", func() {
			first.process.Kill()
			first.restart()
		})
		c.end()
		c.wantPromisesKept(databaseURL)
		c.wantUnknownOutcomesExplained(f.logs())
	})
}

// buildRelease builds the program of a commit from the repository's history. A clone without it
// needs git fetch --unshallow.
func buildRelease(t *testing.T, commit string) (program string) {
	t.Helper()
	dir := dbtest.Directory(t)
	source, program := filepath.Join(dir, "source"), filepath.Join(dir, "fieldgate")
	run := func(in, name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = in
		return cmd.CombinedOutput()
	}
	if out, err := run("", "git", "cat-file", "-e", commit+"^{commit}"); err != nil {
		dbtest.SkipOrFail(t, "commit "+commit+" in the history of this clone", "git fetch --unshallow: "+string(out))
	}
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "source.tar")
	for _, step := range [][]string{
		{"", "git", "archive", "--output=" + archive, commit},
		{source, "tar", "-xf", archive},
		{source, "go", "build", "-o", program, "."},
	} {
		if out, err := run(step[0], step[1], step[2:]...); err != nil {
			t.Fatalf("%q: %v\n%s", step, err, out)
		}
	}
	return program
}

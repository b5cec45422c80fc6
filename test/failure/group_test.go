//go:build failure && unix

package failure

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// TestFailureGroupReplicationKeepsPromises replaces the primary of three nodes of MySQL Group
// Replication behind HAProxy in each way. No acknowledged write is lost or repeated, and no client
// is signed out. FIGURES=docs/operations.md writes the measurements into that file.
func TestFailureGroupReplicationKeepsPromises(t *testing.T) {
	t.Parallel()
	group := clustertest.StartGroup(t, "deploy/haproxy-group-replication.cfg")
	f := newFleet(t, group.URL)
	f.addServers(2)
	c := newClients(t, "group-", f.endpoints()...)
	// The group must agree on the loss before HAProxy switches, on a busy machine.
	c.maxWait = 30 * time.Second
	c.registerAdmin(group.URL)
	f.wantDoctor(group.URL, "ok", "ONLINE PRIMARY in a group of 3 members (3 ONLINE)")
	group.Primary(t).Exec(t, "CREATE USER plain@'127.0.0.1'", "GRANT ALL ON fieldgate.* TO plain@'127.0.0.1'")
	f.wantDoctor(strings.Replace(group.URL, "root@", "plain@", 1), "note", "SELECT command denied")
	c.start(userCount)

	var node *clustertest.Node
	c.during("nothing happens", func() {})
	c.during("the primary is killed (`kill -9`)", func() {
		node = group.Primary(t)
		node.Kill()
	})
	c.during("it comes back", func() { node.Rejoin(t) })
	c.during("the primary hangs (`SIGSTOP`)", func() {
		node = group.Primary(t)
		node.Freeze(t)
	})
	c.during("it goes on", func() {
		node.Thaw(t)
		group.WaitUntilOnline(t)
	})
	c.during("another node becomes the primary (`group_replication_set_as_primary`)", func() {
		group.SwitchOver(t, group.Secondary(t))
	})
	c.during("the primary is stopped (`SIGTERM`)", func() {
		node = group.Primary(t)
		node.Stop(t)
	})
	c.during("it comes back", func() { node.Rejoin(t) })
	c.end()
	c.wantPromisesKept(group.URL)
	c.wantUnknownOutcomesExplained(f.logs())
	if n := c.counts["refreshes that were repeated too late"]; n > 0 {
		t.Errorf("%d clients were signed out", n)
	}
	group.Secondary(t).Kill()
	// The member is UNREACHABLE until it is expelled.
	waitUntil(t, "the group notices that a member is lost", func() bool {
		_, seen := f.runDoctor(group.URL)
		return strings.Contains(seen, "2 ONLINE")
	})
	f.wantDoctor(group.URL, "warning", "2 ONLINE")
	if t.Failed() {
		return
	}
	figures := formatFigures([]*clients{c})
	t.Log("\n" + figures)
	if name := os.Getenv("FIGURES"); name != "" {
		writeFigures(t, name, "group replication failures", figures)
	}
}

// wantDoctor checks the doctor's finding about the group.
func (f *fleet) wantDoctor(databaseURL, level, seen string) {
	f.t.Helper()
	if gotLevel, got := f.runDoctor(databaseURL); gotLevel != level || !strings.Contains(got, seen) {
		f.t.Errorf("the doctor: %s %s, want %s with %q", gotLevel, got, level, seen)
	}
}

// runDoctor runs the doctor and returns its finding about the group.
func (f *fleet) runDoctor(databaseURL string) (level, seen string) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), f.program, "doctor", "--json")
	cmd.Env = append(append(os.Environ(), f.env...), "DATABASE_URL="+databaseURL)
	out, _ := cmd.Output() // the exit status also depends on other findings
	for line := range strings.Lines(string(out)) {
		var finding struct{ ID, Level, Seen string }
		if err := json.Unmarshal([]byte(line), &finding); err != nil {
			f.t.Fatalf("%v\n%s", err, out)
		}
		if finding.ID == "database.group" {
			return finding.Level, finding.Seen
		}
	}
	f.t.Errorf("the doctor has no finding about the group:\n%s", out)
	return "", ""
}

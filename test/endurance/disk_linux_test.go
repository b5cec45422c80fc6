//go:build failure

package endurance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/programtest"
)

// smallDisk is a file system of 16 MB with a SQLite file. The server and its commands see it in
// their own mount namespace.
type smallDisk struct {
	t      *testing.T
	dir    string
	binary string
	env    []string
	server *programtest.Server
}

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	unshare := []string{"unshare", "--user", "--map-root-user", "--mount"}
	path, err := exec.LookPath(unshare[0])
	if err == nil {
		err = exec.CommandContext(t.Context(), path, append(unshare[1:], "true")...).Run()
	}
	if err != nil {
		dbtest.SkipOrFail(t, "user namespace ("+err.Error()+")", "run as root, or with kernel.unprivileged_userns_clone=1")
	}
	d := &smallDisk{t: t, dir: dbtest.Directory(t), binary: programtest.Build(t)}
	d.env = []string{
		"DATABASE_URL=sqlite://" + d.dir + "/fieldgate.db", "ENV=production", "PUBLIC_URL=https://api.example.com", "TRUSTED_PROXIES=127.0.0.1",
		"JWT_SECRET=" + programtest.Secret,
	}
	d.server = programtest.Launch(t, path, d.env, append(unshare[1:], "sh", "-c", `mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"`, d.dir, d.binary, "serve")...)
	programtest.Wait(t, "the server is ready", d.server.Process, func() bool { return d.server.Status("/readyz") == http.StatusOK })
	return d
}

// run returns the output of a command that sees the small disk.
func (d *smallDisk) run(command ...string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "nsenter", append([]string{"-t", strconv.Itoa(d.server.Process.ID()), "-U", "-m"}, command...)...)
	cmd.Env = append(cmd.Environ(), d.env...)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		d.t.Fatal(err)
	}
	return string(out)
}

func (d *smallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill writes to the disk until it is full.
func (d *smallDisk) fill() {
	d.t.Helper()
	if out := d.run("dd", "if=/dev/zero", "of="+d.ballast(), "bs=4k", "oflag=append", "conv=notrunc"); !strings.Contains(out, "No space left on device") {
		d.t.Fatalf("the disk is not full: %s", out)
	}
}

func (d *smallDisk) free() { d.run("rm", d.ballast()) }

const registration = `mutation($e: String!, $p: String!) { register(input: {name: "Ada", email: $e, password: $p, delivery: BODY}) { accessToken user { id } } }`

// register sends one registration from a new IP, so that no limit applies.
func (d *smallDisk) register(n int64) (email string, a *programtest.Answer) {
	d.t.Helper()
	email = fmt.Sprintf("disk-%d@example.com", n)
	header := http.Header{"X-Forwarded-For": {fmt.Sprintf("10.%d.%d.%d", n/62500, n/250%250, n%250)}}
	a, err := programtest.Post(http.DefaultClient, d.server.URL, header, registration, map[string]any{"e": email, "p": programtest.Password})
	if err != nil {
		d.t.Error(err)
		return email, &programtest.Answer{}
	}
	return email, a
}

// TestFullDiskLosesNoAcknowledgedWrite checks that, while SQLite's disk is full, writes return
// UNAVAILABLE and change nothing, and reads work. When space is free again, the same process writes
// again, and every acknowledged write is stored.
func TestFullDiskLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	d := newSmallDisk(t)
	_, first := d.register(0)
	token := first.Text("register.accessToken")
	if token == "" {
		t.Fatal(first.Body)
	}

	var mu sync.Mutex
	acknowledged := []string{"disk-0@example.com"}
	var next, succeeded, rejected atomic.Int64
	stop := make(chan struct{})
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				email, a := d.register(next.Add(1))
				pause := time.Duration(0)
				mu.Lock()
				switch code := a.Code(); {
				case code == "" && a.Text("register.accessToken") != "":
					acknowledged = append(acknowledged, email)
					succeeded.Add(1)
				case code == "UNAVAILABLE" && a.Header.Get("Retry-After") != "" && a.Errors[0].Extensions["retryAfter"] != nil:
					rejected.Add(1)
					// Less than Retry-After, to fill the test with attempts.
					pause = 20 * time.Millisecond
				case code != "OVERLOADED":
					t.Errorf("a registration: %d %s", a.Status, a.Body)
				}
				mu.Unlock()
				<-time.After(pause)
			}
		})
	}
	waitForMore := func(outcome string, count *atomic.Int64, more int64) {
		t.Helper()
		from := count.Load()
		programtest.Wait(t, fmt.Sprintf("%d more registrations are %s", more, outcome), d.server.Process, func() bool { return count.Load() >= from+more })
	}
	for range 3 { // the disk fills at a different point of a transaction each time
		waitForMore("acknowledged", &succeeded, 5)
		d.fill()
		waitForMore("rejected", &rejected, 10)
		d.wantReadsOnly(token)
		d.free()
		waitForMore("acknowledged", &succeeded, 5)
	}
	close(stop)
	working.Wait()
	if status := d.server.Status("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz at the end: %d", status)
	}
	d.wantAccounts(acknowledged)
	if out := d.run(d.binary, "doctor", "--deep"); strings.Contains(out, "quick_check") {
		t.Errorf("the database is damaged:\n%s", out)
	}
	t.Logf("%d registrations acknowledged, %d rejected on a full disk", len(acknowledged), rejected.Load())
	d.server.Stop(t)
}

// wantReadsOnly checks that reads work and that the log and the doctor name the full disk.
func (d *smallDisk) wantReadsOnly(token string) {
	t := d.t
	t.Helper()
	a, err := programtest.Post(http.DefaultClient, d.server.URL, programtest.Bearer(token), `{ me { email } sessions { id } permissions { field } }`, nil)
	noError(t, err)
	if a.Code() != "" || a.Text("me.email") == "" {
		t.Errorf("a query while the disk is full: %s", a.Body)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200} {
		if got := d.server.Status(path); got != want {
			t.Errorf("%s while the disk is full: %d", path, got)
		}
	}
	named := 0
	for _, line := range d.server.Log(t) {
		if text := fmt.Sprint(line["error"]); line["msg"] == "database unavailable" && strings.Contains(text, "the disk of "+d.dir+" is full") {
			named++
		}
	}
	if named == 0 {
		t.Errorf("the log does not report the full disk:\n%s", d.server.Process.LogTail())
	}
	if out := d.run(d.binary, "doctor"); !strings.Contains(out, "0 MB are free on the disk") {
		t.Errorf("the doctor does not report the full disk:\n%s", out)
	}
}

// wantAccounts checks that the accounts are exactly the acknowledged ones.
func (d *smallDisk) wantAccounts(acknowledged []string) {
	t := d.t
	t.Helper()
	var got []string
	for line := range strings.Lines(d.run(d.binary, "user", "list", "--json")) {
		var user struct{ Email string }
		// Skips warnings.
		if err := json.Unmarshal([]byte(line), &user); err == nil && user.Email != "" {
			got = append(got, user.Email)
		}
	}
	slices.Sort(got)
	slices.Sort(acknowledged)
	if !slices.Equal(got, acknowledged) {
		t.Errorf("%d accounts for %d acknowledged registrations:\n%q\n%q", len(got), len(acknowledged), got, acknowledged)
	}
}

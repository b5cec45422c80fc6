package dbtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests observe the end of a test process from outside: this program starts itself again to run
// only TestScenario, with the scenario in this environment variable.
const scenarioEnv = "FIELDGATE_DBTEST_SCENARIO"

var scenarios = map[string]func(t *testing.T){
	"passes": func(*testing.T) {},
	"fails":  func(t *testing.T) { t.Error("expected failure") },
	"panics": func(*testing.T) { panic("expected failure") },
	"panics in another goroutine": func(*testing.T) { // like a test timeout
		go panic("expected failure")
		select {}
	},
	"exits": func(*testing.T) { os.Exit(3) },
	"is killed": func(t *testing.T) {
		killProcess(t, os.Getpid())
		select {}
	},
}

func TestScenario(t *testing.T) {
	scenario, ok := os.LookupEnv(scenarioEnv)
	if !ok {
		t.Skip("runs only in a process started by the tests below")
	}
	if scenario == "needs a missing program" {
		SkipOrFail(t, "unicorn", "look in the forest")
	}
	fmt.Println("url", MySQL(t))
	if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) == 0 {
		t.Fatalf("temporary directory: %v, %v; want the server's files", files, err)
	}
	scenarios[scenario](t)
}

func TestProcessLeavesNothingBehind(t *testing.T) {
	requireMariaDB(t)
	for _, row := range []struct {
		scenario string
		status   int // of the process
	}{
		{"passes", 0},
		{"fails", 1},
		{"panics", 2},
		{"panics in another goroutine", 2},
		{"exits", 3},
		{"is killed", -1},
	} {
		t.Run(row.scenario, func(t *testing.T) {
			t.Parallel()
			tmp := tempDir(t)
			if err := os.Chmod(tmp, 0o755); err != nil { // the server may run as another user
				t.Fatal(err)
			}
			status, output := runScenario(t, row.scenario, "TMPDIR="+tmp, "TEMP="+tmp)
			if status != row.status && row.status >= 0 {
				// A failure would be reported by Main, which is under test.
				panic(fmt.Sprintf("exit status %d, want %d\n%s", status, row.status, output))
			}
			// runScenario has read the output to its end, and the supervisor holds the output open:
			// files that remain now stay.
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("temporary directory: %v, %v; want it empty", left, err)
			}
			databaseURL := regexp.MustCompile(`(?m)^url (.*)$`).FindStringSubmatch(output)
			if databaseURL == nil {
				t.Fatalf("the scenario printed no database URL:\n%s", output)
			}
			if isListening(t, databaseURL[1]) {
				t.Error("MariaDB still runs")
			}
			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

func TestMissingProgramSkipsOrFails(t *testing.T) {
	for _, row := range []struct {
		name, scenario, env string
		status              int
		want                string
	}{
		{"is skipped with a message", "needs a missing program", "REQUIRE_ALL=", 0, "skipped, unicorn is missing: look in the forest"},
		{"is counted at the end", "needs a missing program", "REQUIRE_ALL=", 0, "tests skipped: 1, missing unicorn: look in the forest"},
		{"is skipped with REQUIRE_ALL=0", "needs a missing program", "REQUIRE_ALL=0", 0, "--- SKIP"},
		{"fails with REQUIRE_ALL=1", "needs a missing program", "REQUIRE_ALL=1", 1, "REQUIRE_ALL is set, but unicorn is missing: look in the forest"},
		{"fails with REQUIRE_ALL=yes", "needs a missing program", "REQUIRE_ALL=yes", 1, "--- FAIL"},
		{"fails if the server of TEST_MYSQL_URL does not answer", "passes", "TEST_MYSQL_URL=mysql://root:hunter2@127.0.0.1:1/", 1, "refused"},
		{"fails if TEST_MYSQL_URL is something else", "passes", "TEST_MYSQL_URL=root:hunter2@tcp(127.0.0.1)/", 1, "TEST_MYSQL_URL is not of the form"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, output := runScenario(t, row.scenario, row.env)
			if status != row.status {
				t.Errorf("exit status %d, want %d", status, row.status)
			}
			if !strings.Contains(output, row.want) {
				t.Errorf("the output lacks %q", row.want)
			}
			if strings.Contains(output, "hunter2") {
				t.Error("the output contains the password")
			}
			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

// runScenario returns the exit status (−1: a signal) and the output.
func runScenario(t *testing.T, scenario string, env ...string) (status int, output string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestScenario$", "-test.v")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TEST_MYSQL_URL=") })
	cmd.Env = append(cmd.Env, scenarioEnv+"="+scenario, "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, env...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), b.String()
}

// requireMariaDB is for tests of the private server, which run also with TEST_MYSQL_URL.
func requireMariaDB(t *testing.T) {
	t.Helper()
	if _, err := findMariaDB(); err != nil {
		SkipOrFail(t, "MariaDB", err.Error())
	}
}

func isListening(t *testing.T, databaseURL string) bool {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func killProcess(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

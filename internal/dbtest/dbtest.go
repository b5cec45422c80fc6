// Package dbtest gives a test a real, empty database of each kind that
// Fieldgate runs on.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	func TestStore(t *testing.T) {
//		dbtest.Each(t, func(t *testing.T, databaseURL string) {
//			// runs as TestStore/sqlite and TestStore/mariadb, side by side
//		})
//	}
//
// SQLite needs nothing. For the MySQL protocol the package starts a MariaDB of
// its own, once a test process and only when a test asks for it: about a second,
// in a temporary directory, on a free port of the loopback interface, gone when
// the process is gone. Each test gets a database of its own on it. With
// TEST_MYSQL_URL=mysql://user:password@host:3306/ that server is used instead,
// which is how the suite runs on a real MySQL.
//
// A machine without mariadbd skips those tests; REQUIRE_ALL=1, as in CI, makes
// them fail instead, so that a green run has left nothing out.
//
// A test that opens a database closes it too, by t.Cleanup after the call to
// MySQL or Each, so that it is closed before it is dropped. A process that is
// killed midway leaves its databases (fieldgate_test_…) on the server of
// TEST_MYSQL_URL; the MariaDB of our own goes with everything in it.
package dbtest

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Main runs the tests, stops what they started and exits with their status.
// It is all that a TestMain should do.
func Main(m *testing.M) {
	flag.Parse()
	setParallel()
	Program(m.Run)
}

// parallelTests is how many tests run at once unless -parallel says otherwise. It is more than most machines have
// processors, since many tests wait for a database, a mail server or a process.
const parallelTests = 6

func setParallel() {
	isSet := false
	flag.Visit(func(f *flag.Flag) { isSet = isSet || f.Name == "test.parallel" })
	if !isSet {
		_ = flag.Set("test.parallel", strconv.Itoa(max(parallelTests, runtime.GOMAXPROCS(0))))
	}
}

// Program is Main for a program that is no test, but needs the same server: it
// is all that its main should do. It exits with the status that f returns.
func Program(f func() (status int)) {
	if os.Getenv(supervisorEnv) != "" {
		os.Exit(supervise()) // this process is not here to test: see keeper.go
	}
	shared.mainRuns.Store(true)
	code := f()
	skipped.print(os.Stdout)
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// NewMySQL is MySQL for such a program: drop is its to call. own says whether
// the server is the private one, which the program may then set as it likes.
func NewMySQL() (databaseURL string, drop func() error, own bool, err error) {
	s, err := sharedServer()
	if err != nil {
		return "", nil, false, err
	}
	databaseURL, drop, err = s.newDatabase()
	return databaseURL, drop, s.supervisor != nil, err
}

// Each runs f once a database, in parallel subtests named "sqlite" and
// "mariadb" ("mysql" if that is what stands behind TEST_MYSQL_URL), with the
// DATABASE_URL of a new and empty database.
func Each(t *testing.T, f func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, SQLite(t))
	})
	t.Run(mysqlKind(t), func(t *testing.T) {
		t.Parallel()
		f(t, MySQL(t))
	})
}

// SQLite gives the URL of a SQLite file that does not exist yet, in a directory
// that is removed after the test.
func SQLite(tb testing.TB) string {
	tb.Helper()
	path := filepath.ToSlash(filepath.Join(tb.TempDir(), "fieldgate.db"))
	return "sqlite:///" + strings.TrimPrefix(path, "/") // sqlite:///C:/… on Windows
}

// MySQL gives the URL of a new and empty database, in utf8mb4, on MariaDB or on
// the server of TEST_MYSQL_URL; it is dropped after the test. Without a server
// the test is left out, as SkipOrFail says; a server that does not start, or does
// not answer, fails it.
func MySQL(tb testing.TB) string {
	tb.Helper()
	s, err := sharedServer()
	switch {
	case errors.Is(err, errNotInstalled):
		SkipOrFail(tb, "MariaDB ("+err.Error()+")",
			"apt-get install mariadb-server-core mariadb-client-core, or set TEST_MYSQL_URL=mysql://user:password@host:3306/")
	case err != nil:
		tb.Fatal("dbtest: ", err)
	}
	return s.createDatabase(tb)
}

// RequireAll says whether whatever would be left out must fail instead.
func RequireAll() bool {
	switch os.Getenv("REQUIRE_ALL") {
	case "", "0", "false":
		return false
	}
	return true // REQUIRE_ALL=yes must not turn into a run that skips
}

// ConnectionsEnv is the variable that says how many connections to its database each server of the tests may have; they
// have as many as any server otherwise. It is for: does everything work with one?
const ConnectionsEnv = "FIELDGATE_TEST_CONNECTIONS"

// Exhaustive reports whether a test runs all of its repetitions and combinations: with -tags exhaustive, as in a step of
// .ci/run. Without the tag a test runs a sample, so that go test ./... stays quick. Under the race detector, which is ten
// times slower, and with fewer Connections it is always a sample.
func Exhaustive() bool { return exhaustive && !raceDetector && os.Getenv(ConnectionsEnv) == "" }

// RaceDetector says whether the tests run under the race detector.
func RaceDetector() bool { return raceDetector }

// SkipOrFail ends a test that needs something this machine does not have: what it
// is, and how to get it. The test is skipped, or fails if RequireAll.
func SkipOrFail(tb testing.TB, what, how string) {
	tb.Helper()
	if RequireAll() {
		tb.Fatalf("REQUIRE_ALL is set, but there is no %s: %s", what, how)
	}
	skipped.add(what, how)
	tb.Skipf("left out, there is no %s: %s", what, how)
}

// skipCounts counts the skipped tests by what is missing.
type skipCounts struct {
	mu    sync.Mutex
	tests map[string]int
}

var skipped skipCounts

func (o *skipCounts) add(what, how string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tests == nil {
		o.tests = map[string]int{}
	}
	line, _, _ := strings.Cut(what+": "+how, "\n")
	o.tests[line]++
}

// print writes one line for each thing that is missing. go test shows it for a single package, and with -v.
func (o *skipCounts) print(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(o.tests)) {
		fmt.Fprintf(w, "tests left out: %d, there is no %s\n", o.tests[what], what)
	}
}

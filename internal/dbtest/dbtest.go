// Package dbtest gives a test an empty database of each kind that Fieldgate supports.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	func TestStore(t *testing.T) {
//		dbtest.Each(t, func(t *testing.T, databaseURL string) {
//			// runs as TestStore/sqlite and TestStore/mariadb, in parallel
//		})
//	}
//
// SQLite needs no server. For the MySQL protocol the package starts a private MariaDB when the
// first test of the process needs it. The start takes about a second. The server runs in a
// temporary directory on a free loopback port, and ends with the process. Each test gets its own
// database. TEST_MYSQL_URL=mysql://user:password@host:3306/ selects another server, such as a real
// MySQL.
//
// Without mariadbd these tests are skipped. REQUIRE_ALL=1, as in CI, makes them fail instead, so
// that a green run has skipped nothing.
//
// A test that opens a database closes it with t.Cleanup after calling MySQL or Each, so that it is
// closed before it is dropped. A killed process leaves its databases (fieldgate_test_…) on the
// server of TEST_MYSQL_URL. The private MariaDB is removed with all its data.
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

// Main runs the tests, stops what they started and exits with their status. A TestMain should do
// nothing else.
func Main(m *testing.M) {
	flag.Parse()
	setParallel()
	Program(m.Run)
}

// parallelTests is how many tests run at once unless -parallel is set. It exceeds the number of
// processors of most machines, since many tests wait for a database, a mail server or a process.
const parallelTests = 6

func setParallel() {
	isSet := false
	flag.Visit(func(f *flag.Flag) { isSet = isSet || f.Name == "test.parallel" })
	if !isSet {
		_ = flag.Set("test.parallel", strconv.Itoa(max(parallelTests, runtime.GOMAXPROCS(0))))
	}
}

// Program is Main for programs other than tests that need the same server. Their main should do
// nothing else. It exits with the status that f returns.
func Program(f func() (status int)) {
	if os.Getenv(supervisorEnv) != "" {
		os.Exit(supervise()) // this process is a supervisor, see supervisor.go
	}
	shared.mainStarted.Store(true)
	code := f()
	skipped.print(os.Stdout)
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// NewMySQL is MySQL for such programs, which call drop themselves. own reports whether the server
// is the private one, which the program may configure freely.
func NewMySQL() (databaseURL string, drop func() error, own bool, err error) {
	s, err := sharedServer()
	if err != nil {
		return "", nil, false, err
	}
	databaseURL, drop, err = s.newDatabase()
	return databaseURL, drop, s.supervisor != nil, err
}

// Each runs f once per database, in parallel subtests named "sqlite" and "mariadb" ("mysql" if
// TEST_MYSQL_URL names one), with the DATABASE_URL of a new, empty database.
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

// SQLite returns the URL of a SQLite file that does not exist yet, in a directory that is removed
// after the test.
func SQLite(tb testing.TB) string {
	tb.Helper()
	path := filepath.ToSlash(filepath.Join(tb.TempDir(), "fieldgate.db"))
	return "sqlite:///" + strings.TrimPrefix(path, "/") // sqlite:///C:/… on Windows
}

// MySQL returns the URL of a new, empty utf8mb4 database on MariaDB or on the server of
// TEST_MYSQL_URL. The database is dropped after the test. Without a server SkipOrFail ends the
// test. A server that does not start or answer fails it.
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

// RequireAll reports whether missing programs fail tests instead of skipping them.
func RequireAll() bool {
	switch os.Getenv("REQUIRE_ALL") {
	case "", "0", "false":
		return false
	}
	return true // any other value, such as yes, must not skip tests
}

// ConnectionsEnv is the variable that limits the database connections of each server under test;
// without it they have the default. It tests whether everything works with one connection.
const ConnectionsEnv = "FIELDGATE_TEST_CONNECTIONS"

// Exhaustive reports whether tests run all repetitions and combinations: with -tags exhaustive, as
// in a step of .ci/run. Otherwise they run a sample, so that go test ./... stays fast. The race
// detector, which is ten times slower, and ConnectionsEnv always select the sample.
func Exhaustive() bool { return exhaustive && !raceDetector && os.Getenv(ConnectionsEnv) == "" }

// RaceDetector reports whether the tests run under the race detector.
func RaceDetector() bool { return raceDetector }

// SkipOrFail ends a test that needs a program missing on this machine. what names it, how tells how
// to install it. The test is skipped, or fails if RequireAll.
func SkipOrFail(tb testing.TB, what, how string) {
	tb.Helper()
	if RequireAll() {
		tb.Fatalf("REQUIRE_ALL is set, but %s is missing: %s", what, how)
	}
	skipped.add(what, how)
	tb.Skipf("skipped, %s is missing: %s", what, how)
}

// skipCounts counts skipped tests by missing program.
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

// print writes one line per missing program. go test shows it for a single package, and with -v.
func (o *skipCounts) print(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(o.tests)) {
		fmt.Fprintf(w, "tests skipped: %d, missing %s\n", o.tests[what], what)
	}
}

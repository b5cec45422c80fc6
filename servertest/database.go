package servertest

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// EachDatabase runs f once for each kind of database, in parallel subtests named "sqlite" and
// "mariadb". f gets the DATABASE_URL of a new, empty database. Without MariaDB on the machine, that
// subtest is skipped with a message; with REQUIRE_ALL=1, as in CI, it fails. With TEST_MYSQL_URL,
// the second database is on that server.
func EachDatabase(t *testing.T, f func(t *testing.T, databaseURL string)) {
	t.Helper()
	dbtest.Each(t, f)
}

// SQLite returns the DATABASE_URL of a file that does not exist yet. Its directory is removed after
// the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return dbtest.SQLite(t)
}

// MySQL returns the DATABASE_URL of a new, empty database on MariaDB, or on the server of
// TEST_MYSQL_URL. The database is dropped after the test.
func MySQL(t testing.TB) string {
	t.Helper()
	return dbtest.MySQL(t)
}

// Exhaustive reports whether a test should run all of its repetitions and combinations, as with
// -tags exhaustive. Without the tag, a test runs a sample, so that go test ./... stays quick.
func Exhaustive() bool { return dbtest.Exhaustive() }

// OpenDatabase opens the database directly, so that a test can read and change rows without the
// server. It is closed after the test.
func OpenDatabase(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	name, dsn := "sqlite3", "file:"+strings.TrimPrefix(databaseURL, "sqlite://")
	if u, err := url.Parse(databaseURL); err == nil && u.Scheme == "mysql" {
		name, dsn = "mysql", u.User.String()+"@tcp("+u.Host+")"+u.Path
	}
	db, err := sql.Open(name, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

package servertest

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// EachDatabase runs f once for each kind of database, in parallel subtests named "sqlite" and "mariadb", with the
// DATABASE_URL of a new and empty one. A machine without MariaDB skips that one and says so; with REQUIRE_ALL=1, as in CI, it
// fails. With TEST_MYSQL_URL the second one is a database on that server.
func EachDatabase(t *testing.T, f func(t *testing.T, databaseURL string)) {
	t.Helper()
	dbtest.Each(t, f)
}

// SQLite is the DATABASE_URL of a file that does not exist yet, in a directory that is removed after the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return dbtest.SQLite(t)
}

// MySQL is the DATABASE_URL of a new and empty database on MariaDB, or on the server of TEST_MYSQL_URL. It is dropped
// after the test.
func MySQL(t testing.TB) string {
	t.Helper()
	return dbtest.MySQL(t)
}

// Exhaustive reports whether a test should run all of its repetitions and combinations: with -tags exhaustive. Without the
// tag it runs a sample, so that go test ./... stays quick.
func Exhaustive() bool { return dbtest.Exhaustive() }

// OpenDatabase is a way to the rows behind the server's back.
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

package dbtest_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"

	"github.com/go-sql-driver/mysql"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestEachRunsOncePerDatabase(t *testing.T) {
	var names, urls []string
	t.Run("each", func(t *testing.T) {
		seen := make(chan [2]string, 8)
		t.Cleanup(func() {
			close(seen)
			for s := range seen {
				names, urls = append(names, s[0]), append(urls, s[1])
			}
		})
		dbtest.Each(t, func(t *testing.T, databaseURL string) {
			seen <- [2]string{t.Name()[strings.LastIndex(t.Name(), "/")+1:], databaseURL}
		})
	})
	for i, name := range names {
		scheme, _, _ := strings.Cut(urls[i], "://")
		if want := map[string]string{"sqlite": "sqlite", "mariadb": "mysql", "mysql": "mysql"}[name]; scheme != want {
			t.Errorf("subtest %s got %s", name, urls[i])
		}
	}
	if dbtest.RequireAll() && len(names) != 2 {
		t.Errorf("ran for %v, want SQLite and one more", names)
	}
}

func TestSQLiteReturnsNewFileInExistingDirectory(t *testing.T) {
	first, second := dbtest.SQLite(t), dbtest.SQLite(t)
	if first == second {
		t.Errorf("two calls returned the same file: %s", first)
	}
	for _, databaseURL := range []string{first, second} {
		path, ok := strings.CutPrefix(databaseURL, "sqlite://")
		if !ok || !strings.HasPrefix(path, "/") {
			t.Fatalf("%s is not of the form sqlite:///abs/path.db", databaseURL)
		}
		if runtime.GOOS == "windows" {
			path = path[1:] // /C:/…
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want a file that does not exist yet", path, err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Errorf("cannot create the file: %v", err)
		}
	}
}

func TestMySQLReturnsEmptyDatabase(t *testing.T) {
	databaseURL := dbtest.MySQL(t)
	db := open(t, databaseURL)
	for _, row := range []struct{ name, query, want string }{
		{"has the name in the URL", "SELECT database()", databaseName(t, databaseURL)},
		{"is empty", "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()", "0"},
		{"stores any character", "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = database()", "utf8mb4"},
		{"sorts case-insensitively", "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = database()", "utf8mb4_unicode_ci"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := queryString(t, db, row.query); got != row.want {
				t.Errorf("%s: %q, want %q", row.query, got, row.want)
			}
		})
	}
}

func TestPrivateMariaDBSettings(t *testing.T) {
	if os.Getenv("TEST_MYSQL_URL") != "" {
		t.Skip("TEST_MYSQL_URL is set: its server may have other settings")
	}
	db := open(t, dbtest.MySQL(t))
	for _, row := range []struct{ name, query, want string }{
		{"is MariaDB", "SELECT version() LIKE '%MariaDB%'", "1"},
		{"uses UTC", "SELECT @@session.time_zone", "+00:00"},
		// 2000, unless the machine allows few open files.
		{"accepts many connections", "SELECT @@max_connections >= 500", "1"},
		{"uses utf8mb4", "SELECT @@character_set_server", "utf8mb4"},
		{"listens only on the loopback interface", "SELECT @@bind_address", "127.0.0.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := queryString(t, db, row.query); got != row.want {
				t.Errorf("%s: %q, want %q", row.query, got, row.want)
			}
		})
	}
}

func TestMySQLReturnsSeparateDatabases(t *testing.T) {
	first, second := open(t, dbtest.MySQL(t)), open(t, dbtest.MySQL(t))
	if _, err := first.Exec("CREATE TABLE only_here (id INT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	const tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()"
	if a, b := queryString(t, first, tables), queryString(t, second, tables); a != "1" || b != "0" {
		t.Errorf("after one table in the first: %s and %s tables, want 1 and 0", a, b)
	}
}

func TestDatabaseIsDroppedAfterTest(t *testing.T) {
	db := open(t, dbtest.MySQL(t))
	var name string
	const exists = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?"
	t.Run("the test", func(t *testing.T) {
		name = databaseName(t, dbtest.MySQL(t))
		if got := queryString(t, db, exists, name); got != "1" {
			t.Fatalf("%s databases %s during the test", got, name)
		}
	})
	if got := queryString(t, db, exists, name); got != "0" {
		t.Errorf("%s databases %s after the test", got, name)
	}
}

func open(tb testing.TB, databaseURL string) *sql.DB {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	cfg.TLSConfig = u.Query().Get("tls")
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	db := sql.OpenDB(connector)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func queryString(tb testing.TB, db *sql.DB, query string, args ...any) string {
	tb.Helper()
	var answer string
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&answer); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return answer
}

// databaseName returns the database's name in a URL.
func databaseName(tb testing.TB, databaseURL string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

package models

import (
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"fieldgate/internal/dbtest"
)

func TestMySQLURLIsParsed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, url, user, password, addr, database, tls string }{
		{"in full", "mysql://ada:secret@db.example.com:3307/fieldgate?tls=true", "ada", "secret", "db.example.com:3307", "fieldgate", "true"},
		{"without a port", "mysql://ada:secret@localhost/fieldgate", "ada", "secret", "localhost:3306", "fieldgate", ""},
		{"with an empty port", "mysql://ada:secret@localhost:/fieldgate", "ada", "secret", "localhost:3306", "fieldgate", ""},
		{"with an IPv6 host", "mysql://ada:secret@[2001:db8::1]:3307/fieldgate", "ada", "secret", "[2001:db8::1]:3307", "fieldgate", ""},
		{"with an IPv6 host and no port", "mysql://ada:secret@[::1]/fieldgate", "ada", "secret", "[::1]:3306", "fieldgate", ""},
		{"without a password", "mysql://ada@localhost/fieldgate", "ada", "", "localhost:3306", "fieldgate", ""},
		{
			"with every special character", "mysql://a%40b%3Ac:%40%3A%2F%3F%23%5B%5D%25%26%3D%2B%20%C3%A9'%22%5C%00@localhost/my%2Fdata%20base",
			"a@b:c", "@:/?#[]%&=+ é'\"\\\x00", "localhost:3306", "my/data base", "",
		},
		{"with a plus, which is not a space", "mysql://a+b:c+d@localhost/e+f", "a+b", "c+d", "localhost:3306", "e+f", ""},
		{"with TLS unverified", "mysql://ada:secret@localhost/fieldgate?tls=skip-verify", "ada", "secret", "localhost:3306", "fieldgate", "skip-verify"},
		{"with TLS if the server supports it", "mysql://ada:secret@localhost/fieldgate?tls=preferred", "ada", "secret", "localhost:3306", "fieldgate", "preferred"},
		{"without TLS", "mysql://ada:secret@localhost/fieldgate?tls=false", "ada", "secret", "localhost:3306", "fieldgate", "false"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, err := dialectOf(row.url)
			requireNoError(t, err)
			c := d.(mysqlDialect).config
			got := [...]string{c.User, c.Passwd, c.Addr, c.DBName, c.TLSConfig}
			if want := [...]string{row.user, row.password, row.addr, row.database, row.tls}; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			// The driver must accept the configuration too.
			_, err = mysqldriver.NewConnector(c)
			requireNoError(t, err)
		})
	}
}

func TestInvalidDatabaseURLIsRejected(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, url, want string }{
		{"an empty URL", "", "must start with sqlite:// or mysql://"},
		{"another database", "postgres://ada@localhost/x", "must start with sqlite:// or mysql://"},
		{"the driver's own format", "ada:secret@tcp(localhost)/x", "must start with sqlite:// or mysql://"},
		{"without a user", "mysql://localhost/x", "mysql://USER:PASSWORD@HOST:PORT/NAME"},
		{"without a host", "mysql://ada:secret@/x", "mysql://USER:PASSWORD@HOST:PORT/NAME"},
		{"without a name", "mysql://ada:secret@localhost/", "mysql://USER:PASSWORD@HOST:PORT/NAME"},
		{"with a special character that is not encoded", "mysql://ada:100%@localhost/x", "%XX"},
		{"with an unknown TLS mode", "mysql://ada:secret@localhost/x?tls=maybe", "maybe"},
		{"without a file", "sqlite://", "must name a file"},
		{"in memory", "sqlite://:memory:", "must name a file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(row.url, Options{})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want %q", err, row.want)
			}
			if s != nil {
				t.Error("got a store with an error")
			}
		})
	}
}

func TestMySQLSessionSettings(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	for _, row := range []struct{ name, query, want string }{
		{"uses UTF-8", "SELECT CONCAT(@@character_set_client, ' ', @@character_set_connection, ' ', @@character_set_results)", "utf8mb4 utf8mb4 utf8mb4"},
		{"compares byte by byte", "SELECT @@collation_connection", "utf8mb4_bin"},
		{"uses UTC", "SELECT @@time_zone", "+00:00"},
		{"is in strict mode", "SELECT @@sql_mode", "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"},
		{"waits for a row lock for less than the read timeout", "SELECT @@innodb_lock_wait_timeout", "5"},
		{"waits for a table lock for less than the read timeout", "SELECT @@lock_wait_timeout", "5"},
		{"counts emoji as characters", "SELECT CHAR_LENGTH('👩‍👧')", "3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := queryAll[string](t, s, row.query); len(got) != 1 || got[0] != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestMySQLCountsMatchedRows(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	createUser(t, s, newUser("ada@example.com"))
	r := s.conn(testContext(t)).Exec("UPDATE users SET role = role")
	if r.Error != nil || r.RowsAffected != 1 {
		t.Errorf("got %d rows, %v; want 1", r.RowsAffected, r.Error)
	}
}

func TestMySQLRejectsZeroTime(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	session := newSession(createUser(t, s, newUser("ada@example.com")))
	session.LastUsedAt = time.Time{}
	if err := s.CreateSession(testContext(t), session); err == nil {
		t.Error("got no error for a zero time")
	}
}

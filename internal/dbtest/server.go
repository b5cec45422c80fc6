package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// queryTimeout limits the few statements of this package. They take milliseconds on an idle
// machine.
const queryTimeout = 30 * time.Second

// server is the MySQL server of this process: the private one or that of TEST_MYSQL_URL.
type server struct {
	url        url.URL // of the server; its path is ignored
	admin      *sql.DB
	supervisor *supervisor // nil for the server of TEST_MYSQL_URL
}

// shared is started by the first test that needs it and stopped by Main.
var shared struct {
	mainStarted atomic.Bool
	once        sync.Once
	server      *server
	err         error
}

func sharedServer() (*server, error) {
	shared.once.Do(func() {
		if env := os.Getenv("TEST_MYSQL_URL"); env != "" {
			shared.server, shared.err = dialServer(env)
			return
		}
		shared.server, shared.err = startServer()
	})
	return shared.server, shared.err
}

func stopShared() error {
	if shared.server == nil {
		return nil
	}
	return shared.server.stop()
}

func startServer() (*server, error) {
	sup, err := startMariaDBSupervisor()
	if err != nil {
		return nil, err
	}
	s, err := dialServer("mysql://root@" + sup.addr + "/")
	if err != nil {
		return nil, errors.Join(err, sup.stop())
	}
	s.supervisor = sup
	return s, nil
}

// dialServer opens the server of a URL and ignores the database in it.
func dialServer(rawURL string) (*server, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "mysql" || u.Hostname() == "" {
		// Neither the value nor url.Parse's error, which contain a password.
		return nil, errors.New("TEST_MYSQL_URL is not of the form mysql://user:password@host:3306/")
	}
	connector, err := mysql.NewConnector(adminConfig(u))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	s := &server{url: *u, admin: sql.OpenDB(connector)}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	if err := s.admin.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", u.Redacted(), err), s.admin.Close())
	}
	return s, nil
}

func adminConfig(u *url.URL) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net = "tcp"
	cfg.Addr = u.Host
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	cfg.TLSConfig = u.Query().Get("tls")
	cfg.Timeout = queryTimeout
	cfg.Logger = &mysql.NopLogger{} // the errors are returned too
	// A test that leaves a transaction open makes DROP DATABASE wait, by default for a day.
	cfg.Params = map[string]string{"lock_wait_timeout": "10"}
	return cfg
}

func (s *server) stop() error {
	err := s.admin.Close()
	if s.supervisor != nil {
		err = errors.Join(err, s.supervisor.stop())
	}
	return err
}

// createDatabase creates a database for one test.
func (s *server) createDatabase(tb testing.TB) string {
	tb.Helper()
	databaseURL, drop, err := s.newDatabase()
	if err != nil {
		tb.Fatal("dbtest: ", err)
	}
	tb.Cleanup(func() {
		if err := drop(); err != nil {
			tb.Error("dbtest: ", err)
		}
	})
	return databaseURL
}

// newDatabase creates a database with a random name, because several processes may test on the same
// server.
func (s *server) newDatabase() (databaseURL string, drop func() error, err error) {
	name := "fieldgate_test_" + strings.ToLower(rand.Text())
	// Explicit, so that a server with another default character set runs the same tests.
	if err := s.exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"); err != nil {
		return "", nil, fmt.Errorf("create a database: %w", err)
	}
	drop = func() error {
		if err := s.exec("DROP DATABASE " + name); err != nil {
			return fmt.Errorf("drop the test's database (is one of its transactions still open?): %w", err)
		}
		return nil
	}
	u := s.url
	u.Path = "/" + name
	return u.String(), drop, nil
}

func (s *server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	_, err := s.admin.ExecContext(ctx, statement)
	return err
}

// mysqlKind names the server behind MySQL. It queries only the server of TEST_MYSQL_URL: the
// private MariaDB starts only for tests that use it.
func mysqlKind(tb testing.TB) string {
	tb.Helper()
	if os.Getenv("TEST_MYSQL_URL") == "" {
		return "mariadb"
	}
	s, err := sharedServer()
	if err != nil {
		tb.Fatal("dbtest: ", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	var version string
	if err := s.admin.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		tb.Fatal("dbtest: ", err)
	}
	if strings.Contains(version, "MariaDB") {
		return "mariadb"
	}
	return "mysql"
}

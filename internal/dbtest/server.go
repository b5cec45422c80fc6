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

// queryTimeout bounds the few statements that this package runs. They take
// milliseconds, but a machine that runs CI has other things to do as well.
const queryTimeout = 30 * time.Second

// server is the MySQL server of this process, ours or that of TEST_MYSQL_URL.
type server struct {
	url        url.URL // of the server; the path is the database's name
	admin      *sql.DB
	supervisor *supervisor // nil if the server is not ours to stop
}

// shared is started by the first test that asks and stopped by Main.
var shared struct {
	mainRuns atomic.Bool
	once     sync.Once
	server   *server
	err      error
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
	k, err := startMariaDBSupervisor()
	if err != nil {
		return nil, err
	}
	s, err := dialServer("mysql://root@" + k.addr + "/")
	if err != nil {
		return nil, errors.Join(err, k.stop())
	}
	s.supervisor = k
	return s, nil
}

// dialServer opens the server that a URL names; the database in it is ignored.
func dialServer(rawURL string) (*server, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "mysql" || u.Hostname() == "" {
		// Neither the value nor url.Parse's error: there is a password in them.
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
	cfg.Logger = &mysql.NopLogger{} // its lines come as errors too
	// A test that forgot to end a transaction makes DROP DATABASE wait for it,
	// by default for a day.
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

// createDatabase makes a database for one test.
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

// newDatabase makes a database whose name is random, because several processes
// test at once, and on a server of yours have no other way to keep apart.
func (s *server) newDatabase() (databaseURL string, drop func() error, err error) {
	name := "fieldgate_test_" + strings.ToLower(rand.Text())
	// Named, so that a server whose own default is latin1 tests the same thing.
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

// mysqlKind names what MySQL gives. The server is asked only when it may be
// something else than our own MariaDB, which is started by a test that uses it
// and not for a name.
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

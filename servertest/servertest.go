// Package servertest starts a complete Fieldgate server for a test, as net/http/httptest does for a
// handler. Each server has its own port, a real and empty database, a log to read and a clock to
// set.
//
//	func TestMain(m *testing.M) { servertest.Main(m) }
//
//	func TestOnlyTheOwnerReadsANote(t *testing.T) {
//		servertest.EachDatabase(t, func(t *testing.T, databaseURL string) {
//			s := servertest.Start(t, databaseURL)
//			ada := s.NewUser("USER")
//			id := s.Query(ada, `mutation { createNote(text: "hello") { id } }`).Must().Text("createNote.id")
//			got := s.Query(s.NewUser("USER"), `query($id: ID!) { note(id: $id) { text } }`, "id", id)
//			// got.Codes() is []string{"note NOT_FOUND"}
//		})
//	}
//
// A test server is a development server: it keeps mails in an inbox instead of sending them, hashes
// passwords at the lowest cost and enforces no rate limits. The test can change that with
// environment variables. Everything else is as in production.
//
// An error in a helper fails the test. Methods of a [Server] that end the test, as t.Fatal does,
// must be called from the test's own goroutine; [Server.Try] may be called from any.
package servertest

import (
	"crypto/x509"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/app"
	"fieldgate/extend"
	"fieldgate/internal/config"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/internal/trace"
	"fieldgate/internal/web"
	"fieldgate/models"
)

// Secret signs the tokens of every test server that does not set JWT_SECRET.
const Secret = "pxbDlPvYGlyFUVvbL5Vv4bLUNB3ZSq1w7wVbJ0JQG5s"

// Cost is the lowest cost of bcrypt, which the configuration does not allow. Every test server that
// does not set BCRYPT_COST hashes at it.
const Cost = 4

// Server is a server that answers on its own port until the test ends.
type Server struct {
	URL   string // http://127.0.0.1:PORT, without a trailing slash
	Log   *Log
	Clock *Clock // nil for a server in a separate process

	t        testing.TB
	internal *server.Server
}

// Config configures a test server. The zero value is a server on a new SQLite file.
type Config struct {
	DatabaseURL string   // "" is a new SQLite file
	Env         []string // environment variables, names and values in turn

	Listener   net.Listener // where the server answers; nil is a free port
	Schema     *ast.Schema  // the schema whose rules are enforced; nil is the server's own
	Playground fs.FS        // the built playground; nil is the one compiled into the test
	Demo       bool         // with the demo users of "serve --demo" and their sign-in buttons

	// App makes the product's code; nil is app.New.
	App func(*extend.Registry) (*app.App, error)

	MailRoots *x509.CertPool // CAs trusted for SMTP_URL; nil is the system's
}

// Start starts a server on a database and migrates it. env holds names and values of environment
// variables in turn.
func Start(t testing.TB, databaseURL string, env ...string) *Server {
	t.Helper()
	return StartConfig(t, Config{DatabaseURL: databaseURL, Env: env})
}

// StartConfig is Start with all options of a Config.
func StartConfig(t testing.TB, c Config) *Server {
	t.Helper()
	if c.DatabaseURL == "" {
		c.DatabaseURL = SQLite(t)
	}
	if c.Listener == nil {
		c.Listener = Listen(t)
	}
	s := &Server{t: t, Log: &Log{}, Clock: &Clock{}}
	in, err := server.New(s.options(c))
	if err != nil {
		c.Listener.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	s.internal = in
	if _, err := in.Store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Demo {
		if err := in.StartDemo(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.URL = ServeOn(t, c.Listener, in.Handler).URL // its cleanup runs before that of the server
	return s
}

// options returns the server options for a Config.
func (s *Server) options(c Config) server.Options {
	s.t.Helper()
	o := Options(s.t, c.DatabaseURL, s.Log, c.Env...)
	o.Now, o.NewApp, o.Schema, o.SMTPRoots = s.Clock.Now, c.App, c.Schema, c.MailRoots
	o.Playground, o.Demo = c.Playground, c.Demo
	return o
}

// Options returns the options that Start gives to a server. It is for the tests of Fieldgate
// itself.
func Options(t testing.TB, databaseURL string, log io.Writer, env ...string) server.Options {
	t.Helper()
	vars := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": Secret, "LOG_LEVEL": "debug"}
	for i := 0; i < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	if vars["LIMITS"] == "" && vars["ENV"] != "production" {
		vars["LIMITS"] = "off" // tests of limits turn them on
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if vars["BCRYPT_COST"] == "" {
		cfg.BcryptCost = Cost
	}
	handler := slog.NewJSONHandler(log, &slog.HandlerOptions{Level: cfg.LogLevel})
	return server.Options{
		Config: cfg, Log: slog.New(web.LogHandler(handler, trace.LogAttrs)), Connections: connections(),
	}
}

// connections returns the size of the connection pool that the environment sets. 0 is the default
// size.
func connections() int {
	n, _ := strconv.Atoi(os.Getenv(dbtest.ConnectionsEnv))
	return n
}

// Store returns the server's database.
func (s *Server) Store() *models.Store { return s.internal.Store }

// Internal returns the server itself, for Fieldgate's own tests; a product cannot name its type. It
// is nil for a server in a separate process.
func (s *Server) Internal() *server.Server { return s.internal }

// Listen opens a free port of the loopback interface, for a server whose configuration names the
// port.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ServeOn serves h on l and closes both after the test.
func ServeOn(t testing.TB, l net.Listener, h http.Handler) *httptest.Server {
	t.Helper()
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Package servertest starts Fieldgate for tests, as net/http/httptest starts a handler: the whole server, on a port of
// its own, with a real and empty database of its own, a log to read and a clock to set.
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
// A server of a test is a development server: it shows mails instead of sending them, hashes passwords at the lowest cost
// and enforces no rate limits, unless the variables that the test gives say otherwise. Everything else is as in production.
//
// What goes wrong in a helper fails the test. Methods of a [Server] that end the test, as t.Fatal does, must be called from
// the test's own goroutine; [Server.Try] is for others.
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

// Secret signs the tokens of every server of the tests that does not set its own JWT_SECRET.
const Secret = "pxbDlPvYGlyFUVvbL5Vv4bLUNB3ZSq1w7wVbJ0JQG5s"

// Cost is bcrypt's lowest: no configuration allows it, and every server of the tests hashes at it that does not set
// BCRYPT_COST.
const Cost = 4

// Server is a server that answers on a port of its own until the test ends.
type Server struct {
	URL   string // http://127.0.0.1:PORT, without a slash at the end
	Log   *Log
	Clock *Clock // nil for a server in a process of its own

	t        testing.TB
	internal *server.Server
}

// Config is what a server of a test is made of. The zero value is a server on a new SQLite file.
type Config struct {
	DatabaseURL string   // "" is a new SQLite file
	Env         []string // adds to the configuration: name and value in turn

	Listener   net.Listener // where it answers; nil is a free port
	Schema     *ast.Schema  // enforces the rules of another schema; nil is its own
	Playground fs.FS        // what the playground was built into; nil is what the test was compiled with
	Demo       bool         // with the people of "serve --demo" and their buttons

	// App is the product's code, as app.New returns it; nil is app.New itself.
	App func(*extend.Registry) (*app.App, error)

	MailRoots *x509.CertPool // who vouches for the mail server of SMTP_URL; nil: those whom the system trusts
}

// Start starts a server on a database, which it migrates. env adds to the configuration, name and value in turn.
func Start(t testing.TB, databaseURL string, env ...string) *Server {
	t.Helper()
	return StartConfig(t, Config{DatabaseURL: databaseURL, Env: env})
}

// StartConfig is Start for a server that needs more than variables.
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
	s.URL = ServeOn(t, c.Listener, in.Handler).URL // which is closed first
	return s
}

// options are those of the server of a configuration.
func (s *Server) options(c Config) server.Options {
	s.t.Helper()
	o := Options(s.t, c.DatabaseURL, s.Log, c.Env...)
	o.Now, o.Schema, o.Playground, o.Demo, o.SMTPRoots, o.NewApp = s.Clock.Now, c.Schema, c.Playground, c.Demo, c.MailRoots, c.App
	return o
}

// Options are those that Start gives to a server, for the tests of Fieldgate itself.
func Options(t testing.TB, databaseURL string, log io.Writer, env ...string) server.Options {
	t.Helper()
	vars := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": Secret, "LOG_LEVEL": "debug"}
	for i := 0; i < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	if vars["LIMITS"] == "" && vars["ENV"] != "production" {
		vars["LIMITS"] = "off" // the tests of limits turn them on
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

// connections is 0, the default, unless the environment says otherwise.
func connections() int {
	n, _ := strconv.Atoi(os.Getenv(dbtest.ConnectionsEnv))
	return n
}

// Store is the server's database.
func (s *Server) Store() *models.Store { return s.internal.Store }

// Internal is the server behind its port: for Fieldgate's own tests, since a product cannot name its type. It is nil for
// a server in a process of its own.
func (s *Server) Internal() *server.Server { return s.internal }

// Listen opens a free port of this machine, for a server whose configuration names it.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ServeOn serves h on l, and closes both after the test.
func ServeOn(t testing.TB, l net.Listener, h http.Handler) *httptest.Server {
	t.Helper()
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

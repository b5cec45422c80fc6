package e2e

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/app"
	"fieldgate/extend"
	"fieldgate/internal/mailtest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// testServer is a test server with the helpers that several tests use.
type testServer struct {
	*servertest.Server
	internal *server.Server // the server itself; nil for a separate process
	t        testing.TB
	smtp     *mailtest.Server // receives its mails; nil: the inbox receives them, if there is one
}

// boot starts a server on an empty database. env holds names and values of environment variables in
// turn.
func boot(t testing.TB, databaseURL string, env ...string) *testServer {
	t.Helper()
	return bootConfig(t, servertest.Config{DatabaseURL: databaseURL, Env: env})
}

func bootConfig(t testing.TB, c servertest.Config) *testServer {
	t.Helper()
	if c.App == nil {
		c.App = withoutHooks
	}
	s := servertest.StartConfig(t, c)
	b := &testServer{Server: s, internal: s.Internal(), t: t}
	t.Cleanup(func() { b.checkStatements(t) })
	return b
}

// withoutHooks makes the product of app.New, with its tables and resolvers, and removes its hooks.
// Hooks may reject the users of these tests and add queries to those that tests count; the tests of
// the product cover them.
func withoutHooks(r *extend.Registry) (*app.App, error) {
	made, err := app.New(r)
	for i := range r.Features() {
		r.Features()[i].Hooks = extend.Hooks{}
	}
	return made, err
}

// bootWithSchema starts a server that enforces the rules of another schema; nil is the server's
// own.
func bootWithSchema(t testing.TB, schema *ast.Schema, databaseURL string, env ...string) *testServer {
	t.Helper()
	return bootConfig(t, servertest.Config{DatabaseURL: databaseURL, Env: env, Schema: schema})
}

// bootWithPlayground starts a server with these files as the built playground.
func bootWithPlayground(t testing.TB, l net.Listener, built fs.FS, env ...string) *testServer {
	t.Helper()
	return bootConfig(t, servertest.Config{Env: env, Listener: l, Playground: built})
}

// startProcess starts a server in a separate process, which a test may kill. The returned
// testServer can only send requests. Entries of env are NAME=VALUE.
func startProcess(t testing.TB, databaseURL string, env ...string) (*testServer, *os.Process) {
	t.Helper()
	return startServer(t, servertest.Command(t, databaseURL, env...))
}

// startServer starts a server command on a free port and kills it after the test.
func startServer(t testing.TB, cmd *exec.Cmd) (*testServer, *os.Process) {
	t.Helper()
	s, p := servertest.StartCommand(t, cmd, "serving")
	return &testServer{Server: s, t: t}, p
}

// get sends a GET request for a path.
func (b *testServer) get(path string) (status int, body string) {
	b.t.Helper()
	got := b.Get(path)
	return got.Status, got.Body
}

// addressCounter numbers the users of tests, so that each has a unique address.
var addressCounter atomic.Int64

// newRowID returns an id for a row that a test inserts into the database.
func newRowID() string { return uuid.Must(uuid.NewV7()).String() }

func sorted(list []string) []string { slices.Sort(list); return list }

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

// testServer is a server of a test, with what several of these tests do to one.
type testServer struct {
	*servertest.Server
	internal *server.Server // behind the port; nil for a process of its own
	t        testing.TB
	smtp     *mailtest.Server // takes its mail; nil: the inbox does, or nobody
}

// boot starts a server on an empty database. env adds to the configuration, name and value in turn.
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

// withoutHooks makes the product of app.New, with its tables and resolvers. Its hooks may refuse whom these tests register, and
// ask the database more than they count: the product tests those.
func withoutHooks(r *extend.Registry) (*app.App, error) {
	made, err := app.New(r)
	for i := range r.Features() {
		r.Features()[i].Hooks = extend.Hooks{}
	}
	return made, err
}

// bootWithSchema starts a server that enforces the rules of another schema; nil is its own.
func bootWithSchema(t testing.TB, schema *ast.Schema, databaseURL string, env ...string) *testServer {
	t.Helper()
	return bootConfig(t, servertest.Config{DatabaseURL: databaseURL, Env: env, Schema: schema})
}

// bootWithPlayground starts a server whose playground was built into these files.
func bootWithPlayground(t testing.TB, l net.Listener, built fs.FS, env ...string) *testServer {
	t.Helper()
	return bootConfig(t, servertest.Config{Env: env, Listener: l, Playground: built})
}

// startProcess starts a server in a process of its own, which a test may kill. The booted that it returns can
// only ask. env is NAME=VALUE.
func startProcess(t testing.TB, databaseURL string, env ...string) (*testServer, *os.Process) {
	t.Helper()
	return startServer(t, servertest.Command(t, databaseURL, env...))
}

// startServer starts a command that serves, on a free port, and kills it after the test.
func startServer(t testing.TB, cmd *exec.Cmd) (*testServer, *os.Process) {
	t.Helper()
	s, p := servertest.StartCommand(t, cmd, "serving")
	return &testServer{Server: s, t: t}, p
}

// get asks for a page.
func (b *testServer) get(path string) (status int, body string) {
	b.t.Helper()
	got := b.Get(path)
	return got.Status, got.Body
}

// addressCounter are counted, so that each has an address of their own.
var addressCounter atomic.Int64

// newRowID is an id for a row that a test puts into the database itself.
func newRowID() string { return uuid.Must(uuid.NewV7()).String() }

func sorted(list []string) []string { slices.Sort(list); return list }

//go:build failure && unix

package failure

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

// The failure suite: make failure
//
// What fails here are real processes: three nodes of Galera, HAProxy with deploy/haproxy-galera.cfg, a MariaDB, and the
// program that is deployed, in several processes. Clients that know what they were promised say what it was like.

// fleet is servers of one database, each a process of its own.
type fleet struct {
	t       *testing.T
	dir     string
	program string
	env     []string
	servers []*server
}

// server is one process after the other at the same address.
type server struct {
	*endpoint
	fleet   *fleet
	addr    string
	process *dbtest.Process
	starts  int
	name    string
	env     []string // beyond the fleet's
	program string
}

// newFleet builds the program that is deployed.
func newFleet(t *testing.T, databaseURL string, env ...string) *fleet {
	t.Helper()
	f := newEmptyFleet(t, databaseURL, append([]string{"BCRYPT_COST=10"}, env...)...)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", f.program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return f
}

// newFastHashFleet is servers that hash at the lowest cost, which the program that is deployed does not do.
func newFastHashFleet(t *testing.T, databaseURL string, env ...string) *fleet {
	t.Helper()
	f := newEmptyFleet(t, databaseURL, append([]string{servertest.AsProgram + "=1", servertest.CheapHashes + "=1"}, env...)...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.program, content, 0o755); err != nil { // where the other user may run it
		t.Fatal(err)
	}
	return f
}

func newEmptyFleet(t *testing.T, databaseURL string, env ...string) *fleet {
	t.Helper()
	dir := dbtest.Directory(t)
	return &fleet{t: t, dir: dir, program: filepath.Join(dir, "fieldgate"), env: append([]string{
		"DATABASE_URL=" + databaseURL, "JWT_SECRET=" + servertest.Secret, "LIMITS=off", "LOG_FORMAT=json",
		"PUBLIC_URL=http://localhost:8080", // whom tokens are from: the same for all
	}, env...)}
}

// eachDatabase is dbtest.Each, but that the file of SQLite is where another user's server can write it.
func eachDatabase(t *testing.T, f func(t *testing.T, databaseURL string)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		if strings.HasPrefix(databaseURL, "sqlite:") {
			dir := filepath.Join(dbtest.Directory(t), "data")
			if err := errors.Join(os.Mkdir(dir, 0o700), dbtest.ChownToServerUser(dir)); err != nil {
				t.Fatal(err)
			}
			databaseURL = "sqlite://" + filepath.Join(dir, "fieldgate.db")
		}
		f(t, databaseURL)
	})
}

// addServers starts several servers at once, and returns when all are ready.
func (f *fleet) addServers(count int) {
	f.t.Helper()
	f.addServersWithEnv(make([][]string, count)...)
}

// addServersWithEnv is add for servers that differ in their environment.
func (f *fleet) addServersWithEnv(envs ...[]string) {
	f.t.Helper()
	var fresh []*server
	for _, env := range envs {
		addr := fmt.Sprintf("127.0.0.1:%d", clustertest.FreePorts(f.t, 1))
		s := &server{endpoint: endpointAt("http://" + addr), fleet: f, addr: addr, name: fmt.Sprint(len(f.servers) + 1), env: env, program: f.program}
		f.servers, fresh = append(f.servers, s), append(fresh, s)
		s.launch()
	}
	for _, s := range fresh {
		s.waitReady()
	}
}

func (f *fleet) endpoints() (list []*endpoint) {
	for _, s := range f.servers {
		list = append(list, s.endpoint)
	}
	return list
}

func (s *server) launch() {
	t := s.fleet.t
	t.Helper()
	s.starts++
	dir := filepath.Join(s.fleet.dir, fmt.Sprintf("%s.%d", s.name, s.starts)) // with a log of its own
	env := slices.Concat(s.fleet.env, s.env, []string{"ADDR=" + s.addr})      // of a variable that is there twice, the last counts
	process, err := dbtest.StartProcess(dir, env, s.program)
	if err != nil {
		t.Fatal(err)
	}
	s.process = process
	t.Cleanup(process.Kill)
}

// restart starts a server that was killed or stopped, and returns when it is ready.
func (s *server) restart() {
	s.fleet.t.Helper()
	s.launch()
	s.waitReady()
}

func (s *server) waitReady() {
	t := s.fleet.t
	t.Helper()
	waitUntil(t, "server "+s.name+" is ready", func() bool {
		select {
		case <-s.process.Exited():
			t.Fatalf("server %s has ended: %v\n%s", s.name, s.process.Err(), s.process.LogTail())
		default:
		}
		return s.status("/readyz") == http.StatusOK
	})
}

// status returns the status of a page, or 0.
func (s *server) status(path string) int {
	response, err := http.Get(*s.url.Load() + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// stop tells a server to stop, which it must do with the status 0.
func (s *server) stop() {
	t := s.fleet.t
	t.Helper()
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Err(); err != nil {
		t.Errorf("a server that was told to stop: %v\n%s", err, s.process.LogTail())
	}
}

// logs are those of all processes.
func (f *fleet) logs() string {
	f.t.Helper()
	names, err := filepath.Glob(filepath.Join(f.dir, "*", "log"))
	if err != nil {
		f.t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		b.Write(content)
	}
	return b.String()
}

// registerAdmin gives the crowd somebody who may change roles.
func (c *clients) registerAdmin(databaseURL string) {
	c.t.Helper()
	m := c.register(0, c.prefix+"admin@example.com")
	if m == nil {
		c.t.Fatal(c.violations)
	}
	s := openStore(c.t, databaseURL)
	err := s.Transaction(c.t.Context(), func(tx *models.Store) error {
		r := tx.DB(c.t.Context()).Exec("UPDATE users SET role = 'ADMIN' WHERE id = ?", m.id)
		if r.Error == nil && r.RowsAffected != 1 {
			return errors.New("the administrator's row is not there")
		}
		return r.Error
	})
	if err := errors.Join(err, s.Close()); err != nil { // before somebody cuts the connection
		c.t.Fatal(err)
	}
	c.admin = m.token
}

// openStore is a way to the rows behind the servers' back. Like a server, it has a node of Galera wait for what the others
// have acknowledged: by itself that node lags behind.
func openStore(t *testing.T, databaseURL string) *models.Store {
	t.Helper()
	s, err := models.Open(databaseURL, models.Options{MaxConnections: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

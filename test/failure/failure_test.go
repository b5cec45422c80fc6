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
// It uses real processes: three nodes of Galera, HAProxy with deploy/haproxy-galera.cfg, a MariaDB,
// and several processes of the deployed program. Clients record what was acknowledged and check it.

// fleet is a set of servers of one database, each a separate process.
type fleet struct {
	t       *testing.T
	dir     string
	program string
	env     []string
	servers []*server
}

// server is a server that can be restarted at the same address.
type server struct {
	*endpoint
	fleet   *fleet
	addr    string
	process *dbtest.Process
	starts  int
	name    string
	env     []string // in addition to the fleet's
	program string
}

// newFleet builds the deployed program.
func newFleet(t *testing.T, databaseURL string, env ...string) *fleet {
	t.Helper()
	f := newEmptyFleet(t, databaseURL, append([]string{"BCRYPT_COST=10"}, env...)...)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", f.program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return f
}

// newFastHashFleet uses the test binary, which hashes at the lowest cost. The deployed program does
// not allow that cost.
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
	// Executable by the user that servers run as.
	if err := os.WriteFile(f.program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return f
}

func newEmptyFleet(t *testing.T, databaseURL string, env ...string) *fleet {
	t.Helper()
	dir := dbtest.Directory(t)
	return &fleet{t: t, dir: dir, program: filepath.Join(dir, "fieldgate"), env: append([]string{
		"DATABASE_URL=" + databaseURL, "JWT_SECRET=" + servertest.Secret, "LIMITS=off", "LOG_FORMAT=json",
		"PUBLIC_URL=http://localhost:8080", // the issuer of tokens, the same for all servers
	}, env...)}
}

// eachDatabase is like dbtest.Each, but places the SQLite file where the user that servers run as
// can write it.
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

// addServers starts servers at once and returns when all are ready.
func (f *fleet) addServers(count int) {
	f.t.Helper()
	f.addServersWithEnv(make([][]string, count)...)
}

// addServersWithEnv starts one server for each environment.
func (f *fleet) addServersWithEnv(envs ...[]string) {
	f.t.Helper()
	var added []*server
	for _, env := range envs {
		addr := fmt.Sprintf("127.0.0.1:%d", clustertest.FreePorts(f.t, 1))
		s := &server{endpoint: endpointAt("http://" + addr), fleet: f, addr: addr, name: fmt.Sprint(len(f.servers) + 1), env: env, program: f.program}
		f.servers, added = append(f.servers, s), append(added, s)
		s.launch()
	}
	for _, s := range added {
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
	// One directory and log per start.
	dir := filepath.Join(s.fleet.dir, fmt.Sprintf("%s.%d", s.name, s.starts))
	// The last value of a variable counts.
	env := slices.Concat(s.fleet.env, s.env, []string{"ADDR=" + s.addr})
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
			t.Fatalf("server %s has exited: %v\n%s", s.name, s.process.Err(), s.process.LogTail())
		default:
		}
		return s.status("/readyz") == http.StatusOK
	})
}

// status returns the status of a GET, or 0 without an answer.
func (s *server) status(path string) int {
	response, err := http.Get(*s.url.Load() + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// stop sends SIGTERM and checks that the server exits with status 0.
func (s *server) stop() {
	t := s.fleet.t
	t.Helper()
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Err(); err != nil {
		t.Errorf("server %s after SIGTERM: %v\n%s", s.name, err, s.process.LogTail())
	}
}

// logs returns the logs of all processes.
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

// registerAdmin registers the ADMIN that changes roles for the clients.
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
			return errors.New("the administrator's row is missing")
		}
		return r.Error
	})
	if err := errors.Join(err, s.Close()); err != nil { // before a test cuts the connection
		c.t.Fatal(err)
	}
	c.admin = m.token
}

// openStore connects to the database directly. Like a server, it makes a Galera node wait for
// writes acknowledged by others; without that a node lags behind.
func openStore(t *testing.T, databaseURL string) *models.Store {
	t.Helper()
	s, err := models.Open(databaseURL, models.Options{MaxConnections: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

package servertest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"fieldgate/internal/cli"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
)

// Environment variables of a test binary that runs as the program.
const (
	AsProgram      = "FIELDGATE_TEST_AS_PROGRAM"   // run as the program instead of running tests
	WithMigrations = "FIELDGATE_TEST_MIGRATIONS"   // a folder: the migrations of another version
	CheapHashes    = "FIELDGATE_TEST_CHEAP_HASHES" // hash passwords at the lowest cost
)

// Main runs the tests of a package; a TestMain should call it and nothing else. It stops the
// databases that the tests started, and lets the test binary run as the server in a separate
// process.
func Main(m *testing.M) {
	if os.Getenv(AsProgram) != "" {
		os.Exit(runAsProgram())
	}
	dbtest.Main(m)
}

// runAsProgram runs the program's main with settings for tests. A mail that was in flight when the
// process was killed is retried after 2 seconds.
func runAsProgram() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	console := cli.Process()
	tuned := console.Adjust
	console.Adjust = func(o *server.Options) {
		tuned(o)
		o.MailLease = 2 * time.Second
		if folder := os.Getenv(WithMigrations); folder != "" {
			o.Migrations = os.DirFS(folder)
		}
		o.Connections = connections()
		if os.Getenv(CheapHashes) != "" {
			o.Config.BcryptCost = Cost
		}
	}
	return cli.Main(ctx, console)
}

// Command returns a command that runs the program in a separate process. Append a subcommand to its
// Args, such as "user", "list"; without one it serves. It runs in an empty folder; entries of env
// are NAME=VALUE. The test's package needs a TestMain that calls Main.
func Command(t testing.TB, databaseURL string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = t.TempDir() // without a .env file
	cmd.Env = append(os.Environ(), AsProgram+"=1", "DATABASE_URL="+databaseURL, "BCRYPT_COST=10", "JWT_SECRET="+Secret)
	cmd.Env = append(cmd.Env, env...) // the last value of a variable wins
	return cmd
}

// StartProcess starts a server in a separate process, which a test may kill. The returned Server
// can only send requests; methods that use the server's internals do not work. Entries of env are
// NAME=VALUE.
func StartProcess(t testing.TB, databaseURL string, env ...string) (*Server, *os.Process) {
	t.Helper()
	return StartCommand(t, Command(t, databaseURL, env...), "serving")
}

// StartCommand starts a server command on a free port and kills it after the test. It returns when
// the server has logged message: "serving" waits until it answers requests.
func StartCommand(t testing.TB, cmd *exec.Cmd, message string) (*Server, *os.Process) {
	t.Helper()
	cmd.Env = append(cmd.Env, "ADDR=127.0.0.1:0", "LOG_FORMAT=json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the process may have exited already
		_ = cmd.Wait()
	})
	s := &Server{t: t, Log: &Log{}}
	for lines := bufio.NewScanner(io.TeeReader(stderr, s.Log)); lines.Scan(); {
		var line struct{ Msg, Listen string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if line.Msg == message {
			go func() { // drains the pipe
				for lines.Scan() {
				}
			}()
			s.URL = "http://" + line.Listen
			return s, cmd.Process
		}
	}
	t.Fatalf("the server exited before it logged %q:\n%s", message, s.Log)
	return nil, nil
}

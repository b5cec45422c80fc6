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

// What is set in the environment of a test binary that is to be the program itself.
const (
	AsProgram      = "FIELDGATE_TEST_AS_PROGRAM"
	WithMigrations = "FIELDGATE_TEST_MIGRATIONS"   // a folder: it is to be the program of another version
	CheapHashes    = "FIELDGATE_TEST_CHEAP_HASHES" // it is to hash at the lowest cost
)

// Main runs the tests of a package. It is all that a TestMain should do: it stops the databases that the tests started,
// and lets the test binary be the server in a process of its own.
func Main(m *testing.M) {
	if os.Getenv(AsProgram) != "" {
		os.Exit(runAsProgram())
	}
	dbtest.Main(m)
}

// runAsProgram is the program's main, but that a mail which was in flight at a kill is tried again after seconds, and for
// what else the tests need.
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

// Command is the program in a process of its own, which has not been started: add to its Args what it is to do, such as
// "user", "list". Without that it serves. It runs in an empty folder; env is NAME=VALUE. The test's package needs a TestMain
// that calls Main.
func Command(t testing.TB, databaseURL string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = t.TempDir() // where there is no .env
	cmd.Env = append(os.Environ(), AsProgram+"=1", "DATABASE_URL="+databaseURL, "BCRYPT_COST=10", "JWT_SECRET="+Secret)
	cmd.Env = append(cmd.Env, env...) // of a variable that is there twice, the last counts
	return cmd
}

// StartProcess starts a server in a process of its own, which a test may kill. The Server can only be asked. env is
// NAME=VALUE.
func StartProcess(t testing.TB, databaseURL string, env ...string) (*Server, *os.Process) {
	t.Helper()
	return StartCommand(t, Command(t, databaseURL, env...), "serving")
}

// StartCommand starts a command that serves, on a free port, and kills it after the test. It returns when the server has
// logged the message: "serving" if it is to answer.
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
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()
	})
	s := &Server{t: t, Log: &Log{}}
	for lines := bufio.NewScanner(io.TeeReader(stderr, s.Log)); lines.Scan(); {
		var line struct{ Msg, Listen string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if line.Msg == message {
			go func() { // so that the pipe does not fill up
				for lines.Scan() {
				}
			}()
			s.URL = "http://" + line.Listen
			return s, cmd.Process
		}
	}
	t.Fatalf("the server did not start:\n%s", s.Log)
	return nil, nil
}

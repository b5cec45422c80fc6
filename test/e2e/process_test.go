package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// asServer is set in the environment of a test binary that is to be the server itself, and withMigrations to a folder
// if it is to be one of another version.
const (
	asServer       = "FIELDGATE_TEST_AS_SERVER"
	withMigrations = "FIELDGATE_TEST_MIGRATIONS"
)

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		os.Exit(serveAsProcess())
	}
	dbtest.Main(m)
}

// cheapHashes is set in the environment of a server that is to hash at the lowest cost.
const cheapHashes = "FIELDGATE_TEST_CHEAP_HASHES"

// serveAsProcess is main, but that a mail which was in flight at a kill is tried again after seconds, and for what else
// the tests need.
func serveAsProcess() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, console{
		args: os.Args, lookup: os.LookupEnv, environ: os.Environ, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		adjust: func(s *settings) {
			s.mailLease = 2 * time.Second
			if folder := os.Getenv(withMigrations); folder != "" {
				s.migrations = os.DirFS(folder)
			}
			s.connections = testConnections()
			if os.Getenv(cheapHashes) != "" {
				s.BcryptCost = testCost
			}
		},
	})
}

// startProcess starts a server in a process of its own, which a test may kill. The booted that it returns can
// only ask. env is NAME=VALUE.
func startProcess(t testing.TB, databaseURL string, env ...string) (b *booted, p *os.Process) {
	t.Helper()
	return startServer(t, processOf(t, databaseURL, env...))
}

// processOf is the server as a command that has not been started.
func processOf(t testing.TB, databaseURL string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = t.TempDir() // where there is no .env
	cmd.Env = append(os.Environ(), asServer+"=1", "DATABASE_URL="+databaseURL, "BCRYPT_COST=10", "JWT_SECRET="+testSecret)
	cmd.Env = append(cmd.Env, env...) // of a variable that is there twice, the last counts
	return cmd
}

// startServer starts a command that serves, on a free port, and kills it after the test.
func startServer(t testing.TB, cmd *exec.Cmd) (b *booted, p *os.Process) {
	t.Helper()
	return startServerUntil(t, cmd, "serving")
}

// startServerUntil is startServer for one that need not serve yet: it is as far as it says with msg.
func startServerUntil(t testing.TB, cmd *exec.Cmd, msg string) (b *booted, p *os.Process) {
	t.Helper()
	cmd.Env = append(cmd.Env, "ADDR=127.0.0.1:0", "LOG_FORMAT=json")
	log, err := cmd.StderrPipe()
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
	b = &booted{t: t, log: &buffer{}}
	for lines := bufio.NewScanner(io.TeeReader(log, b.log)); lines.Scan(); {
		var line struct{ Msg, Listen string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if line.Msg == msg {
			go func() { // so that the pipe does not fill up
				for lines.Scan() {
				}
			}()
			b.url = "http://" + line.Listen
			return b, cmd.Process
		}
	}
	t.Fatalf("the server did not start:\n%s", b.log)
	return nil, nil
}

func kill(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

// ageSessions makes every refresh token old enough to be replaced.
func ageSessions(t *testing.T, databaseURL string) {
	t.Helper()
	before := time.Now().UTC().Add(-6 * time.Second).Format("2006-01-02 15:04:05.000") // as both databases keep it
	_, err := openDatabase(t, databaseURL).ExecContext(t.Context(),
		"UPDATE sessions SET created_at = ?, rotated_at = CASE WHEN rotated_at IS NULL THEN NULL ELSE ? END", before, before)
	if err != nil {
		t.Fatal(err)
	}
}

// What was answered is there after a kill -9 right behind the answer.
func TestAnsweredChangesSurviveAKill(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		const register = `mutation { register(input: {name: "Ada", email: "ada@example.com", password: "` + goodPassword + `", delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`
		const login = `mutation($p: String!) { login(input: {email: "ada@example.com", password: $p}) { user { id } } }`
		b, process := startProcess(t, databaseURL)
		got := b.ask(nil, register).must()
		ada := &person{id: got.text("register.user.id"), email: "ada@example.com", password: goodPassword, token: got.text("register.accessToken")}
		kill(t, process)

		b, process = startProcess(t, databaseURL)
		if !b.signedIn(ada) {
			t.Fatal("the registration is lost")
		}
		family := b.newDevice(ada, false)
		newest := family.refresh
		for range 2 {
			ageSessions(t, databaseURL)
			newest = b.refreshed(newest)
		}
		wantCodes(t, b.ask(nil, refreshInBody, "t", family.refresh), "refresh INVALID_TOKEN")
		kill(t, process)

		b, process = startProcess(t, databaseURL)
		if b.signedIn(family.person) {
			t.Error("the family's end is lost")
		}
		wantCodes(t, b.ask(nil, refreshInBody, "t", newest), "refresh INVALID_TOKEN")
		other := b.newDevice(ada, false)
		b.ask(ada, `mutation($c: String!) { changePassword(input: {currentPassword: $c, newPassword: "another good password"}) }`, "c", goodPassword).must()
		kill(t, process)

		b, _ = startProcess(t, databaseURL)
		if b.signedIn(other.person) || !b.signedIn(ada) {
			t.Error("the end of the other sessions is lost, or more than that has ended")
		}
		if codes := b.ask(nil, login, "p", goodPassword).codes(); !slices.Equal(codes, []string{"login INVALID_CREDENTIALS"}) {
			t.Errorf("the old password: %q", codes)
		}
		b.ask(nil, login, "p", "another good password").must()
	})
}

// A server that is told to stop ends with the status 0.
func TestProcessEndsWhenToldTo(t *testing.T) {
	t.Parallel()
	_, p := startProcess(t, dbtest.SQLite(t))
	if err := p.Signal(os.Interrupt); err != nil {
		dbtest.LeftOut(t, "a signal to another process", "not on this system: "+err.Error())
	}
	state, err := p.Wait()
	if err != nil || state.ExitCode() != 0 {
		t.Errorf("%v, %v", state, err)
	}
}

package dbtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// The keeper is a second process of the test program that runs MariaDB for the
// first one. It is there for the ends that no code of the first sees: a panic in
// a test, a test timeout, os.Exit, a kill. Its standard input is a pipe that
// nobody writes to; however the tests end, the pipe ends with them, and the
// keeper stops MariaDB and removes its directory.
//
// It shares the tests' standard error, so whoever started them and reads that to
// its end, as "go test" does, goes on when the keeper is done as well.

// supervisorEnv turns a start of the test program into a keeper, of what its value names.
const (
	supervisorEnv = "FIELDGATE_DBTEST_KEEPER"
	taskMariaDB   = "MariaDB"
	taskDirectory = "a directory"
)

// startTimeout is for a machine whose cores are all busy with compiling; an
// idle one takes a second.
const startTimeout = 90 * time.Second

// supervisor is the tests' side of it.
type supervisor struct {
	addr  string // where its MariaDB listens, or the directory
	cmd   *exec.Cmd
	alive io.Closer // the pipe
}

// startReport is what a keeper says, once.
type startReport struct {
	Addr string
	Err  string
}

func startMariaDBSupervisor() (*supervisor, error) {
	if _, err := findMariaDB(); err != nil {
		return nil, err
	}
	return startSupervisor(taskMariaDB)
}

func startSupervisor(what string) (*supervisor, error) {
	// The keeper is this program once more. Without Main at its start it would
	// run the tests again instead, which would start a keeper, and so on.
	if !shared.mainRuns.Load() {
		return nil, errors.New("this package needs: func TestMain(m *testing.M) { dbtest.Main(m) }")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), supervisorEnv+"="+what,
		"GORACE=atexit_sleep_ms=0") // or the race detector makes its end last a second
	cmd.Stderr = os.Stderr
	setProcessGroup(cmd) // Ctrl-C is for the tests; the keeper then cleans up after them
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	k := &supervisor{cmd: cmd, alive: alive}
	var hello startReport
	if err := json.NewDecoder(stdout).Decode(&hello); err != nil {
		return nil, errors.Join(fmt.Errorf("the keeper of %s said nothing: %w", what, err), k.stop())
	}
	if hello.Err != "" {
		return nil, errors.Join(errors.New(hello.Err), k.stop())
	}
	k.addr = hello.Addr
	return k, nil
}

// stop returns when MariaDB has stopped and its directory is gone.
func (k *supervisor) stop() error {
	if err := k.alive.Close(); err != nil {
		return err
	}
	if err := k.cmd.Wait(); err != nil {
		return fmt.Errorf("the keeper: %w", err)
	}
	return nil
}

// supervise is the keeper's main function; it returns the exit status.
func supervise() int {
	// A write to a reader that has died must be an error here and not the end
	// of the keeper. Notify and not Ignore: Ignore is inherited by children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	keepIt := superviseMariaDB
	if os.Getenv(supervisorEnv) == taskDirectory {
		keepIt = superviseDirectory
	}
	if err := keepIt(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		return 1
	}
	return 0
}

// superviseMariaDB runs a server until ctx ends. That it could not be started is
// told to the tests, and no error here.
func superviseMariaDB(ctx context.Context) (err error) {
	hello := json.NewEncoder(os.Stdout)
	dir, err := shortTempDir()
	if err != nil {
		return hello.Encode(startReport{Err: err.Error()})
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()

	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	db, err := startMariaDB(starting, dir, freePort)
	if err != nil {
		return hello.Encode(startReport{Err: err.Error()})
	}
	defer db.Kill()
	if err := hello.Encode(startReport{Addr: db.addr}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-db.exited:
		// The tests see refused connections; this is the reason.
		return fmt.Errorf("mariadbd ended in the middle of the tests:\n%s", db.LogTail())
	}
}

// superviseDirectory removes a directory when ctx ends.
func superviseDirectory(ctx context.Context) error {
	hello := json.NewEncoder(os.Stdout)
	dir, err := shortTempDir()
	if err == nil {
		err = os.Chmod(dir, 0o755) // other users' servers live below it
	}
	if err != nil {
		return hello.Encode(startReport{Err: err.Error()})
	}
	if err := hello.Encode(startReport{Addr: dir}); err != nil {
		return errors.Join(err, removeAll(dir))
	}
	<-ctx.Done()
	return removeAll(dir)
}

// removeAll is os.RemoveAll for a directory whose last writer has been killed a
// moment ago: until the system has taken it down, a file can still be made in
// the directory, and on Windows an open one cannot be removed.
func removeAll(dir string) error {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.RemoveAll(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-retry.C
	}
}

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

// The supervisor is a second process of the test program. It runs MariaDB for the first, and cleans
// up when the first ends in a way that its own code cannot handle: a panic in a test, a test
// timeout, os.Exit, a kill. The supervisor's standard input is a pipe without a writer. However the
// tests end, the pipe closes; the supervisor then stops MariaDB and removes its directory.
//
// It shares the tests' standard error. A parent that reads that to its end, such as "go test",
// therefore waits for the supervisor too.

// supervisorEnv turns the test program into a supervisor. Its value is the task.
const (
	supervisorEnv = "FIELDGATE_DBTEST_KEEPER"
	taskMariaDB   = "MariaDB"
	taskDirectory = "a directory"
)

// startTimeout is for a machine whose cores are all busy compiling; an idle one takes a second.
const startTimeout = 90 * time.Second

// supervisor is the tests' handle of the supervisor process.
type supervisor struct {
	addr  string // address of its MariaDB, or path of its directory
	cmd   *exec.Cmd
	alive io.Closer // closing this pipe stops the supervisor
}

// startReport is the only message from a supervisor.
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
	// The supervisor is this program again. If Main did not run first, it would run the tests
	// again, which would start another supervisor, and so on.
	if !shared.mainStarted.Load() {
		return nil, errors.New("this package needs: func TestMain(m *testing.M) { dbtest.Main(m) }")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), supervisorEnv+"="+what,
		"GORACE=atexit_sleep_ms=0") // otherwise its exit takes a second under the race detector
	cmd.Stderr = os.Stderr
	setProcessGroup(cmd) // Ctrl-C reaches only the tests; the supervisor cleans up after them
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
	sup := &supervisor{cmd: cmd, alive: alive}
	var report startReport
	if err := json.NewDecoder(stdout).Decode(&report); err != nil {
		return nil, errors.Join(fmt.Errorf("the supervisor of %s did not report: %w", what, err), sup.stop())
	}
	if report.Err != "" {
		return nil, errors.Join(errors.New(report.Err), sup.stop())
	}
	sup.addr = report.Addr
	return sup, nil
}

// stop returns when MariaDB has stopped and its directory is removed.
func (sup *supervisor) stop() error {
	if err := sup.alive.Close(); err != nil {
		return err
	}
	if err := sup.cmd.Wait(); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	return nil
}

// supervise is the main function of the supervisor. It returns the exit status.
func supervise() int {
	// A write to a closed pipe must return an error instead of ending the supervisor. Notify
	// instead of Ignore, which children would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	run := superviseMariaDB
	if os.Getenv(supervisorEnv) == taskDirectory {
		run = superviseDirectory
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		return 1
	}
	return 0
}

// superviseMariaDB runs a server until ctx ends. A failed start is reported to the tests and is not
// an error here.
func superviseMariaDB(ctx context.Context) (err error) {
	report := json.NewEncoder(os.Stdout)
	dir, err := shortTempDir()
	if err != nil {
		return report.Encode(startReport{Err: err.Error()})
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()

	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	db, err := startMariaDB(starting, dir, freePort)
	if err != nil {
		return report.Encode(startReport{Err: err.Error()})
	}
	defer db.Kill()
	if err := report.Encode(startReport{Addr: db.addr}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-db.exited:
		// The tests only see refused connections; this is the reason.
		return fmt.Errorf("mariadbd ended during the tests:\n%s", db.LogTail())
	}
}

// superviseDirectory removes a directory when ctx ends.
func superviseDirectory(ctx context.Context) error {
	report := json.NewEncoder(os.Stdout)
	dir, err := shortTempDir()
	if err == nil {
		err = os.Chmod(dir, 0o755) // servers of other users run below it
	}
	if err != nil {
		return report.Encode(startReport{Err: err.Error()})
	}
	if err := report.Encode(startReport{Addr: dir}); err != nil {
		return errors.Join(err, removeAll(dir))
	}
	<-ctx.Done()
	return removeAll(dir)
}

// removeAll is os.RemoveAll with retries, for a directory whose last writer was just killed: until
// the process is gone it can still create files, and Windows does not remove open files.
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

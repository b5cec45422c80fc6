package dbtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Process is a server that a test runs: as the server user, in its own process group, with its
// output in a file. It dies with the process that started it (on Linux, whatever ends that).
type Process struct {
	cmd     *exec.Cmd
	log     string
	exited  chan struct{} // closed when the process is gone
	waitErr error         // valid after exited is closed
}

// Directory creates a directory for servers: with a short path, and accessible to the server user.
// It is removed after the test, or when the test process ends for any reason.
func Directory(tb testing.TB) string {
	tb.Helper()
	sup, err := startSupervisor(taskDirectory)
	if err != nil {
		tb.Fatal("dbtest: ", err)
	}
	tb.Cleanup(func() {
		if err := sup.stop(); err != nil {
			tb.Error("dbtest: ", err)
		}
	})
	return sup.addr
}

// StartProcess starts a program in dir, creating dir if needed and giving it to the server user.
// The program's output goes to the file "log" there. env holds NAME=VALUE pairs to add to the
// environment of the test.
func StartProcess(dir string, env []string, name string, args ...string) (*Process, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := ChownToServerUser(dir); err != nil {
		return nil, err
	}
	cmd, closeLog, err := prepareCommand(context.Background(), dir, name, args...)
	if err != nil {
		return nil, err
	}
	defer closeLog()
	cmd.Env = append(os.Environ(), env...)
	return startCommand(cmd, dir)
}

// startCommand starts a command from prepareCommand and waits for its end in the background.
func startCommand(cmd *exec.Cmd, dir string) (*Process, error) {
	p := &Process{cmd: cmd, log: filepath.Join(dir, "log"), exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux, Pdeathsig kills the child when the parent *thread* ends, and Go ends threads
		// now and then. This goroutine stays locked to its thread as long as the child lives.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.waitErr = p.cmd.Wait()
			close(p.exited)
		}
	}()
	return p, <-started
}

// Exited returns a channel that is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err waits for the process to end and returns the error of exec.Cmd.Wait.
func (p *Process) Err() error {
	<-p.exited
	return p.waitErr
}

// Kill kills the process and its children, and returns when the process is gone.
func (p *Process) Kill() {
	select {
	case <-p.exited: // the process id may already be reused
	default:
		_ = killGroup(p.cmd)
		<-p.exited
	}
}

// ID returns the process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Log returns the path of the log file.
func (p *Process) Log() string { return p.log }

// LogTail returns the end of the log, which has the reason of a failure.
func (p *Process) LogTail() string { return logTail(filepath.Dir(p.log)) }

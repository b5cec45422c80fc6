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

// Process is a server that a test runs: as a user that may run it, in a process group of its own, with its output
// in a file, and dying with the process that has started it (on Linux, however that ends).
type Process struct {
	cmd     *exec.Cmd
	log     string
	exited  chan struct{} // closed when the process is gone
	waitErr error         // readable then
}

// Directory makes a directory in which servers can live: with a short path, and open to the user that they run as. It is
// removed after the test, or when the test process is gone, however it ends.
func Directory(tb testing.TB) string {
	tb.Helper()
	k, err := startSupervisor(taskDirectory)
	if err != nil {
		tb.Fatal("dbtest: ", err)
	}
	tb.Cleanup(func() {
		if err := k.stop(); err != nil {
			tb.Error("dbtest: ", err)
		}
	})
	return k.addr
}

// StartProcess starts a program in dir, which is made if it is not there and given to the user that servers run as.
// What it writes is in the file "log" there, from its start on. env is NAME=VALUE, beside the environment of the test.
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

// startCommand starts a command that command has prepared, and watches it.
func startCommand(cmd *exec.Cmd, dir string) (*Process, error) {
	p := &Process{cmd: cmd, log: filepath.Join(dir, "log"), exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux a child that is to die with its parent dies with the parent's
		// *thread*, and Go ends a thread now and then. So this one stays locked
		// to a goroutine that lives as long as the child.
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

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err is how the process has ended, as exec.Cmd.Wait says it, once Exited is closed.
func (p *Process) Err() error {
	<-p.exited
	return p.waitErr
}

// Kill kills the process and its children, and returns when it is gone.
func (p *Process) Kill() {
	select {
	case <-p.exited: // and its process id may be another process by now
	default:
		_ = killGroup(p.cmd)
		<-p.exited
	}
}

// ID is the process's.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Log is the name of the file with what the process writes.
func (p *Process) Log() string { return p.log }

// LogTail is the end of what the process has written, where the reason of a failure stands.
func (p *Process) LogTail() string { return logTail(filepath.Dir(p.log)) }

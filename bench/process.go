package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a running server with its child processes.
type process struct {
	cmd           *exec.Cmd
	log           string // the path of its log file
	startDuration time.Duration
	exited        chan struct{}
}

// startTimeout is long enough for a busy machine.
const startTimeout = time.Minute

// startProcess starts a command and waits until ready returns nil. The process records how long
// that took.
func startProcess(ctx context.Context, cmd *exec.Cmd, log string, ready func(context.Context) error) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has its own descriptor
	cmd.Stdout, cmd.Stderr = file, file
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the log has the reason
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.waitReady(ctx, ready); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, p.logTail())
	}
	p.startDuration = time.Since(begin)
	return p, nil
}

func (p *process) waitReady(ctx context.Context, ready func(context.Context) error) error {
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.exited:
			return errors.New("the process exited before it answered")
		case <-ctx.Done():
			return fmt.Errorf("no response in %s: %w", startTimeout, err)
		}
	}
}

// stop kills the process. Workers of node:cluster end with their parent.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // the process may have exited already
	<-p.exited
}

// logTail returns the end of the log, at most 4 KiB.
func (p *process) logTail() string {
	file, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > 4<<10 {
		_, _ = file.Seek(-4<<10, io.SeekEnd)
	}
	text, _ := io.ReadAll(file)
	return string(text)
}

// usage is the CPU time that a process and its descendants have used, and their current memory.
type usage struct {
	processor time.Duration
	memory    int64 // resident bytes; shared memory counts once
}

func (p *process) usage() (usage, error) { return usageOf(p.cmd.Process.Pid) }

func usageOf(pid int) (u usage, err error) {
	if u.processor, err = processorTime(pid); err != nil {
		return u, err
	}
	if u.memory, err = residentMemory(pid); err != nil {
		return u, err
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return u, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has exited
		}
		if err != nil {
			return u, err
		}
		for child := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				return u, err
			}
			more, err := usageOf(n)
			if err != nil {
				return u, err
			}
			u.processor += more.processor
			u.memory += more.memory
		}
	}
	return u, nil
}

// clockTick is the unit of times in /proc/PID/stat: sysconf(_SC_CLK_TCK), which is 100 on every
// Linux.
const clockTick = time.Second / 100

// processorTime returns utime and stime of all threads, fields 14 and 15 (proc_pid_stat(5)).
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses, which may contain spaces and
	// parentheses.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const utime = 14 - 3
	if len(fields) < utime+2 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[utime+1], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// residentMemory returns the proportional set size in bytes.
func residentMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kB << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/smaps_rollup has no Pss", pid)
}

// freeAddr returns a free address of the loopback interface.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// loadResult is what wrk saw.
type loadResult struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
}

func (l loadResult) perSecond() float64 { return float64(l.requests) / l.took.Seconds() }

// loadRequest is one who asks, and the answer that they have to get, to the byte.
type loadRequest struct{ token, want string }

//go:embed load.lua
var loadScript []byte

// loadTool is wrk with its script.
type loadTool struct {
	wrk, script, dir string
	connections      int
}

func newLoadTool(dir string, connections int) (*loadTool, error) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return nil, fmt.Errorf("%w: apt-get install wrk, or brew install wrk", err)
	}
	t := &loadTool{wrk: wrk, script: filepath.Join(dir, "load.lua"), dir: dir, connections: connections}
	return t, os.WriteFile(t.script, loadScript, 0o600)
}

// run posts body to url over all connections, each as the next one of asks in turn, as fast as it is answered. One
// answer that is not what it has to be is an error. Where not even one comes in time, it takes longer.
func (t *loadTool) run(ctx context.Context, url, body string, asks []loadRequest, lasts time.Duration) (l loadResult, err error) {
	for ; l.requests == 0 && err == nil && lasts < startTimeout; lasts *= 2 {
		l, err = t.runOnce(ctx, url, body, asks, lasts)
	}
	if err == nil && l.requests == 0 {
		err = fmt.Errorf("%s answers nothing", url)
	}
	return l, err
}

func (t *loadTool) runOnce(ctx context.Context, url, body string, asks []loadRequest, lasts time.Duration) (l loadResult, err error) {
	work := filepath.Join(t.dir, "work.lua")
	if err := os.WriteFile(work, t.luaInput(body, asks), 0o600); err != nil {
		return l, err
	}
	threads := t.connections
	if len(asks) == 1 { // any answer is the one to any request: no thread more than there are processors
		threads = min(threads, runtime.NumCPU())
	}
	cmd := exec.CommandContext(ctx, t.wrk, "-t", fmt.Sprint(threads), "-c", fmt.Sprint(t.connections), "-d", fmt.Sprintf("%.0fs", math.Ceil(lasts.Seconds())), "--timeout", "30s",
		"-s", t.script, url, "--", work)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return l, fmt.Errorf("wrk: %w", err)
	}
	// It counts in whole seconds, and stops early and in order when it is interrupted, unless it has not begun by then.
	early := time.AfterFunc(lasts, func() { _ = cmd.Process.Signal(os.Interrupt) })
	err = cmd.Wait()
	inTime := early.Stop()
	_, result, done := strings.Cut(out.String(), "RESULT ")
	switch {
	case !done && !inTime && ctx.Err() == nil:
		return l, nil
	case err != nil:
		return l, fmt.Errorf("wrk: %w\n%s", err, out.String())
	}
	var micros, p50, p99, wrong, broken int64
	if _, err := fmt.Sscan(result, &l.requests, &micros, &p50, &p99, &wrong, &broken); err != nil {
		return l, fmt.Errorf("wrk: %w\n%s", err, out.String())
	}
	if wrong > 0 || broken > 0 {
		return l, fmt.Errorf("%s: of %d answers %d were wrong, and %d connections broke: %s", url, l.requests, wrong, broken, result)
	}
	l.took, l.p50, l.p99 = time.Duration(micros)*time.Microsecond, time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	return l, nil
}

// luaInput is the file that the script reads.
func (t *loadTool) luaInput(body string, asks []loadRequest) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "return { connections = %d, body = %s, asks = {\n", t.connections, luaString(body))
	for _, a := range asks {
		fmt.Fprintf(&b, "{ token = %s, want = %s },\n", luaString(a.token), luaString(a.want))
	}
	b.WriteString("} }\n")
	return b.Bytes()
}

// luaString writes a text as Lua reads it. The newline that it drops behind the bracket is one more than there was.
func luaString(text string) string { return "[===[\n" + text + "]===]" }

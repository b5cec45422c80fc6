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

// loadResult is the result of a run of wrk.
type loadResult struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
}

func (l loadResult) perSecond() float64 { return float64(l.requests) / l.took.Seconds() }

// loadRequest is a request with an access token, and the expected response, to the byte.
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

// run posts body to url over all connections as fast as responses arrive, with the tokens of
// requests in turn. A response that differs from the expected one is an error. If no response
// arrives in time, run doubles the duration.
func (t *loadTool) run(ctx context.Context, url, body string, requests []loadRequest, lasts time.Duration) (l loadResult, err error) {
	for ; l.requests == 0 && err == nil && lasts < startTimeout; lasts *= 2 {
		l, err = t.runOnce(ctx, url, body, requests, lasts)
	}
	if err == nil && l.requests == 0 {
		err = fmt.Errorf("%s does not answer", url)
	}
	return l, err
}

func (t *loadTool) runOnce(ctx context.Context, url, body string, requests []loadRequest, lasts time.Duration) (l loadResult, err error) {
	work := filepath.Join(t.dir, "work.lua")
	if err := os.WriteFile(work, t.luaInput(body, requests), 0o600); err != nil {
		return l, err
	}
	threads := t.connections
	if len(requests) == 1 { // all responses are equal, so a thread can have several connections
		threads = min(threads, runtime.NumCPU())
	}
	cmd := exec.CommandContext(ctx, t.wrk, "-t", fmt.Sprint(threads), "-c", fmt.Sprint(t.connections),
		"-d", fmt.Sprintf("%.0fs", math.Ceil(lasts.Seconds())), "--timeout", "30s", "-s", t.script, url, "--", work)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return l, fmt.Errorf("wrk: %w", err)
	}
	// wrk takes whole seconds. An interrupt stops it early and cleanly, unless it has not started
	// the load yet.
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
		return l, fmt.Errorf("%s: %d of %d responses were wrong, %d connections failed: %s", url, wrong, l.requests, broken, result)
	}
	l.took = time.Duration(micros) * time.Microsecond
	l.p50, l.p99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	return l, nil
}

// luaInput returns the file that the script reads.
func (t *loadTool) luaInput(body string, requests []loadRequest) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "return { connections = %d, body = %s, requests = {\n", t.connections, luaString(body))
	for _, a := range requests {
		fmt.Fprintf(&b, "{ token = %s, want = %s },\n", luaString(a.token), luaString(a.want))
	}
	b.WriteString("} }\n")
	return b.Bytes()
}

// luaString returns a Lua string literal. Lua drops the newline after the opening bracket, which is
// not part of the text.
func luaString(text string) string { return "[===[\n" + text + "]===]" }

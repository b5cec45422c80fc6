//go:build unix

package clustertest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// namedServer answers each line with its name and the line.
func namedServer(t *testing.T, name string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					_, _ = io.WriteString(c, name+" "+lines.Text()+"\n")
				}
			}()
		}
	}()
	return l.Addr().String()
}

type caller struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func call(t *testing.T, f *Forwarder) *caller {
	t.Helper()
	c, err := net.DialTimeout("tcp", f.Addr(), 5*time.Second)
	noError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &caller{t, c, bufio.NewReader(c)}
}

func (c *caller) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	noError(c.t, err)
}

func (c *caller) hear(within time.Duration) (string, error) {
	noError(c.t, c.SetReadDeadline(time.Now().Add(within)))
	line, err := c.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (c *caller) wantHears(want string) {
	c.t.Helper()
	if got, err := c.hear(5 * time.Second); got != want {
		c.t.Errorf("hears %q (%v), want %q", got, err, want)
	}
}

func (c *caller) wantSilence() {
	c.t.Helper()
	if got, err := c.hear(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("hears %q (%v), want silence", got, err)
	}
}

func TestForwarderMovesOnlyNewConnections(t *testing.T) {
	t.Parallel()
	one, two := namedServer(t, "one"), namedServer(t, "two")
	f := Forward(t, one)
	old := call(t, f)
	old.say("a")
	old.wantHears("one a")
	f.SetTargets(two)
	young := call(t, f)
	young.say("b")
	young.wantHears("two b")
	old.say("c")
	old.wantHears("one c")
	if f.Connections(one) != 1 || f.Connections(two) != 1 {
		t.Errorf("%d and %d connections, want one each", f.Connections(one), f.Connections(two))
	}

	f.SetTargets(one, two)
	for _, want := range []string{"one", "two", "one", "two"} {
		c := call(t, f)
		c.say("d")
		c.wantHears(want + " d")
	}
	f.SetTargets()
	c, err := net.Dial("tcp", f.Addr()) // the reset may be quicker
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("without a target: %v, want a reset connection", err)
	}
}

func TestForwarderCutsConnections(t *testing.T) {
	t.Parallel()
	one := namedServer(t, "one")
	f := Forward(t, one)
	var callers []*caller
	for range 3 {
		c := call(t, f)
		c.say("a")
		c.wantHears("one a")
		callers = append(callers, c)
	}
	f.CutAllBut(1, one)
	alive := 0
	for _, c := range callers {
		if _, err := io.WriteString(c, "b\n"); err != nil {
			continue
		}
		if got, err := c.hear(5 * time.Second); err == nil && got == "one b" {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d connections answer, want 1", alive)
	}
	f.Cut()
	if f.Connections(one) != 0 {
		t.Errorf("%d connections are left", f.Connections(one))
	}
}

func TestForwarderPassesTheEndOfAStream(t *testing.T) {
	t.Parallel()
	f := Forward(t, namedServer(t, "one"))
	c := call(t, f)
	c.say("last words")
	noError(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.wantHears("one last words")
	if _, err := c.hear(5 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want EOF", err)
	}
}

func TestForwarderSwallowsPacketsUntilFlow(t *testing.T) {
	t.Parallel()
	one := namedServer(t, "one")
	for name, kind := range map[string]Hole{"after accept": HoleAfterAccept, "before accept": HoleBeforeAccept, "established": HoleEstablished} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Forward(t, one)
			for range 2 { // it may happen again
				old := call(t, f)
				old.say("a")
				old.wantHears("one a")
				f.Swallow(kind)
				old.say("b")
				old.wantSilence()
				switch kind {
				case HoleEstablished:
					c := call(t, f)
					c.say("c")
					c.wantHears("one c")
				case HoleAfterAccept:
					c := call(t, f)
					c.say("c")
					c.wantSilence()
				case HoleBeforeAccept:
					_, err := net.DialTimeout("tcp", f.Addr(), 100*time.Millisecond)
					if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
						t.Errorf("a new connection: %v, want no answer", err)
					}
				}
				f.Flow()
				old.wantHears("one b")
				c := call(t, f)
				c.say("d")
				c.wantHears("one d")
			}
		})
	}
}

func TestForwarderSwallowsTheEndsOfConnections(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	f := Forward(t, l.Addr().String())
	c := call(t, f)
	server, err := l.Accept()
	noError(t, err)
	f.Swallow(HoleEstablished)
	noError(t, server.(*net.TCPConn).SetLinger(0))
	noError(t, server.Close())
	c.wantSilence()
	f.Flow()
	if _, err := c.hear(5 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset connection", err)
	}
}

func TestForwarderDelaysEachDirection(t *testing.T) {
	t.Parallel()
	for name, delay := range map[string][2]time.Duration{
		"to the server": {80 * time.Millisecond, 0}, "to the client": {0, 80 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Forward(t, namedServer(t, "one"))
			c := call(t, f)
			c.say("a")
			c.wantHears("one a")
			f.SetDelay(delay[0], delay[1])
			begin := time.Now()
			c.say("b")
			c.say("c")
			c.wantHears("one b")
			c.wantHears("one c")
			if took := time.Since(begin); took < 80*time.Millisecond {
				t.Errorf("two packets took %s", took)
			}
		})
	}
}

func TestForwarderLeavesNoGoroutines(t *testing.T) {
	one := namedServer(t, "one")
	before := runtime.NumGoroutine()
	t.Run("with a hole that is never closed", func(t *testing.T) {
		f := Forward(t, one)
		c := call(t, f)
		c.say("a")
		c.wantHears("one a")
		f.Swallow(HoleBeforeAccept)
		c.say("b")
	})
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buffer := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, were %d\n%s", runtime.NumGoroutine(), before, buffer[:runtime.Stack(buffer, true)])
		}
		runtime.Gosched()
	}
}

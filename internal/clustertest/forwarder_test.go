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

// startEchoServer starts a server that answers each line with its name and the line.
func startEchoServer(t *testing.T, name string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	requireNoError(t, err)
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

type testClient struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, f *Forwarder) *testClient {
	t.Helper()
	c, err := net.DialTimeout("tcp", f.Addr(), 5*time.Second)
	requireNoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &testClient{t, c, bufio.NewReader(c)}
}

func (c *testClient) send(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	requireNoError(c.t, err)
}

func (c *testClient) receive(within time.Duration) (string, error) {
	requireNoError(c.t, c.SetReadDeadline(time.Now().Add(within)))
	line, err := c.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (c *testClient) wantReceives(want string) {
	c.t.Helper()
	if got, err := c.receive(5 * time.Second); got != want {
		c.t.Errorf("received %q (%v), want %q", got, err, want)
	}
}

func (c *testClient) wantSilence() {
	c.t.Helper()
	if got, err := c.receive(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("received %q (%v), want nothing", got, err)
	}
}

func TestForwarderMovesOnlyNewConnections(t *testing.T) {
	t.Parallel()
	one, two := startEchoServer(t, "one"), startEchoServer(t, "two")
	f := Forward(t, one)
	old := dial(t, f)
	old.send("a")
	old.wantReceives("one a")
	f.SetTargets(two)
	current := dial(t, f)
	current.send("b")
	current.wantReceives("two b")
	old.send("c")
	old.wantReceives("one c")
	if f.Connections(one) != 1 || f.Connections(two) != 1 {
		t.Errorf("%d and %d connections, want one each", f.Connections(one), f.Connections(two))
	}

	f.SetTargets(one, two)
	for _, want := range []string{"one", "two", "one", "two"} {
		c := dial(t, f)
		c.send("d")
		c.wantReceives(want + " d")
	}
	f.SetTargets()
	c, err := net.Dial("tcp", f.Addr()) // the reset may come first
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
	one := startEchoServer(t, "one")
	f := Forward(t, one)
	var callers []*testClient
	for range 3 {
		c := dial(t, f)
		c.send("a")
		c.wantReceives("one a")
		callers = append(callers, c)
	}
	f.CutAllBut(1, one)
	alive := 0
	for _, c := range callers {
		if _, err := io.WriteString(c, "b\n"); err != nil {
			continue
		}
		if got, err := c.receive(5 * time.Second); err == nil && got == "one b" {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d connections answer, want 1", alive)
	}
	f.Cut()
	if f.Connections(one) != 0 {
		t.Errorf("%d connections remain, want 0", f.Connections(one))
	}
}

func TestForwarderPassesEndOfStream(t *testing.T) {
	t.Parallel()
	f := Forward(t, startEchoServer(t, "one"))
	c := dial(t, f)
	c.send("last line")
	requireNoError(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.wantReceives("one last line")
	if _, err := c.receive(5 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want EOF", err)
	}
}

func TestForwarderSwallowsPacketsUntilRestore(t *testing.T) {
	t.Parallel()
	one := startEchoServer(t, "one")
	for name, kind := range map[string]Hole{"after accept": HoleAfterAccept, "before accept": HoleBeforeAccept, "established": HoleEstablished} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Forward(t, one)
			for range 2 { // holes can be repeated
				old := dial(t, f)
				old.send("a")
				old.wantReceives("one a")
				f.Swallow(kind)
				old.send("b")
				old.wantSilence()
				switch kind {
				case HoleEstablished:
					c := dial(t, f)
					c.send("c")
					c.wantReceives("one c")
				case HoleAfterAccept:
					c := dial(t, f)
					c.send("c")
					c.wantSilence()
				case HoleBeforeAccept:
					_, err := net.DialTimeout("tcp", f.Addr(), 100*time.Millisecond)
					if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
						t.Errorf("a new connection: %v, want no answer", err)
					}
				}
				f.Restore()
				old.wantReceives("one b")
				c := dial(t, f)
				c.send("d")
				c.wantReceives("one d")
			}
		})
	}
}

func TestForwarderSwallowsConnectionEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	requireNoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	f := Forward(t, l.Addr().String())
	c := dial(t, f)
	server, err := l.Accept()
	requireNoError(t, err)
	f.Swallow(HoleEstablished)
	requireNoError(t, server.(*net.TCPConn).SetLinger(0))
	requireNoError(t, server.Close())
	c.wantSilence()
	f.Restore()
	if _, err := c.receive(5 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
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
			f := Forward(t, startEchoServer(t, "one"))
			c := dial(t, f)
			c.send("a")
			c.wantReceives("one a")
			f.SetDelay(delay[0], delay[1])
			begin := time.Now()
			c.send("b")
			c.send("c")
			c.wantReceives("one b")
			c.wantReceives("one c")
			if took := time.Since(begin); took < 80*time.Millisecond {
				t.Errorf("two packets took %s, want at least 80ms", took)
			}
		})
	}
}

func TestForwarderLeavesNoGoroutines(t *testing.T) {
	one := startEchoServer(t, "one")
	before := runtime.NumGoroutine()
	t.Run("with a hole that is never closed", func(t *testing.T) {
		f := Forward(t, one)
		c := dial(t, f)
		c.send("a")
		c.wantReceives("one a")
		f.Swallow(HoleBeforeAccept)
		c.send("b")
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

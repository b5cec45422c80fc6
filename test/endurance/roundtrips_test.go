//go:build failure

package endurance

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// roundTrips is a TCP proxy that counts how often a client waits for an answer.
type roundTrips struct {
	listener net.Listener
	target   string
	count    atomic.Int64
}

func countRoundTrips(t *testing.T, target string) *roundTrips {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	r := &roundTrips{listener: l, target: target}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			running.Go(func() { r.forward(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait() // the server under test has exited and closed its connections
	})
	return r
}

func (r *roundTrips) forward(client net.Conn) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = client.Close()
		return
	}
	var waiting atomic.Bool // the client has sent data without an answer yet
	var copying sync.WaitGroup
	pump := func(to, from net.Conn, onData func()) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				onData()
				if _, err := to.Write(buffer[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		_ = to.Close()
		_, _ = io.Copy(io.Discard, from)
	}
	copying.Go(func() { pump(server, client, func() { waiting.Store(true) }) })
	copying.Go(func() {
		pump(client, server, func() {
			if waiting.Swap(false) {
				r.count.Add(1)
			}
		})
	})
	copying.Wait()
}

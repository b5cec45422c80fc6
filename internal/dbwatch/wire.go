package dbwatch

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// States of a wire.
const (
	wireFree       = iota
	wireCommitting // not cut, because the outcome would be unknown
	wireCut        // reads and writes fail
)

// wire is a network connection that tracks how long it has waited for an answer.
type wire struct {
	net.Conn
	watch *Watch
	// readTimeout limits each wait of a probe for a packet. It is 0 for other connections.
	readTimeout time.Duration
	// longestWait is the longest wait for a packet until the connection was open.
	longestWait atomic.Int64
	opened      atomic.Bool // longestWait is final

	ready     atomic.Bool  // the handshake is over; a proxy can answer that without the database
	readSince atomic.Int64 // the tick in which the current read began; 0: none
	state     atomic.Int32
	// backend is the server that answered last; nil until its identity is known.
	backend atomic.Pointer[backend]
}

// wireKey is the context key of a *wireSlot.
type wireKey struct{}

// wireSlot receives the wire of a connection that is being opened.
type wireSlot struct {
	wire        *wire
	readTimeout time.Duration // for probes
}

// Dial makes the network connections for the driver.
func (w *Watch) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	slot, _ := ctx.Value(wireKey{}).(*wireSlot)
	if slot != nil && slot.readTimeout > 0 {
		d.Timeout = slot.readTimeout
	}
	begin := time.Now()
	inner, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &wire{Conn: inner, watch: w}
	c.longestWait.Store(int64(time.Since(begin)))
	if slot != nil {
		slot.wire, c.readTimeout = c, slot.readTimeout
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wires[c] = struct{}{}
	return c, nil
}

func (c *wire) Read(b []byte) (int, error) {
	now := c.watch.ticks.Load()
	c.readSince.Store(now + 1)
	defer c.readSince.Store(0)
	// After readSince: either this sees the cut, or the cut's deadline ends the read.
	if c.state.Load() == wireCut {
		return 0, os.ErrDeadlineExceeded
	}
	begin := time.Time{}
	if !c.opened.Load() {
		begin = time.Now()
	}
	if c.readTimeout > 0 {
		_ = c.Conn.SetReadDeadline(begin.Add(c.readTimeout))
	}
	n, err := c.Conn.Read(b)
	if !begin.IsZero() {
		c.longestWait.Store(max(c.longestWait.Load(), int64(time.Since(begin))))
	}
	if n > 0 && c.ready.Load() {
		if now = c.watch.ticks.Load(); c.watch.lastAnswer.Load() != now {
			c.watch.lastAnswer.Store(now)
		}
		if b := c.backend.Load(); b != nil {
			b.heardAt.Store(c.watch.ticks.Load())
		}
	}
	return n, err
}

func (c *wire) Write(b []byte) (int, error) {
	if c.state.Load() == wireCut {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(b)
}

func (c *wire) Close() error {
	c.watch.mu.Lock()
	delete(c.watch.wires, c)
	c.watch.mu.Unlock()
	return c.Conn.Close()
}

// cut ends the current read and write, except for the answer to a COMMIT.
func (c *wire) cut() {
	if c.state.CompareAndSwap(wireFree, wireCut) {
		_ = c.Conn.SetDeadline(time.Unix(1, 0))
	}
}

// The driver sets a deadline before each read. It must not replace the deadline of a cut.

func (c *wire) SetDeadline(t time.Time) error {
	return c.unlessCut(c.Conn.SetDeadline, t)
}

func (c *wire) SetReadDeadline(t time.Time) error {
	return c.unlessCut(c.Conn.SetReadDeadline, t)
}

func (c *wire) SetWriteDeadline(t time.Time) error {
	return c.unlessCut(c.Conn.SetWriteDeadline, t)
}

func (c *wire) unlessCut(set func(time.Time) error, t time.Time) error {
	if c.state.Load() == wireCut {
		return nil
	}
	return set(t)
}

// SyscallConn lets the driver check whether the server has closed an idle connection.
func (c *wire) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}
	return inner.SyscallConn()
}

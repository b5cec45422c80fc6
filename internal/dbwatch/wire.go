package dbwatch

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// The states of a wire.
const (
	wireFree       = iota
	wireCommitting // its outcome would be uncertain, so it is not cut
	wireCut        // nothing is read or written any more
)

// wire is a network connection that notes how long it has been waiting for an answer.
type wire struct {
	net.Conn
	watch *Watch
	// packetTimeout bounds each wait of a probe for a packet. It is 0 for other connections.
	readTimeout time.Duration
	// longestWait is the longest wait for a packet until the connection was open.
	longestWait atomic.Int64
	opened      atomic.Bool // nothing more is added to longest

	ready     atomic.Bool  // the handshake is over: a proxy answers that by itself
	readSince atomic.Int64 // the tick in which the current read began; 0: there is none
	state     atomic.Int32
	// backend is the server that answered on it last; nil until it has told which it is.
	backend atomic.Pointer[backend]
}

// wireKey is the key of a context for a *wireSlot.
type wireKey struct{}

// wireSlot receives the wire of a connection that is being opened.
type wireSlot struct {
	wire        *wire
	readTimeout time.Duration // of a probe
}

// Dial is for the driver: it makes the network connections that are watched.
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
	// After since: either this sees the cut, or the deadline of the cut ends the read.
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

// cut ends what is being read or written, unless that is the answer to a COMMIT.
func (c *wire) cut() {
	if c.state.CompareAndSwap(wireFree, wireCut) {
		_ = c.Conn.SetDeadline(time.Unix(1, 0))
	}
}

// The driver sets a deadline before each read: it must not take back that of a cut.

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

// SyscallConn lets the driver look whether the server has closed an idle connection.
func (c *wire) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}
	return inner.SyscallConn()
}

package clustertest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// Forwarder is a TCP proxy between the servers under test and a real database. It simulates a
// virtual IP, a load balancer or a broken network: it moves new connections to another database,
// resets connections, delays packets, and swallows them.
type Forwarder struct {
	tb       testing.TB
	listener *net.TCPListener
	ctx      context.Context // ends with the test
	running  sync.WaitGroup

	mu        sync.Mutex
	targets   []string // of new connections, in turn; none: they are reset
	next      int
	links     map[*link]bool
	hole      Hole
	closed    chan struct{}       // of the hole; closed by Restore
	fillers   map[string]net.Conn // by their own address; see fillBacklog
	toServer  time.Duration
	toClient  time.Duration
	listening chan struct{} // closed while connections may be accepted
	parked    chan struct{} // closed when no connection is accepted any more
}

// Hole is a kind of black hole: packets get no answer, and no connection is reset.
type Hole int

const (
	noHole Hole = iota
	// HoleAfterAccept accepts new connections and then stays silent, like a proxy whose database is
	// gone.
	HoleAfterAccept
	// HoleBeforeAccept does not answer new connections, like a host that lost power.
	HoleBeforeAccept
	// HoleEstablished swallows the packets of current connections. New ones pass, as after a
	// failover to another machine at the same address.
	HoleEstablished
)

// link is a forwarded connection.
type link struct {
	target  string
	client  *net.TCPConn
	stalled chan struct{} // guarded by the forwarder; packets pass if it is nil or closed

	mu       sync.Mutex
	server   *net.TCPConn
	ended    chan struct{} // closed by end and reset
	isClosed bool
}

// Forward starts a forwarder to target, a host and port.
func Forward(tb testing.TB, target string) *Forwarder {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	requireNoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	f := &Forwarder{
		tb: tb, listener: l.(*net.TCPListener), ctx: ctx, targets: []string{target},
		links: map[*link]bool{}, fillers: map[string]net.Conn{}, listening: make(chan struct{}),
	}
	close(f.listening)
	f.running.Go(f.accept)
	tb.Cleanup(func() {
		cancel()
		_ = f.listener.Close()
		f.Restore()
		f.Cut()
		f.running.Wait()
		for _, filler := range f.fillers {
			_ = filler.Close()
		}
	})
	return f
}

// Addr returns the host and port of the forwarder.
func (f *Forwarder) Addr() string { return f.listener.Addr().String() }

// URL returns a DATABASE_URL with the forwarder as its host.
func (f *Forwarder) URL(databaseURL string) string {
	f.tb.Helper()
	u, err := url.Parse(databaseURL)
	requireNoError(f.tb, err)
	u.Host = f.Addr()
	return u.String()
}

// SetTargets distributes new connections to targets in turn. Established connections stay. Without
// a target new connections are reset.
func (f *Forwarder) SetTargets(targets ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets, f.next = targets, 0
}

// Connections returns the number of established connections to a target.
func (f *Forwarder) Connections(target string) (count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.links {
		if l.target == target {
			count++
		}
	}
	return count
}

// Cut resets all established connections.
func (f *Forwarder) Cut() { f.cut(func(*link) bool { return true }) }

// CutAllBut resets all but count established connections to a target.
func (f *Forwarder) CutAllBut(count int, target string) {
	f.cut(func(l *link) bool {
		if l.target != target {
			return false
		}
		count--
		return count < 0
	})
}

func (f *Forwarder) cut(which func(*link) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.links {
		if which(l) {
			l.reset()
			delete(f.links, l)
		}
	}
}

// SetDelay delays packets to the server and to the client. It applies to packets that arrive from
// now on. A new connection also costs the round trip of a handshake.
func (f *Forwarder) SetDelay(toServer, toClient time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.toServer, f.toClient = toServer, toClient
}

// Swallow opens a black hole. A packet that is being forwarded may still pass. As in a real network
// packets are resent until Restore, and the ends of connections are not seen before.
func (f *Forwarder) Swallow(kind Hole) {
	f.tb.Helper()
	f.mu.Lock()
	if f.hole != noHole {
		f.mu.Unlock()
		f.tb.Fatal("clustertest: the forwarder swallows packets already")
	}
	f.hole, f.closed = kind, make(chan struct{})
	for l := range f.links {
		l.stalled = f.closed
	}
	if kind == HoleBeforeAccept {
		f.listening, f.parked = make(chan struct{}), make(chan struct{})
	}
	f.mu.Unlock()
	if kind == HoleBeforeAccept {
		f.fillBacklog()
	}
}

// Restore closes the black hole and delivers what was held back.
func (f *Forwarder) Restore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hole == noHole {
		return
	}
	if f.hole == HoleBeforeAccept {
		_ = setBacklog(f.listener, 1024)
		_ = f.listener.SetDeadline(time.Time{})
		close(f.listening)
	}
	for l := range f.links {
		l.stalled = nil
	}
	close(f.closed)
	f.hole, f.closed = noHole, nil
}

// fillBacklog makes the kernel drop new connections, which it does when too many are not accepted.
// The forwarder stops accepting, sets the backlog to 0 and takes the last place itself.
func (f *Forwarder) fillBacklog() {
	f.tb.Helper()
	requireNoError(f.tb, f.listener.SetDeadline(time.Unix(1, 0)))
	<-f.parked
	requireNoError(f.tb, setBacklog(f.listener, 0))
	for range 64 {
		conn, err := net.DialTimeout("tcp", f.Addr(), 200*time.Millisecond)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return
		}
		requireNoError(f.tb, err)
		f.mu.Lock()
		f.fillers[conn.LocalAddr().String()] = conn
		f.mu.Unlock()
	}
	f.tb.Fatal("clustertest: this system accepts connections beyond the backlog")
}

func (f *Forwarder) accept() {
	for {
		f.mu.Lock()
		listening, parked := f.listening, f.parked
		f.mu.Unlock()
		select {
		case <-listening:
		default:
			close(parked)
			select {
			case <-listening:
			case <-f.ctx.Done():
				return
			}
		}
		client, err := f.listener.AcceptTCP()
		switch {
		case err == nil:
			f.running.Go(func() { f.forward(client) })
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
	}
}

// forward connects a client with its target and returns when both directions have ended.
func (f *Forwarder) forward(client *net.TCPConn) {
	l := &link{client: client, ended: make(chan struct{})}
	defer l.end()
	f.mu.Lock()
	address := client.RemoteAddr().String()
	if filler := f.fillers[address]; filler != nil {
		delete(f.fillers, address)
		_ = filler.Close()
		f.mu.Unlock()
		return
	}
	if len(f.targets) > 0 {
		l.target = f.targets[f.next%len(f.targets)]
		f.next++
	}
	if f.hole == HoleAfterAccept || f.hole == HoleBeforeAccept {
		l.stalled = f.closed
	}
	f.links[l] = true
	handshake := f.toServer + f.toClient + f.toServer
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.links, l)
	}()
	if l.target == "" {
		l.reset()
		return
	}
	if !l.sleep(handshake) || !f.waitUntilOpen(l) {
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(f.ctx, "tcp", l.target)
	if err != nil {
		if f.waitUntilOpen(l) {
			l.reset()
		}
		return
	}
	if !l.setServer(server.(*net.TCPConn)) {
		return
	}
	var directions sync.WaitGroup
	directions.Go(func() { f.pump(l, l.client, l.server, &f.toServer) })
	directions.Go(func() { f.pump(l, l.server, l.client, &f.toClient) })
	directions.Wait()
}

// packet is data in transit.
type packet struct {
	content []byte // nil: end of the stream
	reset   bool   // end of the connection
	due     time.Time
}

// pump forwards one direction.
func (f *Forwarder) pump(l *link, from, to *net.TCPConn, delay *time.Duration) {
	way := make(chan packet, 1024)
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		buffer := make([]byte, 16<<10)
		for {
			n, err := from.Read(buffer)
			f.mu.Lock()
			due := time.Now().Add(*delay)
			f.mu.Unlock()
			if n > 0 && !l.send(way, packet{content: slices.Clone(buffer[:n]), due: due}) {
				return
			}
			if err != nil {
				l.send(way, packet{reset: !errors.Is(err, io.EOF), due: due})
				return
			}
		}
	})
	for {
		var p packet
		select {
		case p = <-way:
		case <-l.ended:
			return
		}
		if !l.sleep(time.Until(p.due)) || !f.waitUntilOpen(l) {
			return
		}
		switch {
		case p.reset:
			l.reset()
			return
		case p.content == nil:
			_ = to.CloseWrite()
			return
		}
		if _, err := to.Write(p.content); err != nil {
			l.reset()
			return
		}
	}
}

func (l *link) send(way chan<- packet, p packet) bool {
	select {
	case way <- p:
		return true
	case <-l.ended:
		return false
	}
}

// setServer stores the connection to the server, and reports whether the link is still open.
func (l *link) setServer(server *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed {
		_ = server.Close()
		return false
	}
	l.server = server
	return true
}

// end closes both connections after delivering what was written.
func (l *link) end() { l.close(func(c *net.TCPConn) { _ = c.Close() }) }

// reset resets both connections.
func (l *link) reset() {
	l.close(func(c *net.TCPConn) {
		_ = c.SetLinger(0)
		_ = c.Close()
	})
}

func (l *link) close(how func(*net.TCPConn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed {
		return
	}
	l.isClosed = true
	close(l.ended)
	how(l.client)
	if l.server != nil {
		how(l.server)
	}
}

// sleep waits, and reports whether the link is still open.
func (l *link) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ended:
		return false
	}
}

// waitUntilOpen waits until packets of a link pass, and reports whether the link is still open.
func (f *Forwarder) waitUntilOpen(l *link) bool {
	for {
		f.mu.Lock()
		stalled := l.stalled
		f.mu.Unlock()
		if stalled == nil {
			return true
		}
		select {
		case <-stalled:
		case <-l.ended:
			return false
		}
	}
}

// Package dbwatch monitors the connections to a server that speaks the MySQL protocol.
//
// It adds three things to a connection pool:
//
//   - It leaves a server that became read-only, for reads too. After a failover the old primary may
//     stay up, and pooled connections would continue to read from it. Connections confirm at most
//     once per second and backend that the backend is writable. No connection to a read-only
//     backend is opened.
//   - It is a circuit breaker for a database that swallows packets. If nothing is answered and a
//     fresh connection gets no answer either, statements fail at once until a background probe is
//     answered.
//   - It sends a heartbeat every second, so that Outage knows how long the database did not answer.
//
// A Watch is independent of the driver: it wraps a driver.Connector that dials with Watch.Dial.
// Closing the sql.DB closes it. A nil *Watch is valid and stands for a database without monitoring.
package dbwatch

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ErrReadOnly is the error of Connect when the server is read-only.
var ErrReadOnly = errors.New("the database is read-only")

// ErrCircuitOpen is the error of Connect while the circuit is open.
var ErrCircuitOpen = errors.New("the circuit is open: no statement is sent until a probe is answered")

const (
	// tick is the resolution of the breaker.
	tick = 100 * time.Millisecond
	// suspectAfter is the number of ticks without any answer before a probe is sent. A statement
	// may wait longer, for example for a lock; the probe is answered then.
	suspectAfter = 7
	// probePacketTimeout limits each wait of a probe for a packet, so that the round trips of a
	// handshake with a distant database do not add up. Watch.packetTimeout extends it for slow
	// databases.
	probePacketTimeout = time.Second
	// probeMaxDuration limits a probe.
	probeMaxDuration = 3 * time.Second
	// probeInterval is the time between probes while the circuit is open. It doubles after
	// fastProbes probes.
	probeInterval = 250 * time.Millisecond
	fastProbes    = 8
	// probeCooldown is the minimum number of ticks between an answered probe and the next.
	probeCooldown = 10

	// roleMaxAge is how long a confirmed role is valid. It is slightly longer than
	// heartbeatInterval, so that connections to the backend of the heartbeat need no query.
	roleMaxAge = 1250 * time.Millisecond
	// roleStaleAge is how long a confirmed role is valid while another connection is querying it.
	roleStaleAge = 1600 * time.Millisecond
	// roleTimeout limits a role query. A backend that does not answer in time is abandoned like a
	// read-only one.
	roleTimeout = 2 * time.Second
	// maxConnectAttempts is how often Connect dials while it reaches read-only servers.
	maxConnectAttempts = 3
	// readOnlyBackoff is how long Connect fails at once after it found only read-only servers.
	readOnlyBackoff = 250 * time.Millisecond

	heartbeatInterval = time.Second
	heartbeatTimeout  = 2 * time.Second
	// minOutage is the shortest gap between heartbeats that counts as an outage.
	minOutage = 5 * time.Second
	// outageRetention is how long past outages are remembered.
	outageRetention = 2 * time.Minute
)

// Config configures a Watch.
type Config struct {
	// Log gets a line for each change of state.
	Log *slog.Logger
	// ConnectTimeout limits opening and preparing a connection.
	ConnectTimeout time.Duration
	// Variables are the names of further system variables to pass to Prepare.
	Variables []string
	// Prepare prepares a new connection of the pool. It gets the values of the existing system
	// variables, keyed by lower-case name.
	Prepare prepare
	// Heartbeat is a statement that needs a working database, not only a server that answers.
	Heartbeat string
	// IsAnswer reports whether err was sent by a server.
	IsAnswer func(err error) bool
	// IsUnavailable reports whether an answer means that the database cannot be used now.
	IsUnavailable func(err error) bool
	// NoMonitoring disables the breaker and the heartbeat, for statements that may take any time,
	// such as migrations.
	NoMonitoring bool
}

// Watch is the state of one server as seen by the connections of this process.
type Watch struct {
	config Config
	driver driver.Connector
	pool   *sql.DB
	epoch  time.Time

	ctx     context.Context
	stop    context.CancelFunc
	started sync.Once
	running sync.WaitGroup

	ticks         atomic.Int64
	lastAnswer    atomic.Int64 // the tick of the last read
	probing       atomic.Bool
	probeAfter    atomic.Int64 // the tick from which the next probe may be sent
	slowestPacket atomic.Int64 // the longest wait for a packet while opening the last connection

	open          atomic.Bool
	generation    atomic.Int64 // incremented when the circuit opens
	openings      atomic.Uint64
	retired       atomic.Uint64
	readOnly      atomic.Bool
	readOnlyUntil atomic.Int64 // time since epoch until which Connect fails with ErrReadOnly

	poolLimit int // of the pool while the circuit is closed

	mu       sync.Mutex
	wires    map[*wire]struct{}
	attempts map[*attempt]struct{}
	backends map[string]*backend
	closed   chan struct{} // closed when the circuit closes; nil while it is closed

	outages outages
}

// New returns a Watch. It is idle until the first connection.
func New(c Config) *Watch {
	w := &Watch{
		config: c, epoch: time.Now(),
		wires: map[*wire]struct{}{}, attempts: map[*attempt]struct{}{}, backends: map[string]*backend{},
	}
	w.slowestPacket.Store(int64(c.ConnectTimeout)) // the database may be slow
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// start starts monitoring. A process that ends within a second sends no heartbeat.
func (w *Watch) start() {
	if w.config.NoMonitoring {
		return
	}
	w.started.Do(func() {
		w.outages.start(time.Now())
		w.running.Go(w.monitor)
		w.running.Go(w.runHeartbeats)
	})
}

// Close stops the background goroutines.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	w.started.Do(func() {}) // prevents a later start
	w.stop()
	w.running.Wait()
}

// now returns the time since the Watch was created.
func (w *Watch) now() time.Duration { return time.Since(w.epoch) }

// State is a snapshot for metrics and health checks.
type State struct {
	ReadOnly    bool   // the last server that answered is read-only
	CircuitOpen bool   // the database does not answer, and statements fail at once
	Retired     uint64 // connections closed for either reason
	Openings    uint64 // how often the circuit opened
}

// State returns the current state.
func (w *Watch) State() State {
	if w == nil {
		return State{}
	}
	return State{
		ReadOnly: w.readOnly.Load(), CircuitOpen: w.open.Load(),
		Retired: w.retired.Load(), Openings: w.openings.Load(),
	}
}

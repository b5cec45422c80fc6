// Package dbwatch watches the connections to one server of the MySQL protocol.
//
// It does three things that a pool of connections does not:
//
//   - It leaves a server that became read-only, for reads too. After a failover the old primary may stay up, and pooled
//     connections would go on reading from it. A connection confirms at most once a second per backend that its
//     backend is writable, and no connection to a read-only backend is opened.
//   - It is a circuit breaker for a database that swallows packets. If nothing is answered and a fresh connection gets
//     no answer either, statements fail at once until a probe in the background is answered.
//   - It sends a heartbeat every second, so that Silence can tell how long the database did not answer.
//
// A Watch knows no driver: it wraps a driver.Connector whose network connections are made by Watch.Dial. Closing the
// sql.DB ends it. All methods may be called on a nil Watch, which stands for a database that needs none.
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

// ErrReadOnly is the error of Connect when the server that answers is read-only.
var ErrReadOnly = errors.New("the database is read-only")

// ErrCircuitOpen is the error of Connect while the circuit is open.
var ErrCircuitOpen = errors.New("no statement is sent until a probe is answered")

const (
	// tick is the resolution of the breaker.
	tick = 100 * time.Millisecond
	// suspectAfter is how many ticks without any answer pass until a probe is sent. A statement may wait for longer, for a
	// lock for one: then the probe is answered.
	suspectAfter = 7
	// probePacketTimeout bounds each wait of a probe for a packet, so that the round trips of a handshake with a distant database
	// do not add up. See Watch.patience for a database that needs more.
	probePacketTimeout = time.Second
	// probeMaxDuration bounds a probe.
	probeMaxDuration = 3 * time.Second
	// probeInterval is the time from one probe of an open circuit to the next. After fastProbes of them it is twice as long.
	probeInterval = 250 * time.Millisecond
	fastProbes    = 8
	// probeCooldown is how many ticks after an answered probe the next one may be sent.
	probeCooldown = 10

	// roleMaxAge is how long a verdict counts. It is a little longer than heartbeatInterval, so that connections to the
	// backend of the heartbeat need not ask.
	roleMaxAge = 1250 * time.Millisecond
	// roleStaleAge is how long a verdict counts while another connection is asking.
	roleStaleAge = 1600 * time.Millisecond
	// roleTimeout bounds asking. A backend that does not answer within it is left like a read-only one.
	roleTimeout = 2 * time.Second
	// maxConnectAttempts is how often Connect dials while it reaches read-only servers.
	maxConnectAttempts = 3
	// readOnlyBackoff is how long Connect fails at once after it has found nothing but read-only servers.
	readOnlyBackoff = 250 * time.Millisecond

	heartbeatInterval = time.Second
	heartbeatTimeout  = 2 * time.Second
	// minOutage is the shortest gap between two heartbeats that counts as silence.
	minOutage = 5 * time.Second
	// outageRetention is how long past silence is remembered.
	outageRetention = 2 * time.Minute
)

// Config says how a server is watched.
type Config struct {
	// Log gets a line for each change of state.
	Log *slog.Logger
	// ConnectTimeout bounds everything that belongs to a new connection.
	ConnectTimeout time.Duration
	// Variables are the names of further system variables that Prepare wants to know.
	Variables []string
	// Prepare finishes a new connection of the pool. The values of the system variables that exist are given by their
	// lower-case names.
	Prepare prepare
	// Heartbeat is a statement that needs a working database, not only a server that answers.
	Heartbeat string
	// IsAnswer reports whether err is the answer of a server.
	IsAnswer func(err error) bool
	// IsUnavailable reports whether an answer says that the database cannot be used now.
	IsUnavailable func(err error) bool
	// NoMonitoring is for statements that may take any time, such as migrations. There is no breaker and no heartbeat.
	NoMonitoring bool
}

// Watch is the state of one server, as the connections of this process see it.
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
	lastAnswer    atomic.Int64 // the tick in which something was read last
	probing       atomic.Bool
	probeAfter    atomic.Int64 // the tick before which no further probe is sent
	slowestPacket atomic.Int64 // the longest wait for a packet while the last connection was opened

	open          atomic.Bool
	generation    atomic.Int64 // raised when the circuit opens
	openings      atomic.Uint64
	retired       atomic.Uint64
	readOnly      atomic.Bool
	readOnlyUntil atomic.Int64 // readSince epoch, until when Connect fails with ErrReadOnly

	poolLimit int // of the pool, while the circuit is closed

	mu       sync.Mutex
	wires    map[*wire]struct{}
	attempts map[*attempt]struct{}
	backends map[string]*backend
	closed   chan struct{} // closed when the circuit closes; nil if it is closed

	outages outages
}

// New returns a Watch. It does nothing before the first connection.
func New(c Config) *Watch {
	w := &Watch{
		config: c, epoch: time.Now(),
		wires: map[*wire]struct{}{}, attempts: map[*attempt]struct{}{}, backends: map[string]*backend{},
	}
	w.slowestPacket.Store(int64(c.ConnectTimeout)) // it may be slow
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// start begins to watch. A process that ends within a second sends no heartbeat.
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

// Close ends the work in the background.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	w.started.Do(func() {}) // not after this
	w.stop()
	w.running.Wait()
}

// now is the time since the Watch was made.
func (w *Watch) now() time.Duration { return time.Since(w.epoch) }

// State is what metrics and probes ask for.
type State struct {
	ReadOnly    bool   // the server that answered last is read-only
	CircuitOpen bool   // the database does not answer, and statements fail at once
	Retired     uint64 // poolLimit that were closed because of either
	Openings    uint64 // of the circuit
}

// State returns the present state.
func (w *Watch) State() State {
	if w == nil {
		return State{}
	}
	return State{ReadOnly: w.readOnly.Load(), CircuitOpen: w.open.Load(), Retired: w.retired.Load(), Openings: w.openings.Load()}
}

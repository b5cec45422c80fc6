package metrics

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are the closed lists of what can happen, and where numbers come from that somebody else keeps. The functions are
// called when somebody reads the metrics.
type Sources struct {
	Version string // of the server

	Codes        []string // of errors
	Gated        []string // fields that can be denied: "Type.field"
	Reasons      []string // why they can
	Limits       []Limit
	Events       []string // of accounts
	MailOutcomes []string

	WouldDeny  func() map[string]uint64 // by field, what rules that only report would have denied; the fields never change
	Queue      func() Queue
	Pool       func() sql.DBStats
	Statements func() uint64
	Database   func() Database
	Backlog    func(context.Context) (Backlog, error) // nil: no mail is sent
}

// Limit is a limit of a field.
type Limit struct{ Field, By string }

// Queue is the state of the queue of passwords.
type Queue struct {
	Waiting, Room int
	Busy, Threads int
	Refused       uint64
}

// Database is what the server has found out about its database.
type Database struct {
	ReadOnly, CircuitOpen bool
	Retired, Openings     uint64
}

// Backlog is the mails that are not sent yet, of all servers together.
type Backlog struct {
	Waiting int64
	Oldest  time.Duration // how old the oldest of them is; 0 if there is none
}

// registerSources registers what is asked for when somebody reads.
func (m *Metrics) registerSources(s Sources) {
	m.registerQueue(s)
	m.registerDatabase(s)
	if s.Backlog != nil {
		m.registerBacklog(s.Backlog)
	}
	would := m.desc("counter", "field_would_deny_total", "Executions of fields that rules which only report would have denied.", "field")
	m.registry.MustRegister(collector(func(yield func(prometheus.Metric)) {
		for field, n := range s.WouldDeny() {
			yield(prometheus.MustNewConstMetric(would, prometheus.CounterValue, float64(n), field))
		}
	}))
	m.buildInfo(s.Version)
}

func (m *Metrics) registerQueue(s Sources) {
	waiting := m.desc("gauge", "password_queue_waiting", "Passwords that wait for their turn to be hashed.")
	room := m.desc("gauge", "password_queue_room", "How many may wait: beyond that, clients get OVERLOADED.")
	busy := m.desc("gauge", "password_queue_busy_threads", "Threads that hash a password.")
	threads := m.desc("gauge", "password_queue_threads", "Threads that there are to hash passwords.")
	refused := m.desc("counter", "password_queue_refusals_total", "Passwords for which there was no room in the queue, or no turn in time.")
	m.registry.MustRegister(collector(func(yield func(prometheus.Metric)) {
		q := s.Queue()
		yield(gauge(waiting, float64(q.Waiting)))
		yield(gauge(room, float64(q.Room)))
		yield(gauge(busy, float64(q.Busy)))
		yield(gauge(threads, float64(q.Threads)))
		yield(counter(refused, float64(q.Refused)))
	}))
}

func (m *Metrics) registerDatabase(s Sources) {
	limit := m.desc("gauge", "database_connections_max", "How many connections to the database there may be.")
	open := m.desc("gauge", "database_connections", "Connections to the database, by their state: in_use or idle.", "state")
	waits := m.desc("counter", "database_connection_waits_total", "How often somebody waited for a connection because all were in use.")
	waited := m.desc("counter", "database_connection_wait_seconds_total", "How long they waited, all together.")
	statements := m.desc("counter", "database_statements_total", "Statements asked of the database, those inside transactions included.")
	readOnly := m.desc("gauge", "database_read_only", "1 while the database answers and is read-only, as an old primary is after a failover; else 0.")
	circuitOpen := m.desc("gauge", "database_circuit_open", "1 while the database does not answer and requests that need it are refused at once; else 0.")
	openings := m.desc("counter", "database_circuit_openings_total", "How often the database stopped answering.")
	retired := m.desc("counter", "database_connections_retired_total", "Connections that were closed because their server became read-only or did not answer.")
	m.registry.MustRegister(collector(func(yield func(prometheus.Metric)) {
		state := s.Database()
		yield(gauge(readOnly, boolValue(state.ReadOnly)))
		yield(gauge(circuitOpen, boolValue(state.CircuitOpen)))
		yield(counter(openings, float64(state.Openings)))
		yield(counter(retired, float64(state.Retired)))
		pool := s.Pool()
		yield(gauge(limit, float64(pool.MaxOpenConnections)))
		yield(gauge(open, float64(pool.InUse), "in_use"))
		yield(gauge(open, float64(pool.Idle), "idle"))
		yield(counter(waits, float64(pool.WaitCount)))
		yield(counter(waited, pool.WaitDuration.Seconds()))
		yield(counter(statements, float64(s.Statements())))
	}))
}

func boolValue(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (m *Metrics) registerBacklog(ask func(context.Context) (Backlog, error)) {
	waiting := m.desc("gauge", "mails_waiting", "Mails that are not sent yet, of all servers of the database together. Absent while the database does not say.")
	oldest := m.desc("gauge", "mails_oldest_age_seconds", "How long the oldest of them waits; 0 if there is none. Absent while the database does not say.")
	kept := &cachedBacklog{fetch: ask}
	m.registry.MustRegister(collector(func(yield func(prometheus.Metric)) {
		if b, ok := kept.get(); ok {
			yield(gauge(waiting, float64(b.Waiting)))
			yield(gauge(oldest, b.Oldest.Seconds()))
		}
	}))
}

// The database is asked for the backlog this often at most, whoever reads, and given up on after that.
const (
	backlogTTL     = 5 * time.Second
	backlogTimeout = 2 * time.Second
)

// cachedBacklog is the backlog as it was a few seconds ago.
type cachedBacklog struct {
	fetch func(context.Context) (Backlog, error)

	mu        sync.Mutex
	fetchedAt time.Time
	last      Backlog
	ok        bool
}

func (k *cachedBacklog) get() (Backlog, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetchedAt.IsZero() || time.Since(k.fetchedAt) > backlogTTL {
		ctx, cancel := context.WithTimeout(context.Background(), backlogTimeout)
		defer cancel()
		var err error
		k.last, err = k.fetch(ctx)
		k.ok = err == nil
		k.fetchedAt = time.Now()
	}
	return k.last, k.ok
}

package metrics

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are the closed lists of label values, and functions for numbers that other packages keep.
// The functions are called during a scrape.
type Sources struct {
	Version string // of the server

	Codes        []string // of errors
	Gated        []string // fields that can be denied: "Type.field"
	Reasons      []string // of denials
	Limits       []Limit
	Events       []string // of accounts
	MailOutcomes []string

	// WouldDeny returns what report-only rules would have denied, by field. The fields never
	// change.
	WouldDeny  func() map[string]uint64
	Queue      func() Queue
	Pool       func() sql.DBStats
	Statements func() uint64
	Database   func() Database
	Backlog    func(context.Context) (Backlog, error) // nil: no mail is sent
}

// Limit is a limit of a field.
type Limit struct{ Field, By string }

// Queue is the state of the queue for password hashes.
type Queue struct {
	Waiting, Room int
	Busy, Threads int
	Refused       uint64
}

// Database is the state of the connections to the database.
type Database struct {
	ReadOnly, CircuitOpen bool
	Retired, Openings     uint64
}

// Backlog is the number and age of unsent mails of all servers.
type Backlog struct {
	Waiting int64
	Oldest  time.Duration // age of the oldest mail; 0 if there is none
}

// registerSources registers the metrics that are read during a scrape.
func (m *Metrics) registerSources(s Sources) {
	m.registerQueue(s)
	m.registerDatabase(s)
	if s.Backlog != nil {
		m.registerBacklog(s.Backlog)
	}
	would := m.desc(
		"counter",
		"field_would_deny_total",
		"Executions of fields that report-only rules would have denied, by field.",
		"field",
	)
	m.registry.MustRegister(collector(func(yield func(prometheus.Metric)) {
		for field, n := range s.WouldDeny() {
			yield(prometheus.MustNewConstMetric(would, prometheus.CounterValue, float64(n), field))
		}
	}))
	m.buildInfo(s.Version)
}

func (m *Metrics) registerQueue(s Sources) {
	waiting := m.desc("gauge", "password_queue_waiting", "Passwords in the queue that wait to be hashed.")
	room := m.desc("gauge", "password_queue_room", "Size of the queue. When it is full, clients get OVERLOADED.")
	busy := m.desc("gauge", "password_queue_busy_threads", "Threads that are hashing a password.")
	threads := m.desc("gauge", "password_queue_threads", "Threads available to hash passwords.")
	refused := m.desc(
		"counter",
		"password_queue_refusals_total",
		"Passwords that were refused because the queue was full or the wait timed out.",
	)
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
	limit := m.desc("gauge", "database_connections_max", "Maximum number of connections to the database.")
	open := m.desc("gauge", "database_connections", "Connections to the database by state: in_use or idle.", "state")
	waits := m.desc("counter", "database_connection_waits_total", "Waits for a connection because all were in use.")
	waited := m.desc("counter", "database_connection_wait_seconds_total", "Total time of these waits, in seconds.")
	statements := m.desc(
		"counter",
		"database_statements_total",
		"Statements sent to the database, including those in transactions.",
	)
	readOnly := m.desc(
		"gauge",
		"database_read_only",
		"1 while the database is read-only, such as an old primary after a failover; otherwise 0.",
	)
	circuitOpen := m.desc(
		"gauge",
		"database_circuit_open",
		"1 while the database does not answer and requests that need it are refused at once; otherwise 0.",
	)
	openings := m.desc("counter", "database_circuit_openings_total", "Times that the database stopped answering.")
	retired := m.desc(
		"counter",
		"database_connections_retired_total",
		"Connections closed because their server became read-only or did not answer.",
	)
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

func (m *Metrics) registerBacklog(fetch func(context.Context) (Backlog, error)) {
	waiting := m.desc(
		"gauge",
		"mails_waiting",
		"Unsent mails of all servers that share the database. Absent while the number is unknown.",
	)
	oldest := m.desc(
		"gauge",
		"mails_oldest_age_seconds",
		"Age of the oldest unsent mail, in seconds; 0 if there is none. Absent while it is unknown.",
	)
	cached := &cachedBacklog{fetch: fetch}
	m.registry.MustRegister(collector(func(yield func(prometheus.Metric)) {
		if b, ok := cached.get(); ok {
			yield(gauge(waiting, float64(b.Waiting)))
			yield(gauge(oldest, b.Oldest.Seconds()))
		}
	}))
}

// Scrapes query the backlog at most once per backlogTTL. A query is canceled after backlogTimeout.
const (
	backlogTTL     = 5 * time.Second
	backlogTimeout = 2 * time.Second
)

// cachedBacklog is the backlog of the last query.
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

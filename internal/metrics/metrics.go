// Package metrics counts events for Prometheus. It is the only package that imports Prometheus's
// client.
//
// Other packages report events through methods that fit their hooks. [Sources] are numbers that
// other packages keep and that are read during a scrape. Every label takes its values from a closed
// list that is fixed at the start. So clients cannot add series, and metrics contain no personal
// data. A value that is not in its list is counted as "other".
//
// Reporting an event does not allocate: each combination of labels has its counter from the start.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics holds the counts since the start. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	rows     []row

	operations map[operation]prometheus.Counter
	durations  map[string]prometheus.Observer
	denials    map[[2]string]prometheus.Counter
	limits     map[[2]string]prometheus.Counter
	events     map[string]prometheus.Counter
	mails      map[string]prometheus.Counter
	waits      prometheus.Observer

	inFlight  prometheus.Gauge
	responses [6]prometheus.Counter // by the first digit of the status; 0: none
	onEnd     func(status int)
}

type operation struct{ kind, outcome string }

// other is the label value for values that are not in the closed list.
const other = "other"

// outcomeOK is the outcome of a request without errors.
const outcomeOK = "ok"

// durationBuckets are in seconds. A database read takes milliseconds, a password hash tenths of a
// second plus its time in the queue.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// waitBuckets are in seconds. The last is the timeout of the queue.
var waitBuckets = []float64{.001, .01, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New returns metrics with all counts at zero.
func New(s Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registerRequests(s)
	m.registerRules(s)
	m.registerAccounts(s)
	m.registerSources(s)
	return m
}

func (m *Metrics) registerRequests(s Sources) {
	requests := m.counters("graphql_requests_total", "GraphQL requests by type of operation (none: refused before an operation was selected) "+
		"and by outcome: ok, or the code of the first error.", "type", "outcome")
	durations := m.histograms(
		"graphql_request_duration_seconds",
		"Time to answer a GraphQL request, in seconds, by type of operation.",
		durationBuckets,
		"type",
	)
	m.operations, m.durations = map[operation]prometheus.Counter{}, map[string]prometheus.Observer{}
	for _, kind := range []string{"query", "mutation", "none"} {
		m.durations[kind] = durations.WithLabelValues(kind)
		for _, outcome := range append([]string{outcomeOK, other}, s.Codes...) {
			m.operations[operation{kind, outcome}] = requests.WithLabelValues(kind, outcome)
		}
	}
	m.inFlight = m.gauge("http_requests_in_flight", "HTTP requests in progress, including those for probes and pages.")
	responses := m.counters(
		"http_responses_total",
		"HTTP responses by class of status (none: the connection was aborted without a response).",
		"class",
	)
	m.responses[0] = responses.WithLabelValues("none")
	for i := 1; i < len(m.responses); i++ {
		m.responses[i] = responses.WithLabelValues(strconv.Itoa(i) + "xx")
	}
	m.onEnd = func(status int) {
		m.inFlight.Dec()
		class := status / 100
		if class < 0 || class >= len(m.responses) {
			class = 0
		}
		m.responses[class].Inc()
	}
}

func (m *Metrics) registerRules(s Sources) {
	denials := m.counters("field_denials_total", "Denied executions of fields by field and reason: forbidden (the user's role does not include the required one), "+
		"or the problem with the access token.", "field", "reason")
	m.denials = map[[2]string]prometheus.Counter{{other, other}: denials.WithLabelValues(other, other)}
	for _, field := range s.Gated {
		for _, reason := range s.Reasons {
			m.denials[[2]string{field, reason}] = denials.WithLabelValues(field, reason)
		}
	}
	limits := m.counters(
		"limit_hits_total",
		"Executions of fields that a rate limit refused, by field and by the key of the limit (by).",
		"field",
		"by",
	)
	m.limits = map[[2]string]prometheus.Counter{{other, other}: limits.WithLabelValues(other, other)}
	for _, l := range s.Limits {
		m.limits[[2]string{l.Field, l.By}] = limits.WithLabelValues(l.Field, l.By)
	}
}

func (m *Metrics) registerAccounts(s Sources) {
	events := m.counters("account_events_total", "Account events by name, as in the log and in the audit log.", "event")
	m.events = m.countersByValue(events, s.Events)
	waits := m.histograms("password_queue_wait_seconds", "Time a password hash waited in the queue, in seconds.", waitBuckets)
	m.waits = waits.WithLabelValues()
	if s.Backlog != nil {
		m.mails = m.countersByValue(m.counters("mails_total", "Attempts to process a mail, by outcome.", "outcome"), s.MailOutcomes)
	}
}

// countersByValue creates a counter for each value of a label.
func (m *Metrics) countersByValue(v *prometheus.CounterVec, values []string) map[string]prometheus.Counter {
	list := map[string]prometheus.Counter{}
	for _, value := range append(slices.Clone(values), other) {
		list[value] = v.WithLabelValues(value)
	}
	return list
}

// Request counts an HTTP request. It fits web.Instrument.
func (m *Metrics) Request(r *http.Request) (ctx context.Context, end func(status int)) {
	m.inFlight.Inc()
	return r.Context(), m.onEnd
}

// Operation counts a GraphQL request: its type (query, mutation or none), the code of its first
// error ("" if it has none) and its duration.
func (m *Metrics) Operation(kind, code string, took time.Duration) {
	if code == "" {
		code = outcomeOK
	}
	if _, known := m.durations[kind]; !known {
		kind = "none"
	}
	counter, known := m.operations[operation{kind, code}]
	if !known {
		counter = m.operations[operation{kind, other}]
	}
	counter.Inc()
	m.durations[kind].Observe(took.Seconds())
}

// Denied counts a denied execution of a field, which is named "Type.field".
func (m *Metrics) Denied(field, reason string) { inc(m.denials, [2]string{field, reason}) }

// Limited counts an execution of a field that a rate limit refused. by is the key of the limit.
func (m *Metrics) Limited(field, by string) { inc(m.limits, [2]string{field, by}) }

func inc(counters map[[2]string]prometheus.Counter, key [2]string) {
	counter, known := counters[key]
	if !known {
		counter = counters[[2]string{other, other}]
	}
	counter.Inc()
}

// Event counts an event of an account.
func (m *Metrics) Event(name string) { incOne(m.events, name) }

// Mail counts the outcome of an attempt to process a mail.
func (m *Metrics) Mail(outcome string) { incOne(m.mails, outcome) }

func incOne(counters map[string]prometheus.Counter, value string) {
	counter, known := counters[value]
	if !known {
		counter = counters[other]
	}
	counter.Inc()
}

// QueueWait records how long a password hash waited for a thread. The network is not a label: it
// has too many values.
func (m *Metrics) QueueWait(_ string, d time.Duration) { m.waits.Observe(d.Seconds()) }

// buildInfo registers a gauge that is always 1. Its labels carry the information.
func (m *Metrics) buildInfo(version string) {
	const name, help = "build_info", "Always 1. The labels are the version of the server and of Go."
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{"version", "go"})
	m.add(g, row{name, "gauge", []string{"version", "go"}, help})
	g.WithLabelValues(version, runtime.Version()).Set(1)
}

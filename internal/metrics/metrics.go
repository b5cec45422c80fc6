// Package metrics counts what happens, for Prometheus to read. It is the only package that knows Prometheus's client.
//
// Others tell it what happens by calling a method that fits their hook, or have a number that it asks for when somebody
// reads ([Sources]). Every label has its values from a closed list that is there at the start: what a client writes is
// none of them, so that nobody can make the server keep more than that, and no person is in a metric. What comes that is
// not in its list is counted as "other".
//
// Telling it something allocates nothing: a counter for each combination is made at the start.
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

// Metrics is what was counted since the start. It is safe for use by many goroutines.
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
	responses [6]prometheus.Counter // by the status's first digit; 0: none
	onEnd     func(status int)
}

type operation struct{ kind, outcome string }

// other takes what is not in its closed list.
const other = "other"

// outcomeOK is the outcome of a request without errors.
const outcomeOK = "ok"

// durationBuckets are in seconds: what is read from the database takes milliseconds, and a password tenths of a second
// and its turn in the queue.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// waitBuckets are in seconds; the queue lets nobody wait longer than the last.
var waitBuckets = []float64{.001, .01, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New begins to count, at zero.
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
	requests := m.counters("graphql_requests_total", "Requests of the API, by the type of their operation (none: it was refused before there was one) "+
		"and by their outcome: ok, or the code of their first error.", "type", "outcome")
	durations := m.histograms("graphql_request_duration_seconds", "How long the API took for a request, by the type of its operation.", durationBuckets, "type")
	m.operations, m.durations = map[operation]prometheus.Counter{}, map[string]prometheus.Observer{}
	for _, kind := range []string{"query", "mutation", "none"} {
		m.durations[kind] = durations.WithLabelValues(kind)
		for _, outcome := range append([]string{outcomeOK, other}, s.Codes...) {
			m.operations[operation{kind, outcome}] = requests.WithLabelValues(kind, outcome)
		}
	}
	m.inFlight = m.gauge("http_requests_in_flight", "HTTP requests that are being answered, those of probes and pages included.")
	answers := m.counters("http_responses_total", "HTTP requests that were answered, by the class of the status (none: the connection was cut instead).", "class")
	m.responses[0] = answers.WithLabelValues("none")
	for i := 1; i < len(m.responses); i++ {
		m.responses[i] = answers.WithLabelValues(strconv.Itoa(i) + "xx")
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
	denials := m.counters("field_denials_total", "Executions of fields that were denied, by the field and by why: forbidden (the person's role does not include "+
		"the one that it takes), or what was wrong with the access token.", "field", "reason")
	m.denials = map[[2]string]prometheus.Counter{{other, other}: denials.WithLabelValues(other, other)}
	for _, field := range s.Gated {
		for _, reason := range s.Reasons {
			m.denials[[2]string{field, reason}] = denials.WithLabelValues(field, reason)
		}
	}
	limits := m.counters("limit_hits_total", "Executions of fields that were refused because a limit was used up, by the field and by what the limit counts by.", "field", "by")
	m.limits = map[[2]string]prometheus.Counter{{other, other}: limits.WithLabelValues(other, other)}
	for _, l := range s.Limits {
		m.limits[[2]string{l.Field, l.By}] = limits.WithLabelValues(l.Field, l.By)
	}
}

func (m *Metrics) registerAccounts(s Sources) {
	m.events = m.countersByValue(m.counters("account_events_total", "What happened to accounts, by the event's name in the log and in the audit log.", "event"), s.Events)
	m.waits = m.histograms("password_queue_wait_seconds", "How long those passwords waited for their turn that were hashed.", waitBuckets).WithLabelValues()
	if s.Backlog != nil {
		m.mails = m.countersByValue(m.counters("mails_total", "What became of mails each time that one was looked at.", "outcome"), s.MailOutcomes)
	}
}

// countersByValue makes a counter for each value of a label.
func (m *Metrics) countersByValue(v *prometheus.CounterVec, values []string) map[string]prometheus.Counter {
	list := map[string]prometheus.Counter{}
	for _, value := range append(slices.Clone(values), other) {
		list[value] = v.WithLabelValues(value)
	}
	return list
}

// Request counts an HTTP request, for web.Watch.
func (m *Metrics) Request(r *http.Request) (ctx context.Context, end func(status int)) {
	m.inFlight.Inc()
	return r.Context(), m.onEnd
}

// Operation counts a request of the API: its type (query, mutation or none), the code of its first error ("" if there is
// none) and how long it took.
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

// Denied counts an execution of a field that was denied; the field is "Type.field".
func (m *Metrics) Denied(field, reason string) { inc(m.denials, [2]string{field, reason}) }

// Limited counts an execution of a field that a limit has refused; by is what the limit counts by.
func (m *Metrics) Limited(field, by string) { inc(m.limits, [2]string{field, by}) }

func inc(counters map[[2]string]prometheus.Counter, key [2]string) {
	counter, known := counters[key]
	if !known {
		counter = counters[[2]string{other, other}]
	}
	counter.Inc()
}

// Event counts something that happened to an account.
func (m *Metrics) Event(name string) { incOne(m.events, name) }

// Mail counts what became of a mail.
func (m *Metrics) Mail(outcome string) { incOne(m.mails, outcome) }

func incOne(counters map[string]prometheus.Counter, value string) {
	counter, known := counters[value]
	if !known {
		counter = counters[other]
	}
	counter.Inc()
}

// QueueWait counts how long a password waited for a thread. The network is no label: there are too many.
func (m *Metrics) QueueWait(_ string, d time.Duration) { m.waits.Observe(d.Seconds()) }

// buildInfo is always 1: its labels are what it says.
func (m *Metrics) buildInfo(version string) {
	const name, help = "build_info", "Always 1, with what the server was built from."
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{"version", "go"})
	m.add(g, row{name, "gauge", []string{"version", "go"}, help})
	g.WithLabelValues(version, runtime.Version()).Set(1)
}

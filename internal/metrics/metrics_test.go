package metrics_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/metrics"
)

func sources() metrics.Sources {
	return metrics.Sources{
		Version: "1.2.3", Codes: []string{"FORBIDDEN"}, Gated: []string{"Query.me"}, Reasons: []string{"forbidden"},
		Limits: []metrics.Limit{{Field: "Mutation.login", By: "ADDRESS"}}, Events: []string{"sign-in"}, MailOutcomes: []string{"sent"},
		WouldDeny: func() map[string]uint64 { return map[string]uint64{"Query.users": 3} },
		Queue:     func() metrics.Queue { return metrics.Queue{Waiting: 1, Room: 2, Busy: 3, Threads: 4, Refused: 5} },
		Pool: func() sql.DBStats {
			return sql.DBStats{MaxOpenConnections: 6, InUse: 7, Idle: 8, WaitCount: 9, WaitDuration: 10 * time.Second}
		},
		Statements: func() uint64 { return 11 },
		Database:   func() metrics.Database { return metrics.Database{ReadOnly: true, Retired: 14, Openings: 15} },
		Backlog: func(context.Context) (metrics.Backlog, error) {
			return metrics.Backlog{Waiting: 12, Oldest: 13 * time.Second}, nil
		},
	}
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsReadTheirSources(t *testing.T) {
	t.Parallel()
	got := scrape(t, metrics.New(sources()))
	for _, want := range []string{
		`build_info{go="go`, `field_would_deny_total{field="Query.users"} 3`, `password_queue_waiting 1`, `password_queue_room 2`,
		`password_queue_busy_threads 3`, `password_queue_threads 4`, `password_queue_refusals_total 5`, `database_connections_max 6`,
		`database_connections{state="in_use"} 7`, `database_connections{state="idle"} 8`, `database_connection_waits_total 9`,
		`database_connection_wait_seconds_total 10`, `database_statements_total 11`, `mails_waiting 12`, `mails_oldest_age_seconds 13`,
		`database_read_only 1`, `database_circuit_open 0`, `database_connections_retired_total 14`, `database_circuit_openings_total 15`,
		`graphql_requests_total{outcome="FORBIDDEN",type="query"} 0`, `field_denials_total{field="Query.me",reason="forbidden"} 0`,
		`limit_hits_total{by="ADDRESS",field="Mutation.login"} 0`, `account_events_total{event="sign-in"} 0`, `mails_total{outcome="sent"} 0`,
	} {
		if !strings.Contains(got, "\nfieldgate_"+want) {
			t.Errorf("want %s", want)
		}
	}
}

// A value that is not in a closed list creates no series and is counted as other.
func TestUnlistedValuesCountAsOther(t *testing.T) {
	t.Parallel()
	m := metrics.New(sources())
	series := strings.Count(scrape(t, m), "\nfieldgate_")
	m.Operation("query", "NEW", time.Second)
	m.Operation("subscription", "", time.Second)
	m.Denied("Query.nothing", "forbidden")
	m.Denied("Query.me", "bad luck")
	m.Limited("Mutation.login", "MOOD")
	m.Event("fire")
	m.Mail("lost")
	_, end := m.Request(httptest.NewRequest(http.MethodGet, "/", nil))
	end(777)
	got := scrape(t, m)
	for _, want := range []string{
		`graphql_requests_total{outcome="other",type="query"} 1`, `graphql_requests_total{outcome="ok",type="none"} 1`,
		`field_denials_total{field="other",reason="other"} 2`, `limit_hits_total{by="other",field="other"} 1`,
		`account_events_total{event="other"} 1`, `mails_total{outcome="other"} 1`, `http_responses_total{class="none"} 1`, `http_requests_in_flight 0`,
	} {
		if !strings.Contains(got, "\nfieldgate_"+want+"\n") {
			t.Errorf("want %s", want)
		}
	}
	if n := strings.Count(got, "\nfieldgate_"); n != series {
		t.Errorf("got %d series, want %d as before", n, series)
	}
}

// Each request reports several events.
func TestRecordingDoesNotAllocate(t *testing.T) {
	m := metrics.New(sources())
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	for name, report := range map[string]func(){
		"a request":   func() { _, end := m.Request(r); end(200) },
		"an answer":   func() { m.Operation("query", "", time.Millisecond) },
		"an error":    func() { m.Operation("query", "FORBIDDEN", time.Millisecond) },
		"a denial":    func() { m.Denied("Query.me", "forbidden") },
		"a limit":     func() { m.Limited("Mutation.login", "ADDRESS") },
		"an event":    func() { m.Event("sign-in") },
		"a wait":      func() { m.QueueWait("", time.Millisecond) },
		"the unknown": func() { m.Event("unknown") },
	} {
		if n := testing.AllocsPerRun(1000, report); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

// Scrapes share one query of the database. An unknown backlog is not reported.
func TestBacklogIsCached(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		err     error
		isKnown bool
	}{{"a database that answers", nil, true}, {"a database that does not", errors.New("no"), false}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var queries atomic.Int64
			s := sources()
			s.Backlog = func(ctx context.Context) (metrics.Backlog, error) {
				queries.Add(1)
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("want a deadline: a scrape must not wait without limit")
				}
				return metrics.Backlog{Waiting: 12}, row.err
			}
			m := metrics.New(s)
			for range 3 {
				if got := strings.Contains(scrape(t, m), "\nfieldgate_mails_waiting 12"); got != row.isKnown {
					t.Errorf("got a backlog: %v, want %v", got, row.isKnown)
				}
			}
			if queries.Load() != 1 {
				t.Errorf("got %d queries of the database, want 1", queries.Load())
			}
		})
	}
}

func TestServerWithoutMailHasNoMailMetrics(t *testing.T) {
	t.Parallel()
	s := sources()
	s.Backlog = nil
	if got := scrape(t, metrics.New(s)); strings.Contains(got, "mail") {
		t.Error(got)
	}
}

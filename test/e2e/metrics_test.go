package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fieldgate/internal/cli"
	"fieldgate/internal/server"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/version"
	"fieldgate/servertest"
)

// metricsEnv turns on metrics for a test server.
var metricsEnv = []string{"METRICS_ADDR", "127.0.0.1:0"}

// metricValues maps the series of Fieldgate to their values, by name and labels in Prometheus'
// format.
type metricValues map[string]float64

// scrape reads the metrics whose names begin with fieldgate_.
func (b *testServer) scrape() metricValues {
	b.t.Helper()
	values := metricValues{}
	for line := range strings.Lines(b.exposition()) {
		if !strings.HasPrefix(line, "fieldgate_") {
			continue
		}
		at := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			b.t.Fatalf("%v in %q", err, line)
		}
		values[line[:at]] = value
	}
	return values
}

// scrapeSeries returns the names and labels of all series, including those of Go and the process.
func (b *testServer) scrapeSeries() (series []string) {
	b.t.Helper()
	for line := range strings.Lines(b.exposition()) {
		if !strings.HasPrefix(line, "#") {
			series = append(series, line[:strings.LastIndex(line, " ")])
		}
	}
	return series
}

// exposition returns the text that Prometheus scrapes.
func (b *testServer) exposition() string {
	b.t.Helper()
	answer := httptest.NewRecorder()
	b.internal.Metrics.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		b.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// increase returns the counters that have changed since an earlier scrape and whose names begin
// with one of the prefixes.
func (s metricValues) increase(since metricValues, prefixes ...string) metricValues {
	changed := metricValues{}
	for series, value := range s {
		counts := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(series, "fieldgate_"+p) })
		if n := value - since[series]; counts && n != 0 {
			changed[strings.TrimPrefix(series, "fieldgate_")] = n
		}
	}
	return changed
}

func TestMetricsCountRequestsAndEvents(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSchema(t, reportOnlySchema(t), databaseURL, append(metricsEnv, "LIMITS", "on")...)
		b.Clock.Stop()
		user, staff, victim := b.NewUser("USER"), b.NewUser("STAFF"), b.NewUser("USER")
		b.deliver()
		failed := metricValues{
			`graphql_requests_total{outcome="INVALID_CREDENTIALS",type="mutation"}`: 1, `graphql_request_duration_seconds_count{type="mutation"}`: 1,
			`account_events_total{event="sign-in failed"}`: 1, `password_queue_wait_seconds_count`: 1, `http_responses_total{class="2xx"}`: 1,
		}
		query := func(outcome string, n float64) metricValues {
			return metricValues{
				`graphql_requests_total{outcome="` + outcome + `",type="query"}`: n, `graphql_request_duration_seconds_count{type="query"}`: n,
				`http_responses_total{class="2xx"}`: n,
			}
		}
		rejected := func(outcome, class string) metricValues {
			return metricValues{
				`graphql_requests_total{outcome="` + outcome + `",type="none"}`: 1, `graphql_request_duration_seconds_count{type="none"}`: 1,
				`http_responses_total{class="` + class + `"}`: 1,
			}
		}
		for _, row := range []struct {
			name string
			do   func()
			want []metricValues
		}{
			{"a query", func() { b.Query(user, `{ me { id } }`) }, []metricValues{query("ok", 1)}},
			{
				"a login", func() { b.Query(nil, login, "e", user.Email, "p", servertest.Password).Must() },
				[]metricValues{{
					`graphql_requests_total{outcome="ok",type="mutation"}`: 1, `graphql_request_duration_seconds_count{type="mutation"}`: 1,
					`account_events_total{event="sign-in"}`: 1, `password_queue_wait_seconds_count`: 1, `http_responses_total{class="2xx"}`: 1,
				}},
			},
			{"a wrong password", func() { b.Query(nil, login, "e", victim.Email, "p", wrongPassword) }, []metricValues{failed}},
			{
				"an exhausted limit", func() {
					for range 5 {
						b.Query(nil, login, "e", victim.Email, "p", wrongPassword)
					}
				},
				[]metricValues{failed, failed, failed, failed, {
					`graphql_requests_total{outcome="RATE_LIMITED",type="mutation"}`: 1, `graphql_request_duration_seconds_count{type="mutation"}`: 1,
					`limit_hits_total{by="ACCOUNT_AND_ADDRESS",field="Mutation.login"}`: 1, `http_responses_total{class="2xx"}`: 1,
				}},
			},
			{
				"a field that requires another role, twice: each execution counts", func() { b.Query(user, `{ a: users { edges { cursor } } b: users { edges { cursor } } }`) },
				[]metricValues{query("FORBIDDEN", 1), {`field_denials_total{field="Query.users",reason="forbidden"}`: 2}},
			},
			{
				"a gated field without a token", func() { b.Query(nil, `{ sessions { id } }`) },
				[]metricValues{query("UNAUTHENTICATED", 1), {`field_denials_total{field="Query.sessions",reason="missing"}`: 1}},
			},
			{
				"an invalid token", func() { b.Query(&servertest.User{Token: "x"}, `{ sessions { id } }`) },
				[]metricValues{query("UNAUTHENTICATED", 1), {`field_denials_total{field="Query.sessions",reason="invalid"}`: 1}},
			},
			{
				"a report-only rule", func() { b.Query(staff, `{ users { edges { cursor } } }`) },
				[]metricValues{query("ok", 1), {`field_would_deny_total{field="Query.users"}`: 1}},
			},
			{"an unparsable document", func() { b.Query(nil, `{`) }, []metricValues{rejected("GRAPHQL_PARSE_FAILED", "2xx")}},
			{"an unknown field", func() { b.Query(nil, `{ nothing }`) }, []metricValues{rejected("GRAPHQL_VALIDATION_FAILED", "2xx")}},
			{"a document over the size limits", func() { b.Query(nil, `{`+strings.Repeat("a{", 40)) }, []metricValues{rejected("QUERY_TOO_COMPLEX", "2xx")}},
			{"a GET without a query", func() { b.get("/graphql") }, []metricValues{rejected("BAD_USER_INPUT", "4xx")}},
			{"a health probe", func() { b.get("/healthz") }, []metricValues{{`http_responses_total{class="2xx"}`: 1}}},
			{
				"a sent mail", func() {
					b.Query(nil, `mutation($e: String!) { requestPasswordReset(email: $e) }`, "e", user.Email).Must()
					b.deliver()
				},
				[]metricValues{{
					`graphql_requests_total{outcome="ok",type="mutation"}`: 1, `graphql_request_duration_seconds_count{type="mutation"}`: 1,
					`mails_total{outcome="sent"}`: 1, `http_responses_total{class="2xx"}`: 1,
				}},
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				want := metricValues{}
				for _, some := range row.want {
					for series, n := range some {
						want[series] += n
					}
				}
				before := b.scrape()
				row.do()
				got := b.scrape().increase(before, "graphql_requests_total", "graphql_request_duration_seconds_count", "http_responses_total", "field_",
					"limit_", "account_", "password_queue_wait_seconds_count", "password_queue_refusals", "mails_total")
				if !maps.Equal(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			})
		}
		if got := b.scrape(); got["fieldgate_http_requests_in_flight"] != 0 || got[`fieldgate_build_info{go="`+version.Of().Go+`",version="devel"}`] != 1 {
			t.Errorf("%v", got)
		}
	})
}

// TestMetricsReportQueueDatabaseAndOutbox checks the metrics that are read from other components at
// each scrape.
func TestMetricsReportQueueDatabaseAndOutbox(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, metricsEnv...)
		b.Clock.Stop()
		b.NewUser("USER")
		b.Clock.Advance(90_000_000_000)
		b.NewUser("USER")
		statements := float64(b.internal.Store.Queries())
		got, queue := b.scrape(), b.internal.Queue.State()
		for series, want := range map[string]float64{
			"mails_waiting": 2, "mails_oldest_age_seconds": 90, "database_connections_max": float64(b.internal.Store.Pool().MaxOpenConnections),
			"password_queue_waiting": 0, "password_queue_busy_threads": 0, "password_queue_refusals_total": 0,
			"password_queue_threads": float64(queue.Threads), "password_queue_room": float64(queue.Room),
		} {
			if value, there := got["fieldgate_"+series]; !there || value != want {
				t.Errorf("%s is %v, want %v", series, value, want)
			}
		}
		// The scrape itself sends two.
		if n := got["fieldgate_database_statements_total"] - statements; n < 0 || n > 2 {
			t.Errorf("the scrape counted %v more statements, want at most 2", n)
		}
		b.deliver()
		if again := b.scrape(); again["fieldgate_mails_waiting"] != 2 {
			t.Error("each scrape queries the outbox, want a cached count")
		}
	})
}

// TestMetricsAnswerWithoutADatabase checks that a scrape answers at once without a database, and
// omits the series that need one.
func TestMetricsAnswerWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), metricsEnv...)
	p := b.NewUser("USER")
	if err := b.internal.Store.Close(); err != nil {
		t.Fatal(err)
	}
	code, _ := b.Query(p, `{ me { id } }`).Errors[0].Extensions["code"].(string)
	got := b.scrape()
	if _, there := got["fieldgate_mails_waiting"]; there || got[`fieldgate_graphql_requests_total{outcome="`+code+`",type="query"}`] != 1 {
		t.Errorf("code %s: got the series %v", code, got)
	}
}

// TestMetricsContainNoClientInput checks that client input creates no series and appears in none.
func TestMetricsContainNoClientInput(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), metricsEnv...)
	p := b.NewUser("USER")
	before := b.scrape()
	many := 200
	if dbtest.Exhaustive() {
		many = 10_000
	}
	for i := range many {
		switch i % 5 {
		case 0:
			b.Query(nil, fmt.Sprintf(`query Hostile%d { hostile%d: __typename }`, i, i))
		case 1:
			b.Query(nil, fmt.Sprintf(`{ hostile%d }`, i))
		case 2:
			b.Query(nil, `mutation($e: String!) { requestPasswordReset(email: $e) }`, "e", fmt.Sprintf("hostile%d@example.com", i))
		case 3:
			b.Do(b.newRequest(fmt.Sprintf("HOSTILE%d", i), fmt.Sprintf("/hostile%d", i)))
		case 4:
			b.QueryWith(http.Header{"Authorization": {fmt.Sprint("hostile", i)}, "User-Agent": {fmt.Sprint("hostile", i)}}, fmt.Sprintf(`query Hostile%d { hostile%d: me { hostile%d: id } }`, i, i, i))
		}
	}
	after := b.scrape()
	if was, is := slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)); !slices.Equal(was, is) {
		t.Errorf("%d series before the requests, %d after, want the same", len(was), len(is))
	}
	for series := range after {
		for _, personal := range []string{"ostile", "HOSTILE", p.Email, p.ID, "127.0.0.1", "Somebody"} {
			if strings.Contains(series, personal) {
				t.Errorf("%s contains %q", series, personal)
			}
		}
	}
	if n := after[`fieldgate_http_responses_total{class="4xx"}`]; n < float64(many/5) {
		t.Errorf("%v requests were answered with 4xx, want at least %d", n, many/5)
	}
	if len(after) > 1000 {
		t.Errorf("%d series, want at most 1000", len(after))
	}
}

func (b *testServer) newRequest(method, path string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func TestEveryEventIsCounted(t *testing.T) {
	t.Parallel()
	// Counted by field instead.
	bySchema := []string{account.EventDenied, account.EventWouldBeDenied}
	if got, want := sorted(append(account.Events(), bySchema...)), sorted(slices.Clone(events)); !slices.Equal(got, want) {
		t.Errorf("counted events are %q, logged ones %q", got, want)
	}
}

// TestMetricsAreServedOnTheirOwnAddressOnly checks that metrics and profiles are served on
// METRICS_ADDR only, and only while the server runs.
func TestMetricsAreServedOnTheirOwnAddressOnly(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), metricsEnv...)
	metrics, err := b.internal.ListenForMetrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := servertest.Listen(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.internal.Serve(ctx, server.Listeners{API: []net.Listener{l}, Metrics: metrics}) }()
	inside, outside := "http://"+metrics.Addr().String(), "http://"+l.Addr().String()
	b.URL = outside
	b.UntilReady()
	for _, row := range []struct {
		name, url string
		status    int
		body      string
	}{
		{"the metrics", inside + "/metrics", 200, "fieldgate_graphql_requests_total{"},
		{"the metrics of Go", inside + "/metrics", 200, "\ngo_goroutines "},
		{"the index of profiles", inside + "/debug/pprof/", 200, "goroutine"},
		{"a profile", inside + "/debug/pprof/goroutine?debug=1", 200, "goroutine profile:"},
		{"no API", inside + "/graphql", 404, ""},
		{"no probes", inside + "/healthz", 404, ""},
		{"nothing else", inside + "/", 404, ""},
		{"no metrics for the public", outside + "/metrics", 404, ""},
		{"no profiles for the public", outside + "/debug/pprof/", 404, ""},
		{"no heap for the public", outside + "/debug/pprof/heap", 404, ""},
		{"the API for the public", outside + "/readyz", 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			response, err := http.Get(row.url)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != row.status || !strings.Contains(string(body), row.body) {
				t.Errorf("got %d %v %.200s, want %d with %q", response.StatusCode, err, body, row.status, row.body)
			}
		})
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", metrics.Addr().String()); err == nil {
		c.Close()
		t.Error("metrics are still served after the server has stopped")
	}
}

func TestMetricsPortInUseStopsTheStart(t *testing.T) {
	t.Parallel()
	taken := servertest.Listen(t)
	defer taken.Close()
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "PORT": "0", "METRICS_ADDR": taken.Addr().String(), "JWT_SECRET": servertest.Secret, "LOG_LEVEL": "error"}
	status, _, stderr := servertest.RunCLI(t, env, "")
	if status != cli.StatusFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "METRICS_ADDR") || !strings.Contains(stderr, "in use") {
		t.Errorf("%d %s", status, stderr)
	}
}

func TestMetricsAreOffByDefault(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	if l, err := b.internal.ListenForMetrics(t.Context()); b.internal.Metrics != nil || b.internal.Queue.OnWait != nil || l != nil || err != nil {
		t.Errorf("%v %v", l, err)
	}
}

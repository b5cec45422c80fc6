package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// traceCollector is an OTLP collector.
type traceCollector struct {
	*httptest.Server
	mu       sync.Mutex
	raw      bytes.Buffer // all requests, unparsed
	header   http.Header
	resource map[string]string
	spans    []*otlp.Span
}

func newTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	r := &traceCollector{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		var batch otlp.TracesData // has the fields of an ExportTraceServiceRequest
		if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &batch) != nil {
			http.Error(w, "no traces", http.StatusBadRequest)
			return
		}
		r.store(request.Header, body, &batch)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *traceCollector) store(header http.Header, body []byte, batch *otlp.TracesData) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw.Write(body)
	r.header = header
	for _, resource := range batch.ResourceSpans {
		r.resource = map[string]string{}
		for _, a := range resource.Resource.Attributes {
			r.resource[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

// exportedSpans flushes the traces and returns all spans received so far.
func (b *testServer) exportedSpans(r *traceCollector) []*otlp.Span {
	b.t.Helper()
	if err := b.internal.Traces.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

func spanAttributes(s *otlp.Span) map[string]string {
	list := map[string]string{}
	for _, a := range s.Attributes {
		list[a.Key] = a.Value.GetStringValue()
		if n := a.Value.GetIntValue(); n != 0 {
			list[a.Key] = fmt.Sprint(n)
		}
	}
	return list
}

// tree renders a trace as text: each span below its parent, ordered by start time.
func tree(spans []*otlp.Span, parent []byte, indent string) (text string) {
	children := slices.DeleteFunc(slices.Clone(spans), func(s *otlp.Span) bool { return !bytes.Equal(s.ParentSpanId, parent) })
	slices.SortStableFunc(children, func(a, b *otlp.Span) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
	for _, s := range children {
		text += indent + s.Name + "\n" + tree(spans, s.SpanId, indent+"  ")
	}
	return text
}

const (
	callerTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpanID  = "00f067aa0ba902b7"
	// The caller's span is not sampled.
	callerTraceparent = "00-" + callerTraceID + "-" + callerSpanID + "-00"
)

// spansOfTrace returns the spans of a trace.
func spansOfTrace(spans []*otlp.Span, id string) []*otlp.Span {
	return slices.DeleteFunc(slices.Clone(spans), func(s *otlp.Span) bool { return fmt.Sprintf("%x", s.TraceId) != id })
}

func TestTraceHasSpansOfQueueHashAndStatements(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newTraceCollector(t)
		b := boot(t, databaseURL, "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL, "OTEL_EXPORTER_OTLP_HEADERS", "X-Key=a%20key", "OTEL_SERVICE_NAME", "accounts",
			"OTEL_RESOURCE_ATTRIBUTES", "team=a")
		p := b.NewUser("USER")
		got := b.QueryWith(http.Header{"Traceparent": {callerTraceparent}, "Tracestate": {"a=b"}}, login, "e", p.Email, "p", servertest.Password).Must()
		trace := spansOfTrace(b.exportedSpans(r), callerTraceID)
		want := `mutation login
  SELECT users
  password wait
  password hash
  SELECT factors
  transaction
    SELECT users
    INSERT sessions
    SELECT sessions
    SELECT trusted_places
    INSERT trusted_places
    SELECT trusted_places
    INSERT audit
`
		var caller []byte
		_, _ = fmt.Sscanf(callerSpanID, "%x", &caller)
		if text := tree(trace, caller, ""); text != want {
			t.Fatalf("got\n%swant\n%s", text, want)
		}
		request := trace[slices.IndexFunc(trace, func(s *otlp.Span) bool { return s.Name == "mutation login" })]
		for key, value := range map[string]string{
			"graphql.operation.type": "mutation", "http.request.method": "POST", "http.route": "/graphql", "http.response.status_code": "200",
			"fieldgate.request_id": got.Header.Get("X-Request-Id"),
		} {
			if spanAttributes(request)[key] != value {
				t.Errorf("%s is %q, want %q", key, spanAttributes(request)[key], value)
			}
		}
		if request.Kind != otlp.Span_SPAN_KIND_SERVER || request.TraceState != "" || len(request.Attributes) != 5 {
			t.Errorf("the request's span is %v", request)
		}
		statement := trace[slices.IndexFunc(trace, func(s *otlp.Span) bool { return s.Name == "SELECT users" })]
		if a := spanAttributes(statement); !strings.Contains(a["db.query.text"], "?") || a["db.system.name"] == "" || statement.Kind != otlp.Span_SPAN_KIND_CLIENT {
			t.Errorf("the statement's span is %v", statement)
		}
		if r.resource["service.name"] != "accounts" || r.resource["team"] != "a" || r.resource["service.version"] != "devel" || r.header.Get("X-Key") != "a key" {
			t.Errorf("got the resource %v and the headers %v", r.resource, r.header)
		}
		for _, message := range []string{"http request", "sign-in"} {
			lines := b.logLines(got, message)
			if len(lines) != 1 || lines[0]["trace_id"] != callerTraceID || lines[0]["span_id"] != fmt.Sprintf("%x", request.SpanId) {
				t.Errorf("the log lines %v do not name the trace and the span", lines)
			}
		}
	})
}

// TestSpanNamesComeFromTheSchema checks that span names are from a closed list and errors are
// codes, without client input.
func TestSpanNamesComeFromTheSchema(t *testing.T) {
	t.Parallel()
	r := newTraceCollector(t)
	b := boot(t, dbtest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	user := b.NewUser("USER")
	gone := boot(t, dbtest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	if err := gone.internal.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for i, row := range []struct {
		name  string
		b     *testServer
		do    func(h http.Header)
		span  string
		code  string
		fails bool
	}{
		{"a field by its own name", b, func(h http.Header) { b.QueryWith(h, `query Hostile { hostile: permissions { field } }`) }, "query permissions", "UNAUTHENTICATED", false},
		{"the first of several", b, func(h http.Header) { b.QueryWith(h, `{ permissions { field } me { id } }`) }, "query permissions …", "UNAUTHENTICATED", false},
		{"a field in fragments", b, func(h http.Header) { b.QueryWith(h, `{ ... { ...Hostile } } fragment Hostile on Query { me { id } }`) }, "query me", "UNAUTHENTICATED", false},
		{"an unparsable document", b, func(h http.Header) { b.QueryWith(h, `{ hostile `) }, "POST /graphql", "GRAPHQL_PARSE_FAILED", false},
		{"an unknown method", b, func(h http.Header) { b.sendWithHeader(h, "HOSTILE", "/graphql") }, "HTTP /graphql", "BAD_USER_INPUT", false},
		{"a page", b, func(h http.Header) { b.sendWithHeader(h, "GET", "/verify-email?token=hostile") }, "GET /verify-email", "", false},
		{"an unknown page", b, func(h http.Header) { b.sendWithHeader(h, "PUT", "/hostile") }, "PUT", "", false},
		{"an internal error", gone, func(h http.Header) { h.Set("Authorization", "Bearer "+user.Token); gone.QueryWith(h, `{ me { id } }`) }, "query me", "INTERNAL", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			id := fmt.Sprintf("%032x", i+1)
			row.do(http.Header{"Traceparent": {"00-" + id + "-" + callerSpanID + "-01"}})
			row.b.exportedSpans(r)
			trace := spansOfTrace(b.exportedSpans(r), id)
			i := slices.IndexFunc(trace, func(s *otlp.Span) bool { return s.Kind == otlp.Span_SPAN_KIND_SERVER })
			if i < 0 {
				t.Fatal("the trace has no server span")
			}
			span := trace[i]
			if span.Name != row.span || spanAttributes(span)["error.type"] != row.code || (span.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR) != row.fails {
				t.Errorf("got the span %v, want %s with error.type %q", span, row.span, row.code)
			}
		})
	}
	if strings.Contains(strings.ToLower(r.raw.String()), "hostile") {
		t.Error("client input is in a trace")
	}
}

func (b *testServer) sendWithHeader(h http.Header, method, path string) {
	b.t.Helper()
	r := b.newRequest(method, path)
	r.Header = h
	b.Do(r)
}

// TestTraceparentIsContinuedOrIgnored checks that an invalid traceparent begins a new trace, like a
// missing one.
func TestTraceparentIsContinuedOrIgnored(t *testing.T) {
	t.Parallel()
	r := newTraceCollector(t)
	b := boot(t, dbtest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	for _, row := range []struct {
		name      string
		header    []string
		continued bool
	}{
		{"a sampled caller", []string{"00-" + callerTraceID + "-" + callerSpanID + "-01"}, true},
		{"a caller that is not sampled", []string{callerTraceparent}, true},
		{"no header", nil, false},
		{"two headers", []string{callerTraceparent, callerTraceparent}, false},
		{"a trace ID of zeros", []string{"00-" + strings.Repeat("0", 32) + "-" + callerSpanID + "-01"}, false},
		{"an invalid value", []string{"hostile"}, false},
		{"a long value", []string{strings.Repeat("0", 8000)}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := b.QueryWith(http.Header{"Traceparent": row.header}, `{ __typename }`).Must()
			line := b.logLines(got, "http request")[0]
			id, _ := line["trace_id"].(string)
			if len(id) != 32 || (id == callerTraceID) != row.continued {
				t.Errorf("the trace ID is %q, continued: want %v", id, row.continued)
			}
			if len(spansOfTrace(b.exportedSpans(r), id)) == 0 {
				t.Error("the trace was not exported")
			}
		})
	}
}

// TestTracesContainNoPersonalData checks that no personal data is exported, whatever users do.
func TestTracesContainNoPersonalData(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newTraceCollector(t)
		b := boot(t, databaseURL, "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
		const userName, agent, wrong = "Zaphod Beeblebrox", "Heart of Gold/42", "a wrong password of mine"
		h := http.Header{"User-Agent": {agent}, "X-Forwarded-For": {"203.0.113.77"}}
		as := func(p *servertest.User) http.Header {
			h := h.Clone()
			h.Set("Authorization", "Bearer "+p.Token)
			return h
		}
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		d := b.newDevice(p, true)
		b.QueryWith(as(p), `mutation($n: String!) { updateProfile(input: {name: $n}) { name email } }`, "n", userName).Must()
		b.QueryWith(h, login, "e", p.Email, "p", wrong)
		b.QueryWith(h, login, "e", "stranger@example.com", "p", wrong)
		// The address is taken.
		b.QueryWith(h, `mutation { register(input: {name: "`+userName+`", email: "`+p.Email+`", password: "`+servertest.Password+`"}) { accessToken } }`)
		b.QueryWith(as(p), `{ users { edges { node { email } } } }`)
		b.QueryWith(as(admin), `{ users(search: "`+userName+`") { edges { node { email name } } } user(id: "`+p.ID+`") { email } auditLog { edges { node { event ip } } } }`).Must()
		b.QueryWith(as(p), requestChange, "e", "elsewhere@example.com", "p", servertest.Password).Must()
		reset := b.resetToken(p) // also delivers mail
		b.QueryWith(h, resetPassword, "t", reset, "p", newPassword).Must()
		b.QueryWith(h, refreshInBody, "t", d.refresh)
		b.deliver()
		spans := b.exportedSpans(r)
		if i := slices.IndexFunc(spans, func(s *otlp.Span) bool { return s.Name == "mail send" }); i < 0 || len(spans[i].ParentSpanId) == 0 {
			t.Error("no span of a mail has a parent span")
		}
		if len(spans) < 50 {
			t.Errorf("%d spans, want at least 50", len(spans))
		}
		for name, secret := range map[string]string{
			"an address": p.Email, "an unknown address": "stranger@example.com", "a new address": "elsewhere@example.com", "any address": "@example.com", "a name": userName, "a part of a name": "eeblebrox",
			"a password": servertest.Password, "a wrong password": wrong, "a new password": newPassword, "an access token": p.Token, "a refresh token": d.refresh, "a token of a mail": reset,
			"a user ID": p.ID, "a session ID": d.session, "a User-Agent": agent, "a forwarded IP": "203.0.113.77", "a client IP": "127.0.0.1", "a hash": "$2a$",
		} {
			if strings.Contains(r.raw.String(), secret) {
				t.Errorf("the traces contain %s: %s", name, secret)
			}
		}
	})
}

// TestUnresponsiveTraceCollectorDoesNotBlock checks that a collector that is down or never responds
// delays no request, delays a stop by a bounded time, and is logged without repetition.
func TestUnresponsiveTraceCollectorDoesNotBlock(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	silence := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silence }))
	t.Cleanup(func() { close(silence); silent.Close() })
	for _, row := range []struct{ name, url string }{{"a collector that is down", gone.URL}, {"a collector that never responds", silent.URL}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT", row.url, "LOG_LEVEL", "info")
			p := b.NewUser("USER")
			for range 1200 { // more spans than the queue holds
				b.Query(p, `{ me { id } }`).Must()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_ = b.internal.Traces.Flush(ctx) // starts sending
			start := time.Now()
			if err := b.internal.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 2*server.FlushTimeout {
				t.Errorf("the stop took %v, want at most %v", took, 2*server.FlushTimeout)
			}
			warnings := 0
			for _, line := range b.Log.Records(b.t) {
				if line["level"] == "WARN" {
					warnings++
				}
			}
			if warnings == 0 || warnings > 2 { // one for lost spans, one for the last spans
				t.Errorf("%d warnings, want 1 or 2", warnings)
			}
		})
	}
}

func TestTracesAreOffByDefault(t *testing.T) {
	t.Parallel()
	r := newTraceCollector(t)
	for _, row := range []struct {
		name string
		env  []string
		on   bool
		sent bool
	}{
		{"nothing is set", nil, false, false},
		{"an endpoint", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", r.URL}, true, true},
		{"an endpoint of traces", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", r.URL + "/v1/traces"}, true, true},
		{"disabled", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", r.URL, "OTEL_SDK_DISABLED", "true"}, false, false},
		{"no exporter", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", r.URL, "OTEL_TRACES_EXPORTER", "none"}, false, false},
		{"a sampler that drops all", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", r.URL, "OTEL_TRACES_SAMPLER", "parentbased_always_off"}, true, false},
		{"a sampling ratio of 0", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", r.URL, "OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0"}, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := boot(t, dbtest.SQLite(t), row.env...)
			before := len(r.spans)
			got := b.QueryWith(http.Header{"Traceparent": {"00-" + callerTraceID + "-" + callerSpanID + "-01"}}, `{ __typename }`).Must()
			if (b.internal.Traces != nil) != row.on {
				t.Fatalf("traces are on: %v, want %v", b.internal.Traces != nil, row.on)
			}
			if _, named := b.logLines(got, "http request")[0]["trace_id"]; named != row.on {
				t.Errorf("the log names a trace: %v, want %v", named, row.on)
			}
			if row.on && (len(b.exportedSpans(r)) > before) != row.sent {
				t.Errorf("%d spans were exported, want some: %v", len(r.spans)-before, row.sent)
			}
		})
	}
}

// TestStopFlushesTraces checks that a server that stops exports the traces of its last requests.
func TestStopFlushesTraces(t *testing.T) {
	t.Parallel()
	r := newTraceCollector(t)
	b := boot(t, dbtest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	l := servertest.Listen(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.internal.Serve(ctx, server.Listeners{API: []net.Listener{l}}) }()
	b.URL = "http://" + l.Addr().String()
	b.UntilReady()
	b.QueryWith(http.Header{"Traceparent": {callerTraceparent}}, `{ __typename }`).Must()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(spansOfTrace(r.spans, callerTraceID)) != 1 {
		t.Errorf("got the spans %v, want one of the caller's trace", r.spans)
	}
}

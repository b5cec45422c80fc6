// Package trace says what the server is busy with while it answers a request, and for how long: spans, as OpenTelemetry has
// them. Rooms start spans below the one of the request; where nobody asked for traces, or this request is not among those
// that are traced, there is none, and nothing is done or allocated.
//
//	ctx, span := trace.Start(ctx, "password hash")
//	…
//	span.End(err != nil)
//
// A span has a name from a closed list and no personal data: no address, no id of a person, no value that a client sent, and
// no error's text, since databases and mail servers repeat those. It is joined with the log by the trace's id and by the
// request's.
//
// Together with [export], which sends spans, it is the only package that knows OpenTelemetry.
package trace

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Attr is something that a span says.
type Attr = attribute.KeyValue

// String is an attribute. The value is from a closed list, or the server's own.
func String(key, value string) Attr { return attribute.String(key, value) }

// Int is an attribute.
func Int(key string, value int) Attr { return attribute.Int(key, value) }

// Span is a stretch of time in a trace. The zero Span is nobody's, and does nothing.
type Span struct{ span trace.Span }

// From returns the span that ctx stands in.
func From(ctx context.Context) Span {
	if s := trace.SpanFromContext(ctx); s.IsRecording() {
		return Span{s}
	}
	return Span{}
}

// IsRecording reports whether somebody writes the span down. Set, with attributes that have to be made, is worth a question.
func (s Span) IsRecording() bool { return s.span != nil }

// Set adds attributes.
func (s Span) Set(attrs ...Attr) {
	if s.span != nil {
		s.span.SetAttributes(attrs...)
	}
}

// Rename gives a span another name.
func (s Span) Rename(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Fail says that what the span is about went wrong, by a fault that is not the client's.
func (s Span) Fail() {
	if s.span != nil {
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends the span; failed is Fail before it.
func (s Span) End(failed bool) {
	if s.span == nil {
		return
	}
	if failed {
		s.Fail()
	}
	s.span.End()
}

// Within puts ctx into the span: what is started with it is a part of the span.
func (s Span) Within(ctx context.Context) context.Context {
	if s.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// scopeName names the code that makes spans.
const scopeName = "fieldgate"

// Start begins a span below the one of ctx; there is none if there is no such.
func Start(ctx context.Context, name string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scopeName).Start(ctx, name)
	return ctx, Span{span}
}

// RecordCall writes down a call of another system, below the span of ctx, that began at begin and has just ended.
func RecordCall(ctx context.Context, begin time.Time, name string, failed bool, attrs ...Attr) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer(scopeName).Start(ctx, name,
		trace.WithTimestamp(begin), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	Span{span}.End(failed)
}

// LogAttrs names the trace and the span of ctx, for a line in the log; nil if there is none.
func LogAttrs(ctx context.Context) []slog.Attr {
	c := trace.SpanContextFromContext(ctx)
	if !c.IsValid() {
		return nil
	}
	return []slog.Attr{slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String())}
}

// Tracer begins traces. A nil Tracer begins none.
type Tracer struct{ tracer trace.Tracer }

// NewTracer is a tracer whose spans p takes.
func NewTracer(p trace.TracerProvider) *Tracer { return &Tracer{p.Tracer(scopeName)} }

// Start begins a span that is a trace of its own, for work that no request waits for.
func (t *Tracer) Start(ctx context.Context, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithNewRoot())
	if !span.IsRecording() {
		return ctx, Span{}
	}
	return ctx, Span{span}
}

// Request begins the span of an HTTP request, and returns what is to be told the status of the answer, 0 if there was none.
// The route is the pattern that the request has matched, "" if none.
//
// A traceparent header (W3C Trace Context, section 3.2) is continued: the request is a part of its caller's trace. Nothing
// else of it counts: anybody may send one, so whether the caller is sampled is not believed, nor is a tracestate passed on.
func (t *Tracer) Request(r *http.Request, route, requestID string) (ctx context.Context, end func(status int)) {
	ctx = r.Context()
	if parent := remoteParent(r); parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	method := methodOf(r)
	name := method
	if method == otherMethod {
		name = "HTTP"
	}
	attrs := []Attr{String("http.request.method", method), String("fieldgate.request_id", requestID)}
	if route != "" {
		name += " " + route
		attrs = append(attrs, String("http.route", route))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
	return ctx, func(status int) {
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		Span{span}.End(status == 0 || status >= http.StatusInternalServerError)
	}
}

func remoteParent(r *http.Request) trace.SpanContext {
	if len(r.Header["Traceparent"]) != 1 {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
	c := trace.SpanContextFromContext(ctx)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: c.TraceID(), SpanID: c.SpanID(), Remote: true})
}

// otherMethod is what OpenTelemetry calls a method that is none of the usual.
const otherMethod = "_OTHER"

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return otherMethod
}

package trace_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"fieldgate/internal/trace"
)

// Without traces, the calls cost nothing.
func TestNoTraceDoesNotAllocate(t *testing.T) {
	ctx := httptest.NewRequest(http.MethodPost, "/graphql", nil).Context()
	var none *trace.Tracer
	for name, do := range map[string]func(){
		"a span":           func() { _, span := trace.Start(ctx, "password hash"); span.End(false) },
		"a call":           func() { trace.RecordCall(ctx, time.Time{}, "SELECT users", false) },
		"a question":       func() { _ = trace.From(ctx).IsRecording() },
		"a context":        func() { _ = trace.From(ctx).Within(ctx) },
		"a line":           func() { _ = trace.LogAttrs(ctx) },
		"a trace's begin":  func() { _, span := none.Start(ctx, "mail"); span.End(true) },
		"what is not kept": func() { span := trace.From(ctx); span.Rename("x"); span.Fail() },
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

func TestNoTraceChangesNothing(t *testing.T) {
	t.Parallel()
	ctx, span := trace.Start(t.Context(), "password hash")
	if ctx != t.Context() || span.IsRecording() || span.Within(ctx) != ctx || trace.LogAttrs(context.Background()) != nil {
		t.Error("got a recorded span, want none")
	}
}

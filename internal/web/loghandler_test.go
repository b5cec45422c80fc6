package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"testing/slogtest"

	"fieldgate/internal/web"
)

// requestContext returns the context of a request and the request's id.
func requestContext() (ctx context.Context, id string) {
	get(web.RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() })), "/")
	return ctx, web.RequestIDFrom(ctx)
}

func TestLogHandlerConformsToSlog(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return web.LogHandler(slog.NewJSONHandler(&out, nil))
	}, func(t *testing.T) map[string]any {
		var record map[string]any
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		return record
	})
}

func TestLogHandlerAddsRequestIDAtTopLevel(t *testing.T) {
	ctx, id := requestContext()
	for _, tt := range []struct {
		name string
		with func(*slog.Logger) *slog.Logger
		want string // without the id
	}{
		{"a plain logger", func(l *slog.Logger) *slog.Logger { return l }, `{"k":"v"}`},
		{"attributes", func(l *slog.Logger) *slog.Logger { return l.With("a", 1).With() }, `{"a":1,"k":"v"}`},
		{"a group", func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") }, `{"g":{"k":"v"}}`},
		{"attributes before, between and in groups", func(l *slog.Logger) *slog.Logger {
			return l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").WithGroup("").With("c", 3)
		}, `{"a":1,"g":{"b":2,"h":{"c":3,"k":"v"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			only := func(groups []string, a slog.Attr) slog.Attr {
				if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
					return slog.Attr{}
				}
				return a
			}
			logger := tt.with(slog.New(web.LogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: only}))))

			logger.InfoContext(context.Background(), "m", "k", "v")
			if got := out.String(); got != tt.want+"\n" {
				t.Errorf("outside a request: got %s, want %s", got, tt.want)
			}

			out.Reset()
			logger.InfoContext(ctx, "m", "k", "v")
			var record map[string]any
			if err := json.Unmarshal(out.Bytes(), &record); err != nil {
				t.Fatal(err)
			}
			if record["request_id"] != id {
				t.Errorf("want request_id at the top level: %s", out.String())
			}
			delete(record, "request_id")
			if got, err := json.Marshal(record); err != nil || string(got) != tt.want {
				t.Errorf("got %s, error %v, want %s", got, err, tt.want)
			}
		})
	}
}

// Loggers derived from one logger share its attributes, but not each other's.
func TestLogHandlerSiblingsShareNoAttributes(t *testing.T) {
	ctx, _ := requestContext()
	logger, log := newLogger(slog.LevelInfo)
	parent := logger.WithGroup("g").With("x", 0).With("y", 0)
	a, b := parent.With("a", 1), parent.With("b", 2)
	a.InfoContext(ctx, "m")
	b.InfoContext(ctx, "m")
	for i, key := range []string{"a", "b"} {
		group, _ := parseLog(t, log)[i]["g"].(map[string]any)
		if _, ok := group[key]; !ok || len(group) != 3 {
			t.Errorf("%s: got group %v, want x, y and %s", key, group, key)
		}
	}
}

func TestLogHandlerDoesNotChangeTheRecord(t *testing.T) {
	ctx, _ := requestContext()
	record := slog.Record{Message: "m"}
	record.AddAttrs(slog.Int("a", 1), slog.Int("b", 2), slog.Int("c", 3), slog.Int("d", 4), slog.Int("e", 5), slog.Int("f", 6))
	copied := record
	if err := web.LogHandler(slog.DiscardHandler).Handle(ctx, record); err != nil {
		t.Fatal(err)
	}
	if copied.NumAttrs() != record.NumAttrs() {
		t.Errorf("got %d attributes, want %d", record.NumAttrs(), copied.NumAttrs())
	}
}

// Extracted attributes are beside the request's id, even below a group.
func TestLogHandlerAddsExtractedAttributes(t *testing.T) {
	ctx, id := requestContext()
	extract := func(context.Context) []slog.Attr { return []slog.Attr{slog.String("trace_id", "t")} }
	for _, ctx := range []context.Context{ctx, context.Background()} {
		for _, with := range []func(*slog.Logger) *slog.Logger{
			func(l *slog.Logger) *slog.Logger { return l },
			func(l *slog.Logger) *slog.Logger { return l.With("a", 1).WithGroup("g").With("b", 2) },
		} {
			var out bytes.Buffer
			with(slog.New(web.LogHandler(slog.NewJSONHandler(&out, nil), extract))).InfoContext(ctx, "m", "k", "v")
			var record map[string]any
			if err := json.Unmarshal(out.Bytes(), &record); err != nil {
				t.Fatal(err)
			}
			if hasID := record["request_id"] == id; record["trace_id"] != "t" || hasID != (web.RequestIDFrom(ctx) != "") {
				t.Errorf("got line %s", out.String())
			}
		}
	}
}

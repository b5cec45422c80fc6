package web_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/web"
)

// newLogger returns a logger like the server's, and its output.
func newLogger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	h := slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})
	return slog.New(web.LogHandler(h)), &out
}

// parseLog returns the records of a log. A line that is not a record fails the test.
func parseLog(t *testing.T, log *bytes.Buffer) (records []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		records = append(records, record)
	}
	return records
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func TestChainRunsFirstMiddlewareOutermost(t *testing.T) {
	var seen []string
	middleware := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, name)
				next.ServeHTTP(w, r)
				seen = append(seen, "/"+name)
			})
		}
	}
	end := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = append(seen, "end") })
	get(web.Chain(end, middleware("a"), middleware("b")), "/")
	if want := []string{"a", "b", "end", "/b", "/a"}; !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

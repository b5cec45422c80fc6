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

// newLogger is a logger as the server has it, and where its lines go.
func newLogger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	h := slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})
	return slog.New(web.LogHandler(h)), &out
}

// parseLog are the log's records; a line that is not one record fails the test.
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
	mark := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, name)
				next.ServeHTTP(w, r)
				seen = append(seen, "/"+name)
			})
		}
	}
	end := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = append(seen, "end") })
	get(web.Chain(end, mark("a"), mark("b")), "/")
	if want := []string{"a", "b", "end", "/b", "/a"}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

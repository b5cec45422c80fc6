package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"fieldgate/internal/web"
)

func TestInstrumentObservesEveryRequest(t *testing.T) {
	t.Parallel()
	type key struct{}
	for _, row := range []struct {
		name   string
		handle http.HandlerFunc
		status int
	}{
		{"a handler that writes nothing says 200", func(http.ResponseWriter, *http.Request) {}, 200},
		{"a body without a status is 200", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, 200},
		{"the status is what the client got", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404},
		{"the first of two statuses is what the client got", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, 404},
		{"a panic before the answer has no status", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var ended []int
			watch := web.Instrument(func(r *http.Request) (context.Context, func(int)) {
				return context.WithValue(r.Context(), key{}, "begun"), func(status int) { ended = append(ended, status) }
			})
			handler := watch(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Context().Value(key{}) != "begun" {
					t.Error("want the context of begin in the request")
				}
				row.handle(w, r)
			}))
			func() {
				defer func() { _ = recover() }()
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			}()
			if len(ended) != 1 || ended[0] != row.status {
				t.Errorf("got ends %v, want one with status %d", ended, row.status)
			}
		})
	}
}

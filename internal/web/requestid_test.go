package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"fieldgate/internal/web"
)

func TestRequestID(t *testing.T) {
	var inside string
	h := web.RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inside = web.RequestIDFrom(r.Context())
	}))
	seen := map[string]bool{}
	for range 100 {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Header.Set("X-Request-Id", "theirs")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Header().Get("X-Request-Id") != inside {
			t.Fatalf("got header %q and context %q, want them equal", w.Header().Get("X-Request-Id"), inside)
		}
		if len(inside) < 26 || inside == "theirs" || seen[inside] {
			t.Fatalf("got id %q: it is short, the client's or not unique", inside)
		}
		seen[inside] = true
	}
}

func TestRequestIDOutsideRequestIsEmpty(t *testing.T) {
	if id := web.RequestIDFrom(t.Context()); id != "" {
		t.Errorf("got id %q, want none", id)
	}
}

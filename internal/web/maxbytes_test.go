package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fieldgate/internal/web"
)

func TestMaxBytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		over bool
	}{
		{"a body within the limit is read", "12345", false},
		{"one byte more is refused", "123456", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			h := web.MaxBytes(5)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, err = io.ReadAll(r.Body) }))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body)))
			if _, over := errors.AsType[*http.MaxBytesError](err); over != tt.over {
				t.Errorf("got error %v, want a MaxBytesError: %v", err, tt.over)
			}
		})
	}
}

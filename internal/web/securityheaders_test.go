package web_test

import (
	"net/http"
	"testing"

	"fieldgate/internal/web"
)

func TestSecurityHeaders(t *testing.T) {
	w := get(web.SecurityHeaders(http.NotFoundHandler()), "/")
	for name, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"X-Frame-Options":         "DENY",
		"Content-Security-Policy": "frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAPageBringsItsOwnPolicy(t *testing.T) {
	w := get(web.SecurityHeaders(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
	})), "/")
	if got := w.Header().Values("Content-Security-Policy"); len(got) != 1 || got[0] != "default-src 'self'; frame-ancestors 'none'" {
		t.Errorf("Content-Security-Policy: %q", got)
	}
}

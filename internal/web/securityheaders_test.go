package web_test

import (
	"net/http"
	"testing"

	"fieldgate/internal/web"
)

func TestSecurityHeaders(t *testing.T) {
	for https, hsts := range map[bool]string{false: "", true: "max-age=31536000"} {
		w := get(web.SecurityHeaders(https)(http.NotFoundHandler()), "/")
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"X-Frame-Options":              "DENY",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Strict-Transport-Security":    hsts,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("https %v: %s: %q, want %q", https, name, got, want)
			}
		}
	}
}

func TestAPageBringsItsOwnPolicy(t *testing.T) {
	w := get(web.SecurityHeaders(false)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
	})), "/")
	if got := w.Header().Values("Content-Security-Policy"); len(got) != 1 || got[0] != "default-src 'self'; frame-ancestors 'none'" {
		t.Errorf("Content-Security-Policy: %q", got)
	}
}

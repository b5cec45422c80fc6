package web_test

import (
	"net/http"
	"testing"

	"fieldgate/internal/web"
)

func TestSecurityHeaders(t *testing.T) {
	for with, hsts := range map[[2]bool]string{
		{false, false}: "", {false, true}: "", {true, false}: "max-age=31536000", {true, true}: "max-age=31536000; includeSubDomains",
	} {
		w := get(web.SecurityHeaders(with[0], with[1])(http.NotFoundHandler()), "/")
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
				t.Errorf("https and subdomains %v: %s: got %q, want %q", with, name, got, want)
			}
		}
	}
}

func TestHandlerCanReplaceContentSecurityPolicy(t *testing.T) {
	w := get(web.SecurityHeaders(false, false)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
	})), "/")
	if got := w.Header().Values("Content-Security-Policy"); len(got) != 1 || got[0] != "default-src 'self'; frame-ancestors 'none'" {
		t.Errorf("Content-Security-Policy: %q", got)
	}
}

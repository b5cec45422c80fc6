package web

import (
	"maps"
	"net/http"
)

// hstsMaxAge is one year: browsers use https for that long after a visit.
const hstsMaxAge = "max-age=31536000"

// permissionsPolicy has only names that all browsers with this header know. Browsers log a warning
// for an unknown name.
const permissionsPolicy = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), geolocation=(), gyroscope=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), usb=()"

// SecurityHeaders sets headers for every answer. They tell browsers to trust the content type, send
// no referrer, show the page in no frame, load no resources for it, and isolate it from other
// origins. Frames are forbidden twice, because older browsers know only X-Frame-Options.
// Cross-Origin-Resource-Policy does not restrict what CORS allows: browsers check it only for
// requests without CORS, such as those of an <img> or <script> (Fetch, section 3.7).
//
// With https, HSTS tells browsers to use https from then on: for this host and, if subdomains is
// set, for all hosts below it.
//
// Permissions-Policy turns off features that no page of this server uses: an injected script could
// not request the camera. Passkeys and the clipboard stay available.
//
// A handler that serves a page replaces Content-Security-Policy and must repeat frame-ancestors.
func SecurityHeaders(https, subdomains bool) func(http.Handler) http.Handler {
	always := map[string][]string{ // canonical names, as Header.Set would write them
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"X-Frame-Options":              {"DENY"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Permissions-Policy":           {permissionsPolicy},
	}
	switch {
	case https && subdomains:
		always["Strict-Transport-Security"] = []string{hstsMaxAge + "; includeSubDomains"}
	case https:
		always["Strict-Transport-Security"] = []string{hstsMaxAge}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// All answers share these values: handlers replace them, never modify them.
			maps.Copy(w.Header(), always)
			next.ServeHTTP(w, r)
		})
	}
}

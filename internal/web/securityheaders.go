package web

import (
	"maps"
	"net/http"
)

// hstsMaxAge is a year: a browser that was here once comes by https for as long.
const hstsMaxAge = "max-age=31536000"

// permissionsPolicy has names that all browsers with this header know: an
// unknown one is a warning in their consoles.
const permissionsPolicy = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), geolocation=(), gyroscope=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), usb=()"

// SecurityHeaders sets what every answer should say to a browser: take the
// content type at its word, send no referrer, show this in no frame (twice,
// since the older header is the one that older browsers know), load nothing
// for it, and let other origins neither hold a handle on it nor embed it. The
// last, Cross-Origin-Resource-Policy, is no obstacle to what CORS allows: it is
// looked at for requests without CORS only, as those of an <img> or <script>
// (Fetch, section 3.7).
//
// With https, browsers are also told to use nothing else from then on, for this
// host and, if subdomains is set, for all hosts below it.
//
// Permissions-Policy turns off what no page of this server uses: if a script got
// into one, it could not ask for the camera. Passkeys and the clipboard stay.
//
// A handler that serves a page replaces Content-Security-Policy with one that
// fits the page; it must repeat frame-ancestors.
func SecurityHeaders(https, subdomains bool) func(http.Handler) http.Handler {
	always := map[string][]string{ // with the names in their canonical form, as Header.Set would write them
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
			maps.Copy(w.Header(), always) // the same values for all answers: whoever wants others replaces them
			next.ServeHTTP(w, r)
		})
	}
}

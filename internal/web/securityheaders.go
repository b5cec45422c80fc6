package web

import (
	"maps"
	"net/http"
)

// hstsMaxAge is a year: a browser that was here once comes by https for as long.
const hstsMaxAge = "max-age=31536000"

// SecurityHeaders sets what every answer should say to a browser: take the
// content type at its word, send no referrer, show this in no frame (twice,
// since the older header is the one that older browsers know), load nothing
// for it, and let other origins neither hold a handle on it nor embed it. The
// last, Cross-Origin-Resource-Policy, is no obstacle to what CORS allows: it is
// looked at for requests without CORS only, as those of an <img> or <script>
// (Fetch, section 3.7).
//
// With https, browsers are also told to come by nothing else from then on. That
// holds for this host, and not for its subdomains, which are not ours.
//
// A handler that serves a page replaces Content-Security-Policy with one that
// fits the page; it must repeat frame-ancestors.
func SecurityHeaders(https bool) func(http.Handler) http.Handler {
	always := map[string][]string{ // with the names in their canonical form, as Header.Set would write them
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"X-Frame-Options":              {"DENY"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	if https {
		always["Strict-Transport-Security"] = []string{hstsMaxAge}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), always) // the same values for all answers: whoever wants others replaces them
			next.ServeHTTP(w, r)
		})
	}
}

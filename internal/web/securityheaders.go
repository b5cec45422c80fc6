package web

import "net/http"

// SecurityHeaders sets what every answer should say to a browser: take the
// content type at its word, send no referrer, show this in no frame (twice,
// since the older header is the one that older browsers know).
//
// A handler that serves a page replaces Content-Security-Policy with one that
// fits the page; it must repeat frame-ancestors.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

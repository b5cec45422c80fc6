package web

import "net/http"

// NoStore keeps every answer out of every cache (RFC 9111, section 5.2.2.5).
// Answers hold tokens and depend on who is asking.
func NoStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

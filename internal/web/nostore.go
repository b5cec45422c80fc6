package web

import "net/http"

// NoStore keeps every answer out of every cache (RFC 9111, section 5.2.2.5).
// Answers hold tokens and depend on who is asking. A handler whose answer is
// the same for everybody replaces Cache-Control.
func NoStore(next http.Handler) http.Handler {
	noStore := []string{"no-store"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = noStore
		next.ServeHTTP(w, r)
	})
}

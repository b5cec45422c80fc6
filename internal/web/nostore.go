package web

import "net/http"

// NoStore forbids caches to store answers (RFC 9111, section 5.2.2.5), because answers contain
// tokens and depend on the user. A handler with the same answer for every user replaces
// Cache-Control.
func NoStore(next http.Handler) http.Handler {
	noStore := []string{"no-store"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = noStore
		next.ServeHTTP(w, r)
	})
}

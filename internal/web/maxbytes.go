package web

import "net/http"

// MaxBytes limits the body of a request: reading past n bytes fails with an
// *http.MaxBytesError, and the connection is closed after the answer. It is the
// outer wall; whoever reads the body says what to answer.
func MaxBytes(n int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.MaxBytesHandler(next, n)
	}
}

package web

import "net/http"

// MaxBytes limits the body of a request. Reading more than n bytes fails with an
// *http.MaxBytesError, and the connection is closed after the answer. The handler that reads the
// body decides on the answer.
func MaxBytes(n int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.MaxBytesHandler(next, n)
	}
}

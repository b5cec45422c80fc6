package web

import (
	"context"
	"net/http"
)

// Instrument reports each request to begin, before anything else happens. begin returns the context
// for the request, and a function that is called with the status of the answer. The status is 0 if
// the handler panicked before it answered (see [Recover]).
//
// It shares its recorder with [Log], if it is in front of Log.
func Instrument(begin func(*http.Request) (ctx context.Context, end func(status int))) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, end := begin(r)
			if ctx != r.Context() {
				r = r.WithContext(ctx)
			}
			rec := record(w)
			defer func() { end(rec.status) }()
			next.ServeHTTP(rec, r)
			if rec.status == 0 {
				rec.status = http.StatusOK // net/http sends 200 for a handler that writes nothing
			}
		})
	}
}

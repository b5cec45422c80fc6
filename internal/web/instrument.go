package web

import (
	"context"
	"net/http"
)

// Instrument has each request watched from outside: begin is told of it before
// anything else is done, and returns the context that it goes on with and what
// is to be told the status that it was answered with. The status is 0 if the
// handler panicked before it answered (see [Recover]).
//
// It shares what it writes the status down in with [Log], if it stands in front
// of it.
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
				rec.status = http.StatusOK // a handler that writes nothing says 200
			}
		})
	}
}

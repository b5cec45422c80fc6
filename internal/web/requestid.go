package web

import (
	"context"
	"crypto/rand"
	"net/http"
)

// RequestIDHeader is the header of the answer that identifies the request. Users can quote it.
const RequestIDHeader = "X-Request-Id"

// RequestID gives each request a unique id, in the answer's X-Request-Id header and, through
// [RequestIDFrom], in the context.
//
// An id from the client is ignored. It would appear in log lines and answers, and a client that
// reuses another request's id could mix up two requests in the log. Tracing across services uses
// the header traceparent, which makes no claim about this server's log.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, a := withRequestInfo(r)
		a.id = rand.Text() // at least 128 bits, letters and digits only
		w.Header().Set(RequestIDHeader, a.id)
		next.ServeHTTP(w, r)
	})
}

// RequestIDFrom returns the id of the request that ctx belongs to, or "" outside a request.
func RequestIDFrom(ctx context.Context) string {
	if a := requestInfoFrom(ctx); a != nil {
		return a.id
	}
	return ""
}

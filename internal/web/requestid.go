package web

import (
	"context"
	"crypto/rand"
	"net/http"
)

// RequestIDHeader names the request in the answer, for a person to quote.
const RequestIDHeader = "X-Request-Id"

// RequestID gives each request an id of its own: in the answer's X-Request-Id
// header and, through [RequestIDFrom], in the context.
//
// An id that the client sends is ignored. It would go into log lines and
// answers as it came, and somebody who chooses another request's id makes two
// stories look like one. Tracing across services has its own header,
// traceparent, which claims nothing about this server's log.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, a := withRequestInfo(r)
		a.id = rand.Text() // at least 128 bits, letters and digits only
		w.Header().Set(RequestIDHeader, a.id)
		next.ServeHTTP(w, r)
	})
}

// RequestIDFrom is the id of the request that ctx belongs to, "" if it belongs
// to none.
func RequestIDFrom(ctx context.Context) string {
	if a := requestInfoFrom(ctx); a != nil {
		return a.id
	}
	return ""
}

package web

import (
	"context"
	"net/http"
)

// requestInfo holds what the middlewares of this package know about a request.
type requestInfo struct {
	id string // set by RequestID
	ip string // set by ClientIP
}

type requestInfoKey struct{}

func requestInfoFrom(ctx context.Context) *requestInfo {
	a, _ := ctx.Value(requestInfoKey{}).(*requestInfo)
	return a
}

// withRequestInfo returns the request's info, and adds it to the context if it is missing.
func withRequestInfo(r *http.Request) (*http.Request, *requestInfo) {
	if a := requestInfoFrom(r.Context()); a != nil {
		return r, a
	}
	a := new(requestInfo)
	return r.WithContext(context.WithValue(r.Context(), requestInfoKey{}, a)), a
}

package web

import (
	"context"
	"net/http"
)

// requestInfo is what the middlewares of this package have found out about a request.
type requestInfo struct {
	id string // RequestID's
	ip string // ClientIP's
}

type requestInfoKey struct{}

func requestInfoFrom(ctx context.Context) *requestInfo {
	a, _ := ctx.Value(requestInfoKey{}).(*requestInfo)
	return a
}

// withRequestInfo makes room for it, if nobody has.
func withRequestInfo(r *http.Request) (*http.Request, *requestInfo) {
	if a := requestInfoFrom(r.Context()); a != nil {
		return r, a
	}
	a := new(requestInfo)
	return r.WithContext(context.WithValue(r.Context(), requestInfoKey{}, a)), a
}

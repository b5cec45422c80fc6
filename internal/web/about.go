package web

import (
	"context"
	"net/http"
)

// about is what the middlewares of this package have found out about a request.
type about struct {
	id string // RequestID's
	ip string // ClientIP's
}

type aboutKey struct{}

func aboutOf(ctx context.Context) *about {
	a, _ := ctx.Value(aboutKey{}).(*about)
	return a
}

// withAbout makes room for it, if nobody has.
func withAbout(r *http.Request) (*http.Request, *about) {
	if a := aboutOf(r.Context()); a != nil {
		return r, a
	}
	a := new(about)
	return r.WithContext(context.WithValue(r.Context(), aboutKey{}, a)), a
}

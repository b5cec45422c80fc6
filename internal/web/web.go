// Package web provides the server's HTTP middlewares, its probes and an http.Server with timeouts.
// It has no knowledge of the domain.
//
// A middleware is a func(http.Handler) http.Handler, one file each. [Chain] combines them. The
// order matters:
//
//	web.Chain(mux, web.RequestID, web.ClientIP(proxies), web.Log(logger),
//		web.Recover(logger), web.SecurityHeaders(https), web.NoStore, web.MaxBytes(n))
//
// [Log] and [Recover] log the id of [RequestID], and Log the address of [ClientIP]. Recover must
// turn a panic into an answer before Log writes its line. The logger's handler should be a
// [LogHandler], which adds the id to every line.
package web

import "net/http"

// Chain wraps h in mw. The first middleware is the outermost: it sees the request first and the
// answer last.
func Chain(h http.Handler, mw ...func(http.Handler) http.Handler) http.Handler {
	for i := len(mw) - 1; i >= 0; i-- {
		h = mw[i](h)
	}
	return h
}

// Package web is the server's HTTP plumbing: middlewares, probes and an
// http.Server with timeouts. It knows no word of the domain and imports nothing
// of this module.
//
// A middleware is a func(http.Handler) http.Handler, one file each; [Chain]
// puts them together. The order that works is
//
//	web.Chain(mux, web.RequestID, web.ClientIP(proxies), web.Log(logger),
//		web.Recover(logger), web.SecurityHeaders(https), web.NoStore, web.MaxBytes(n))
//
// since [Log] and [Recover] name the request by the id that [RequestID] made,
// [Log] the client by the address that [ClientIP] found,
// and a panic must be turned into an answer before the line about the request
// is written. The logger's handler should be a [LogHandler], which is what puts
// that id on every line, theirs included.
package web

import "net/http"

// Chain wraps h in mw. The first is the outermost: it sees the request first
// and the answer last.
func Chain(h http.Handler, mw ...func(http.Handler) http.Handler) http.Handler {
	for i := len(mw) - 1; i >= 0; i-- {
		h = mw[i](h)
	}
	return h
}

package web

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer is an http.Server that a slow or silent client cannot hold on to:
// net/http sets no limit on its own.
func NewServer(addr string, h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Addr:    addr,
		Handler: h,
		// The request line and headers are one packet or two; a client that
		// needs longer is dribbling bytes to keep the connection.
		ReadHeaderTimeout: 5 * time.Second,
		// Headers and body. A body is at most a few hundred KiB, which a poor
		// mobile link delivers in this time.
		ReadTimeout: 15 * time.Second,
		// Counted from the end of the headers, so it must leave room for the
		// body and for a password hash that waits its turn in the queue.
		WriteTimeout: 30 * time.Second,
		// Between two requests. Longer than the 60 s for which load balancers
		// commonly keep a connection, so that it is they who close it: the
		// other way round, a request can meet a closing connection.
		IdleTimeout: 75 * time.Second,
		// A token of 4 KiB, cookies and a browser's usual headers fit twice.
		MaxHeaderBytes: 16 << 10,
		// Bad handshakes and the like: clients' mistakes, not ours.
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

package web

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns an http.Server that slow or silent clients cannot block. net/http has no limits
// by default.
func NewServer(addr string, h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Addr:    addr,
		Handler: h,
		// The request line and headers are one or two packets. A client that needs longer is
		// sending bytes slowly to hold the connection.
		ReadHeaderTimeout: 5 * time.Second,
		// Headers and body. A body is at most a few hundred KiB; a poor mobile link delivers that
		// in time.
		ReadTimeout: 15 * time.Second,
		// Counted from the end of the headers. It leaves time for the body and for a password hash
		// that waits in the queue.
		WriteTimeout: 30 * time.Second,
		// Between two requests. Load balancers commonly keep connections for 60 s and must be the
		// first to close them. Otherwise a request can meet a closing connection.
		IdleTimeout: 75 * time.Second,
		// Room for twice a token of 4 KiB, cookies and a browser's usual headers.
		MaxHeaderBytes: 16 << 10,
		// Failed handshakes and similar errors are the clients'.
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

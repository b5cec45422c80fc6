package web

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Log writes one line a request, "http request", when it has been answered:
// method, path, status, bytes of the body, duration and the client's address
// (see [ClientIP], which has to stand before it). The
// probes are logged at debug, all else at info; with that level off nothing is
// measured at all.
//
// No header, no query string and no body is logged: these are where clients put
// tokens and passwords. What is logged of the client's is a value of its own,
// never part of the message, so that the handler quotes it and a newline in a
// path cannot begin a line.
//
// The status is 0 when the handler panicked before it answered (see [Recover]).
func Log(logger *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			level := requestLevel(r.URL.Path)
			if !logger.Enabled(r.Context(), level) {
				next.ServeHTTP(w, r)
				return
			}
			// Read now: what is inside may change the request.
			ctx, method, path, start := r.Context(), r.Method, r.URL.Path, time.Now()
			rec := record(w)
			defer func() {
				logger.LogAttrs(ctx, level, "http request",
					slog.String("method", method),
					slog.String("path", path),
					slog.Int("status", rec.status),
					slog.Int64("bytes", rec.bytes),
					slog.String("duration", milliseconds(time.Since(start))),
					slog.String("remote", ClientIPFrom(ctx)))
			}()
			next.ServeHTTP(rec, r)
			if rec.status == 0 {
				rec.status = http.StatusOK // a handler that writes nothing says 200
			}
		})
	}
}

// milliseconds writes a duration with its unit, as "1.234ms": in JSON, slog would write a number of nanoseconds.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds()*1e3, 'f', 3, 64) + "ms"
}

// IsProbe reports whether a path is asked for by probes only.
func IsProbe(path string) bool { return path == "/healthz" || path == "/readyz" }

// requestLevel keeps the probes, which come every few seconds for ever, out of
// the usual log.
func requestLevel(path string) slog.Level {
	if IsProbe(path) {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

package web

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Log logs one line per request, "http request", after the answer: method, path, status, bytes of
// the body, duration, and the client's address. [ClientIP] must run before it. Probes are logged at
// level debug, all other requests at info. If the level is off, nothing is measured.
//
// Headers, query strings and bodies are never logged: clients put tokens and passwords there. Text
// from clients is logged as an attribute, never in the message. So the handler quotes it, and a
// newline in a path cannot start a line.
//
// The status is 0 if the handler panicked before it answered (see [Recover]).
func Log(logger *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			level := requestLevel(r.URL.Path)
			if !logger.Enabled(r.Context(), level) {
				next.ServeHTTP(w, r)
				return
			}
			// Read them now: the handlers may change the request.
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
				rec.status = http.StatusOK // net/http sends 200 for a handler that writes nothing
			}
		})
	}
}

// milliseconds formats a duration with its unit, as in "1.234ms". slog would write a number of
// nanoseconds in JSON.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds()*1e3, 'f', 3, 64) + "ms"
}

// IsProbe reports whether only probes request the path.
func IsProbe(path string) bool { return path == "/healthz" || path == "/readyz" }

// requestLevel keeps probes, which arrive every few seconds, out of the log at its default level.
func requestLevel(path string) slog.Level {
	if IsProbe(path) {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// readyTimeout limits a readiness check. It is shorter than the usual timeout of a prober, which
// then gets "not ready" and no timeout.
const readyTimeout = 2 * time.Second

// Live answers 200 while the process can answer. It does not check the database: restarting the
// server would not repair the database.
func Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProbe(w, http.StatusOK, "ok\n")
	})
}

// Ready answers 200 if check returns nil within two seconds, otherwise 503. The reason is logged
// and never in the body, which every client can read. It is logged when readiness is lost and when
// it returns, not on each probe.
func Ready(check func(context.Context) error, logger *slog.Logger) http.Handler {
	p := &readiness{logger: logger}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		err := check(ctx)
		if r.Context().Err() != nil {
			return // the prober hung up: not a failure of the server
		}
		p.update(r.Context(), err)
		if err != nil {
			writeProbe(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		writeProbe(w, http.StatusOK, "ready\n")
	})
}

// readiness is the result of the last probe. The zero value is ready, so that the first success of
// a new server is not logged.
type readiness struct {
	logger *slog.Logger
	mu     sync.Mutex
	lost   bool
}

func (p *readiness) update(ctx context.Context, err error) {
	p.mu.Lock()
	changed := p.lost != (err != nil)
	p.lost = err != nil
	p.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		p.logger.WarnContext(ctx, "not ready", "error", err)
	default:
		p.logger.InfoContext(ctx, "ready again")
	}
}

func writeProbe(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

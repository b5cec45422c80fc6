package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// readyTimeout bounds one readiness check: shorter than the patience of the
// usual prober, so that it hears "not ready" and not a timeout of its own.
const readyTimeout = 2 * time.Second

// Live answers 200 as long as the process can answer at all. It asks nothing of
// the database: restarting this server would not mend that one.
func Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProbe(w, http.StatusOK, "ok\n")
	})
}

// Ready answers 200 when check returns nil within two seconds, else 503. The
// reason goes to the log and never into the body, which anybody may read. It is
// logged when readiness is lost and again when it is back, not at each probe.
func Ready(check func(context.Context) error, logger *slog.Logger) http.Handler {
	p := &readiness{logger: logger}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		err := check(ctx)
		if r.Context().Err() != nil {
			return // the prober hung up, which says nothing about us
		}
		p.update(r.Context(), err)
		if err != nil {
			writeProbe(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		writeProbe(w, http.StatusOK, "ready\n")
	})
}

// readiness is what the last probe found. Its zero value is "ready", so the
// first success of a fresh server is no news.
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

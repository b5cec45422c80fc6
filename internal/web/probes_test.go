package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"fieldgate/internal/web"
)

func TestLive(t *testing.T) {
	w := get(web.Live(), "/healthz")
	if w.Code != 200 || w.Body.String() != "ok\n" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestReadyLogsChangesOnly(t *testing.T) {
	logger, log := newLogger(slog.LevelDebug)
	var err error
	h := web.Ready(func(context.Context) error { return err }, logger)
	down := errors.New("dial tcp 10.0.0.1:3306: refused")
	for i, next := range []error{nil, nil, down, down, down, nil, nil, down} {
		err = next
		w := get(h, "/readyz")
		status, body := 200, "ready\n"
		if err != nil {
			status, body = 503, "not ready\n"
		}
		if w.Code != status || w.Body.String() != body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("probe %d: got %d %q, want %d %q", i, w.Code, w.Body, status, body)
		}
	}
	got := parseLog(t, log)
	if len(got) != 3 || got[0]["msg"] != "not ready" || got[0]["error"] != down.Error() || got[1]["msg"] != "ready again" || got[2]["msg"] != "not ready" {
		t.Errorf("log: %s", log)
	}
}

func TestReadyTimesOutAfterTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, _ := newLogger(slog.LevelDebug)
		start := time.Now()
		w := get(web.Ready(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, logger), "/readyz")
		if took := time.Since(start); w.Code != 503 || took != 2*time.Second {
			t.Errorf("got %d after %v, want 503 after 2s", w.Code, took)
		}
	})
}

func TestReadyIgnoresCanceledProbe(t *testing.T) {
	logger, log := newLogger(slog.LevelDebug)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := web.Ready(func(ctx context.Context) error { return ctx.Err() }, logger)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

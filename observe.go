package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"fieldgate/graph"
	"fieldgate/internal/account"
	"fieldgate/internal/metrics"
)

// sources say where the metrics come from. Its functions are called once the app is built.
func (a *app) sources() metrics.Sources {
	s := metrics.Sources{
		Version: versionOf().Version,
		Codes:   graph.Codes(), Gated: graph.Deniable(a.policy), Reasons: graph.DenialReasons(),
		Events: account.Events(), MailOutcomes: account.MailOutcomes(),
		WouldDeny:  a.reports.Counts,
		Pool:       func() sql.DBStats { return a.store.Pool() },
		Statements: func() uint64 { return a.store.Queries() },
		Queue:      func() metrics.Queue { return metrics.Queue(a.queue.State()) },
	}
	for _, rule := range a.policy.Rules() {
		for _, l := range a.policy.Limits(rule.Type, rule.Field) {
			s.Limits = append(s.Limits, metrics.Limit{Field: rule.Coordinate(), By: l.By})
		}
	}
	if a.sendsMail() {
		s.Backlog = a.backlog
	}
	return s
}

// backlog is what waits in the outbox.
func (a *app) backlog(ctx context.Context) (metrics.Backlog, error) {
	waiting, oldest, err := a.store.MailBacklog(ctx)
	b := metrics.Backlog{Waiting: waiting}
	if !oldest.IsZero() {
		b.Oldest = max(0, a.store.Now().Sub(oldest))
	}
	return b, err
}

// listenForMetrics opens the listener of METRICS_ADDR; nil if there is none.
func (a *app) listenForMetrics(ctx context.Context) (net.Listener, error) {
	if a.metrics == nil {
		return nil, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.MetricsAddr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("METRICS_ADDR: %q is in use by another program. Hint: choose another port", a.MetricsAddr)
	}
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: %w", err)
	}
	a.log.Info("metrics", "listen", l.Addr().String())
	return l, nil
}

// metricsDrain is how long somebody who is reading the metrics may go on when everything else has stopped.
const metricsDrain = time.Second

// serveMetrics answers on l, if it is not nil, until the function that it returns is called: the last requests of a
// server that stops are counted too.
func (a *app) serveMetrics(l net.Listener) (stop func()) {
	if l == nil {
		return func() {}
	}
	server := a.metrics.Server(a.log)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("metrics are not served any more", "error", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), metricsDrain)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // a profile that somebody records
		}
		<-ended
	}
}

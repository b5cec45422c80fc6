package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"fieldgate/fgerr"
	"fieldgate/graph"
	"fieldgate/internal/account"
	"fieldgate/internal/metrics"
	"fieldgate/internal/trace/export"
	"fieldgate/internal/web"
)

// sources say where the metrics come from. Its functions are called once the app is built.
func (a *app) sources() metrics.Sources {
	s := metrics.Sources{
		Version: versionOf().Version,
		Codes:   fgerr.Codes(), Gated: graph.Deniable(a.policy), Reasons: graph.DenialReasons(),
		Events: account.Events(), MailOutcomes: account.MailOutcomes(),
		WouldDeny:  a.reports.Counts,
		Pool:       func() sql.DBStats { return a.store.Pool() },
		Statements: func() uint64 { return a.store.Queries() },
		Database:   func() metrics.Database { return metrics.Database(a.store.Connections()) },
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

// newTraces starts what sends traces, if they are asked for.
func (a *app) newTraces() (err error) {
	if a.Tracing.URL() == "" {
		return nil
	}
	a.traces, err = export.New(export.Config{
		URL: a.Tracing.URL(), Headers: a.Tracing.Headers, Service: a.Tracing.Service, Version: versionOf().Version,
		Attributes: a.Tracing.Attributes, Sampler: a.Tracing.Sampler, Ratio: a.Tracing.Ratio, Log: a.log,
	})
	return err
}

// traced begins the span of each request, but of probes. What a request is called is the pattern that it matches: there are
// few of those, whatever clients ask for.
func (a *app) traced(mux *http.ServeMux) func(*http.Request) (context.Context, func(status int)) {
	tracer := a.traces.Tracer()
	return func(r *http.Request) (context.Context, func(status int)) {
		if web.Probe(r.URL.Path) {
			return r.Context(), func(int) {}
		}
		_, pattern := mux.Handler(r)
		_, route, found := strings.Cut(pattern, " ")
		if !found {
			route = pattern // of every method
		}
		return tracer.Request(r, route, web.RequestIDFrom(r.Context()))
	}
}

// flushTime is how long a server that stops waits at most for the collector of traces.
const flushTime = 3 * time.Second

// flushTraces sends the last traces, or gives up on them. A second call does nothing.
func (a *app) flushTraces(drain context.Context) {
	if a.traces == nil {
		return
	}
	a.flush.Do(func() {
		ctx, cancel := context.WithTimeout(drain, flushTime)
		defer cancel()
		if err := a.traces.Shutdown(ctx); err != nil {
			a.log.Warn("the last traces are lost", "error", err)
		}
	})
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
	server.Handler = a.onlyKnownHosts(a.ChecksMetricsHosts())(server.Handler)
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

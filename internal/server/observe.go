package server

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
	"fieldgate/internal/version"
	"fieldgate/internal/web"
)

// sources returns the inputs of the metrics. Its functions are called after the server is built.
func (s *Server) sources() metrics.Sources {
	m := metrics.Sources{
		Version: version.Of().Version,
		Codes:   fgerr.Codes(), Gated: graph.DeniableFields(s.Policy), Reasons: graph.DenialReasons(),
		Events: account.Events(), MailOutcomes: account.MailOutcomes(),
		WouldDeny:  s.Reports.Counts,
		Pool:       func() sql.DBStats { return s.Store.Pool() },
		Statements: func() uint64 { return s.Store.Queries() },
		Database:   func() metrics.Database { return metrics.Database(s.Store.Connections()) },
		Queue:      func() metrics.Queue { return metrics.Queue(s.Queue.State()) },
	}
	for _, rule := range s.Policy.Rules() {
		for _, l := range s.Policy.Limits(rule.Type, rule.Field) {
			m.Limits = append(m.Limits, metrics.Limit{Field: rule.Coordinate(), By: l.By})
		}
	}
	if s.sendsMail() {
		m.Backlog = s.backlog
	}
	return m
}

// backlog returns the state of the outbox.
func (s *Server) backlog(ctx context.Context) (metrics.Backlog, error) {
	waiting, oldest, err := s.Store.MailBacklog(ctx)
	b := metrics.Backlog{Waiting: waiting}
	if !oldest.IsZero() {
		b.Oldest = max(0, s.Store.Now().Sub(oldest))
	}
	return b, err
}

// newTraces starts the export of traces, if it is configured.
func (s *Server) newTraces() (err error) {
	if s.Config.Tracing.URL() == "" {
		return nil
	}
	s.Traces, err = export.New(export.Config{
		URL: s.Config.Tracing.URL(), Headers: s.Config.Tracing.Headers, Service: s.Config.Tracing.Service, Version: version.Of().Version,
		Attributes: s.Config.Tracing.Attributes, Sampler: s.Config.Tracing.Sampler, Ratio: s.Config.Tracing.Ratio, Log: s.Log,
	})
	return err
}

// traceRequests begins a span for each request except probes. The span is named by the pattern that
// the request matches, because there are few patterns, whatever clients request.
func (s *Server) traceRequests(mux *http.ServeMux) func(*http.Request) (context.Context, func(status int)) {
	tracer := s.Traces.Tracer()
	return func(r *http.Request) (context.Context, func(status int)) {
		if web.IsProbe(r.URL.Path) {
			return r.Context(), func(int) {}
		}
		_, pattern := mux.Handler(r)
		_, route, found := strings.Cut(pattern, " ")
		if !found {
			route = pattern // a pattern without a method
		}
		return tracer.Request(r, route, web.RequestIDFrom(r.Context()))
	}
}

// FlushTimeout limits how long a stopping server waits for the collector of traces.
const FlushTimeout = 3 * time.Second

// flushTraces sends the last traces, or drops them after FlushTimeout. A second call does nothing.
func (s *Server) flushTraces(drain context.Context) {
	if s.Traces == nil {
		return
	}
	s.flushOnce.Do(func() {
		ctx, cancel := context.WithTimeout(drain, FlushTimeout)
		defer cancel()
		if err := s.Traces.Shutdown(ctx); err != nil {
			s.Log.Warn("the last traces are lost", "error", err)
		}
	})
}

// ListenForMetrics opens the listener of METRICS_ADDR. It returns nil if METRICS_ADDR is not set.
func (s *Server) ListenForMetrics(ctx context.Context) (net.Listener, error) {
	if s.Metrics == nil {
		return nil, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Config.MetricsAddr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf(
			"METRICS_ADDR: %q is in use by another program. Hint: choose another port",
			s.Config.MetricsAddr,
		)
	}
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: %w", err)
	}
	s.Log.Info("metrics", "listen", l.Addr().String())
	return l, nil
}

// metricsDrainTimeout limits how long a request for metrics may take after everything else has
// stopped.
const metricsDrainTimeout = time.Second

// ServeMetrics serves metrics on l, which may be nil, until stop is called. A stopping server calls
// stop last, so that its last requests are counted.
func (s *Server) ServeMetrics(l net.Listener) (stop func()) {
	if l == nil {
		return func() {}
	}
	server := s.Metrics.Server(s.Log)
	server.Handler = s.requireKnownHost(s.Config.ChecksMetricsHosts())(server.Handler)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("metrics are no longer served", "error", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), metricsDrainTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // a client may be recording a profile
		}
		<-done
	}
}

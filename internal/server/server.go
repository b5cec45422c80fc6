// Package server builds a server from its configuration and runs it.
//
// Open opens the services that commands need: the database and the accounts. New adds the handlers
// of requests, and Serve answers them.
package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"fieldgate/graph"
	"fieldgate/internal/metrics"
	"fieldgate/internal/trace/export"
	"fieldgate/playground"
)

// Server is the services with the handlers of requests.
type Server struct {
	*Services
	Reports *graph.DryRunRecorder
	Metrics *metrics.Metrics // nil without METRICS_ADDR
	Traces  *export.Exporter // nil: traces are not exported
	Handler http.Handler     // answers all requests except those for metrics

	page        *playground.Page                // nil: no playground
	crossOrigin func(http.Handler) http.Handler // refuses origins that may not call the API
	isDraining  atomic.Bool
	flushOnce   sync.Once // of traces
}

// New builds a server and opens its database without accessing it. Close ends the server.
func New(o Options) (_ *Server, err error) {
	if o.Demo && o.Config.Production {
		return nil, errors.New("--demo: not allowed with ENV=production, because the demo password is public")
	}
	s := &Server{Services: newServices(o)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close()) // closes what was opened
		}
	}()
	if err = s.compilePolicy(); err != nil {
		return nil, err
	}
	obs, err := s.observe()
	if err != nil {
		return nil, err
	}
	if s.Tokens, err = s.openTokens(); err != nil {
		return nil, err
	}
	if err = s.openDevelopmentFactorKey(); err != nil {
		return nil, err
	}
	if err = s.open(obs); err != nil {
		return nil, err
	}
	if s.Handler, err = s.newHandler(); err != nil {
		return nil, err
	}
	return s, nil
}

// observe starts metrics and traces, if they are configured.
func (s *Server) observe() (o observers, err error) {
	s.Reports = graph.NewDryRunRecorder(s.Policy, s.Log)
	if s.Config.MetricsAddr != "" {
		s.Metrics = metrics.New(s.sources())
		o.onWait, o.onEvent, o.onMail = s.Metrics.QueueWait, s.Metrics.Event, s.Metrics.Mail
	}
	if err := s.newTraces(); err != nil {
		return observers{}, err
	}
	if s.Traces != nil {
		o.tracer = s.Traces.Tracer()
	}
	return o, nil
}

// Close stops background work, sends the last traces and closes the database. It may be called on a
// partly built server.
func (s *Server) Close() error {
	if s.Queue != nil {
		s.Queue.Close() // its work records the last spans
	}
	s.flushTraces(context.Background())
	return s.Services.Close()
}

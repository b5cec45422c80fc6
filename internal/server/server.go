// Package server builds a server from its configuration and runs it. Open opens the services that a command needs: the
// database and the accounts on it. New adds what answers requests, and Serve answers them.
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

// Server is its services and what answers requests.
type Server struct {
	*Services
	Reports *graph.DryRunRecorder
	Metrics *metrics.Metrics // nil without METRICS_ADDR
	Traces  *export.Exporter // nil: there are none
	Handler http.Handler     // answers everything but the metrics

	page        *playground.Page                // nil: there is none
	crossOrigin func(http.Handler) http.Handler // which other origins may call
	isDraining  atomic.Bool
	flushOnce   sync.Once // of traces
}

// New builds a server and opens its database, which it does not touch yet. Close ends it.
func New(o Options) (_ *Server, err error) {
	if o.Demo && o.Config.Production {
		return nil, errors.New("--demo: not with ENV=production: the demo's password is known to all")
	}
	s := &Server{Services: newServices(o)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close()) // what was opened before
		}
	}()
	if err = s.compilePolicy(); err != nil {
		return nil, err
	}
	told, err := s.observe()
	if err != nil {
		return nil, err
	}
	if s.Tokens, err = s.openTokens(); err != nil {
		return nil, err
	}
	if err = s.open(told); err != nil {
		return nil, err
	}
	if s.Handler, err = s.newHandler(); err != nil {
		return nil, err
	}
	return s, nil
}

// observe starts what watches the server, as far as it is asked for.
func (s *Server) observe() (told observers, err error) {
	s.Reports = graph.NewDryRunRecorder(s.Policy, s.Log)
	if s.Config.MetricsAddr != "" {
		s.Metrics = metrics.New(s.sources())
		told.onWait, told.onEvent, told.onMail = s.Metrics.QueueWait, s.Metrics.Event, s.Metrics.Mail
	}
	if err := s.newTraces(); err != nil {
		return observers{}, err
	}
	if s.Traces != nil {
		told.tracer = s.Traces.Tracer()
	}
	return told, nil
}

// Close ends the work in the background, the traces and the database's connections, as far as there are any.
func (s *Server) Close() error {
	if s.Queue != nil {
		s.Queue.Close() // the last spans are those of its work
	}
	s.flushTraces(context.Background())
	return s.Services.Close()
}

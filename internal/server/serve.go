package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"fieldgate/internal/devlog"
	"fieldgate/internal/web"
)

// DrainTimeout limits how long a stopping server waits for requests in progress.
const DrainTimeout = 25 * time.Second

// Listeners are the sockets of a server.
type Listeners struct {
	API     []net.Listener // one or more
	Metrics net.Listener   // nil: metrics are not served
}

// Listen opens the listeners of ADDR and METRICS_ADDR.
func (s *Server) Listen(ctx context.Context) (l Listeners, err error) {
	if l.API, err = listeners(ctx, s.Config.Addr); err != nil {
		return Listeners{}, err
	}
	if l.Metrics, err = s.ListenForMetrics(ctx); err != nil {
		for _, api := range l.API {
			err = errors.Join(err, api.Close())
		}
		return Listeners{}, err
	}
	return l, nil
}

// Serve answers requests until ctx ends, and then drains. Until the database is prepared, it
// answers that it is alive and not ready: a migration may take longer than an orchestrator waits
// for a start.
func (s *Server) Serve(ctx context.Context, l Listeners) error {
	var handler atomic.Pointer[http.Handler]
	handler.Store(new(s.StartingHandler()))
	server := web.NewServer(l.API[0].Addr().String(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*handler.Load()).ServeHTTP(w, r)
	}), s.Log)
	failed := make(chan error, len(l.API))
	for _, api := range l.API {
		go func() { failed <- server.Serve(api) }()
	}
	defer s.ServeMetrics(l.Metrics)()
	if err := s.prepare(ctx, l.API[0]); err != nil {
		if ctx.Err() != nil {
			err = nil // stopped before it was ready
		}
		return errors.Join(err, server.Close())
	}
	handler.Store(&s.Handler)
	s.warnDevelopment(l.API)
	s.announce(l.API)
	go s.sweepUntil(ctx)
	mailDone := s.sendMailUntil(ctx)
	s.warnReportOnly()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.drain(ctx, server, mailDone)
}

// drain stops a server. It waits for requests in progress and for the mail that is being sent, at
// most for DrainTimeout.
func (s *Server) drain(ctx context.Context, server *http.Server, mailDone <-chan struct{}) error {
	s.isDraining.Store(true)
	s.Log.Info("stopping", "drain", DrainTimeout.String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	select {
	case <-mailDone:
	case <-drain.Done(): // the interrupted mail will be sent again
	}
	s.flushTraces(drain)
	if err != nil {
		return fmt.Errorf("some requests were cut off: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// Ready returns an error if this server should receive no requests.
func (s *Server) Ready(ctx context.Context) error {
	if s.isDraining.Load() {
		return errors.New("shutting down")
	}
	return s.Store.Ping(ctx)
}

// sendMailUntil sends mails until ctx ends. The channel is closed when the last one is sent.
func (s *Server) sendMailUntil(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s.Mailer != nil {
			s.Mailer.Run(ctx)
		}
	}()
	return done
}

// warnReportOnly warns of rules with reportOnly: their fields are more open than the schema
// suggests.
func (s *Server) warnReportOnly() {
	rules := s.Policy.ReportOnly()
	fields := make([]string, len(rules))
	for i, rule := range rules {
		fields[i] = rule.Coordinate()
	}
	if len(fields) > 0 {
		s.Log.Warn("report-only rules do not deny access", "fields", fields)
	}
}

// sweepInterval is the minimum pause between two sweeps of a replica. The pause is random, up to
// twice as long, so that replicas which started together do not sweep together.
const sweepInterval = time.Minute

// sweepUntil deletes expired rows until ctx ends.
func (s *Server) sweepUntil(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepInterval + rand.N(sweepInterval)):
		}
		s.Sweep(ctx)
	}
}

// Sweep deletes the rows that have expired by now.
func (s *Server) Sweep(ctx context.Context) {
	rows, err := s.Store.Sweep(ctx, s.Store.Now())
	for _, sweep := range []func() (int, error){
		func() (int, error) { return s.Store.SweepAudit(ctx, s.Store.Now().Add(-s.Config.AuditRetention)) },
		func() (int, error) { return s.Accounts.SweepUnused(ctx) },
	} {
		if err == nil {
			var n int
			n, err = sweep()
			rows += n
		}
	}
	switch {
	case err != nil && ctx.Err() == nil:
		s.Log.WarnContext(ctx, "sweep failed", "error", err)
	case rows > 0:
		s.Log.DebugContext(ctx, "swept", "rows", rows)
	}
}

// announce logs the addresses of the server.
func (s *Server) announce(listeners []net.Listener) {
	if s.Mailer == nil {
		s.Log.Warn("no mail is sent, so users cannot reset a password. Hint: set SMTP_URL")
	}
	if s.Config.Playground && !s.page.IsBuilt() {
		s.Log.Info("the playground was not built: it is loaded from a CDN, without the sign-in form. Hint: npm --prefix playground run build")
	}
	if s.options.Banner != nil {
		s.banner()
		return
	}
	attrs := []any{"api", s.Config.PublicURL.String() + "/graphql", "listen", listeners[0].Addr().String()}
	for _, l := range listeners[1:] {
		attrs = append(attrs, "also", l.Addr().String())
	}
	s.Log.Info("serving", attrs...)
	if s.Config.Playground {
		s.Log.Info("open the playground", "url", s.Config.PublicURL.String()+"/")
	}
	if s.Inbox != nil {
		s.Log.Info("mails are shown instead of sent", "url", s.Config.PublicURL.String()+InboxPath)
	}
}

// banner prints the addresses of the pages for a developer at a terminal.
func (s *Server) banner() {
	public := s.Config.PublicURL.String()
	links := []devlog.Link{{Name: "API", URL: public + "/graphql"}}
	if s.Config.Playground {
		links = append(links, devlog.Link{Name: "Playground", URL: public + "/"})
	}
	if s.Inbox != nil {
		links = append(links, devlog.Link{Name: "Mail inbox", URL: public + InboxPath})
	}
	if err := devlog.Banner(s.options.Banner, "Fieldgate is ready. Ctrl-C stops it.", links...); err != nil {
		s.Log.Warn("the banner cannot be written", "error", err)
	}
}

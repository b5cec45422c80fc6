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

// DrainTimeout is how long the requests under way may take when the server is told to stop.
const DrainTimeout = 25 * time.Second

// Listeners are where a server answers.
type Listeners struct {
	API     []net.Listener // one or more
	Metrics net.Listener   // nil: metrics are not served
}

// Listen opens what ADDR and METRICS_ADDR name.
func (s *Server) Listen(ctx context.Context) (on Listeners, err error) {
	if on.API, err = listeners(ctx, s.Config.Addr); err != nil {
		return Listeners{}, err
	}
	if on.Metrics, err = s.ListenForMetrics(ctx); err != nil {
		for _, l := range on.API {
			err = errors.Join(err, l.Close())
		}
		return Listeners{}, err
	}
	return on, nil
}

// Serve answers requests until ctx ends, and then those that are under way. Before the database is as this program
// needs it, it answers that it is alive, and not ready: a migration may take longer than whoever starts servers waits
// for one.
func (s *Server) Serve(ctx context.Context, on Listeners) error {
	var handler atomic.Pointer[http.Handler]
	handler.Store(new(s.StartingHandler()))
	server := web.NewServer(on.API[0].Addr().String(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*handler.Load()).ServeHTTP(w, r)
	}), s.Log)
	failed := make(chan error, len(on.API))
	for _, l := range on.API {
		go func() { failed <- server.Serve(l) }()
	}
	defer s.ServeMetrics(on.Metrics)()
	if err := s.prepare(ctx, on.API[0]); err != nil {
		if ctx.Err() != nil {
			err = nil // told to stop, and nobody was served
		}
		return errors.Join(err, server.Close())
	}
	handler.Store(&s.Handler)
	s.warnDevelopment(on.API)
	s.announce(on.API)
	go s.sweepUntil(ctx)
	mailed := s.sendMailUntil(ctx)
	s.warnReportOnly()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.drain(ctx, server, mailed)
}

// drain ends a server when the requests under way are answered and the mail under way is sent, or when DrainTimeout is over.
func (s *Server) drain(ctx context.Context, server *http.Server, mailed <-chan struct{}) error {
	s.isDraining.Store(true)
	s.Log.Info("stopping", "drain", DrainTimeout.String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	select {
	case <-mailed:
	case <-drain.Done(): // the mail that is being sent will be sent again
	}
	s.flushTraces(drain)
	if err != nil {
		return fmt.Errorf("some requests were cut off: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// Ready returns an error if no requests should be sent here.
func (s *Server) Ready(ctx context.Context) error {
	if s.isDraining.Load() {
		return errors.New("shutting down")
	}
	return s.Store.Ping(ctx)
}

// sendMailUntil sends mails until ctx ends, and closes its result when the last one is sent.
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

// warnReportOnly reminds of rules that are tried out: so long as they are, those fields are more open than they look.
func (s *Server) warnReportOnly() {
	rules := s.Policy.ReportOnly()
	fields := make([]string, len(rules))
	for i, rule := range rules {
		fields[i] = rule.Coordinate()
	}
	if len(fields) > 0 {
		s.Log.Warn("rules that only report deny nobody", "fields", fields)
	}
}

// sweepInterval is how long a replica waits after it has swept; at random up to twice as long, so that replicas
// which started together do not sweep together.
const sweepInterval = time.Minute

// sweepUntil deletes what has expired, until ctx ends.
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

// Sweep deletes what has expired until now.
func (s *Server) Sweep(ctx context.Context) {
	rows, err := s.Store.Sweep(ctx, s.Store.Now())
	for _, sweep := range []func() (int, error){
		func() (int, error) { return s.Store.SweepAudit(ctx, s.Store.Now().Add(-s.Config.AuditRetention)) },
		func() (int, error) { return s.Accounts.SweepUnused(ctx) },
	} {
		if err == nil {
			var more int
			more, err = sweep()
			rows += more
		}
	}
	switch {
	case err != nil && ctx.Err() == nil:
		s.Log.WarnContext(ctx, "sweep failed", "error", err)
	case rows > 0:
		s.Log.DebugContext(ctx, "swept", "rows", rows)
	}
}

// announce says where the server is.
func (s *Server) announce(on []net.Listener) {
	if s.Mailer == nil {
		s.Log.Warn("no mail is sent: nobody can reset a password. Hint: set SMTP_URL")
	}
	if s.Config.Playground && !s.page.IsBuilt() {
		s.Log.Info("the playground was not built: it comes from a CDN, without its sign-in box. Hint: npm --prefix playground run build")
	}
	if s.options.Banner != nil {
		s.banner()
		return
	}
	attrs := []any{"api", s.Config.PublicURL.String() + "/graphql", "listen", on[0].Addr().String()}
	for _, l := range on[1:] {
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

// banner writes the addresses of the pages for a developer at a terminal.
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

package server

import (
	"fmt"
	"net/http"

	"fieldgate/graph"
	"fieldgate/internal/auth"
	"fieldgate/internal/guard"
	"fieldgate/internal/pages"
	"fieldgate/internal/web"
	"fieldgate/playground"
)

// newHandler builds the handler for all requests.
func (s *Server) newHandler() (http.Handler, error) {
	mux, err := s.routes()
	if err != nil {
		return nil, err
	}
	h := web.Chain(mux, web.ClientIP(s.Config.TrustedProxies), web.Log(s.Log), web.Recover(s.Log),
		web.SecurityHeaders(s.Config.CookieSecure(), s.Config.HSTSSubdomains), web.NoStore, s.requireKnownHost(s.Config.ChecksHosts()))
	if s.Metrics != nil {
		h = web.Instrument(s.Metrics.Request)(h)
	}
	if s.Traces != nil {
		h = web.Instrument(s.traceRequests(mux))(h)
	}
	return web.RequestID(h), nil
}

// routes returns a mux with all routes of the server.
func (s *Server) routes() (_ *http.ServeMux, err error) {
	s.crossOrigin = s.newCrossOrigin()
	mux := http.NewServeMux()
	mux.Handle("/graphql", s.newAPI())
	mux.Handle("GET /.well-known/jwks.json", s.Tokens.JWKS())
	pages.New(s.displayName, s.continueURL()).Register(mux)
	if s.Inbox != nil {
		mux.Handle("GET "+InboxPath, pages.Inbox(s.inboxMessages))
	}
	mux.Handle("GET /healthz", web.Live())
	mux.Handle("GET /readyz", web.Ready(s.Ready, s.Log))
	if !s.Config.Playground {
		mux.Handle("GET /{$}", web.Index(s.displayName))
		return mux, nil
	}
	if s.page, err = playground.New(s.options.Playground, s.demoUsers()); err != nil {
		return nil, fmt.Errorf("the playground's page: %w", err)
	}
	s.page.Register(mux)
	return mux, nil
}

func (s *Server) newCrossOrigin() func(http.Handler) http.Handler {
	return web.CrossOrigin(web.CrossOriginConfig{
		// The server's own origin is listed for proxies that rewrite the Host header.
		Origins: append([]string{s.Config.PublicURL.String()}, s.Config.CORSOrigins...), AllowLocal: s.Config.AllowsLocalPages(),
		Refused: func(header, message string) http.Handler {
			return guard.RejectHandler(http.StatusForbidden, header, message)
		},
		Hint: func(origin string) string { return "Hint: CORS_ORIGINS=" + origin + " allows the pages of this origin" },
		Log:  s.Log, Now: s.options.Now,
	})
}

// newAPI returns the handler of /graphql.
func (s *Server) newAPI() http.Handler {
	c := graph.Config{
		App: s.App, Accounts: s.Accounts, Policy: s.Policy, Store: s.Store, DryRun: s.Reports, Log: s.Log,
		Introspection: s.Config.Introspection, LimitsOff: s.Config.LimitsOff, Explain: !s.Config.Production,
		Traced: s.Traces != nil,
	}
	if s.Metrics != nil {
		c.Metrics = s.Metrics
	}
	return web.Chain(
		graph.NewHandler(c),
		s.crossOrigin,
		web.MaxBytes(guard.DefaultMaxBytes),
		auth.Middleware(s.Tokens, s.sessions, auth.RefreshCookie{Secure: s.Config.CookieSecure(), SameSite: s.Config.CookieSameSite}),
	)
}

// continueURL returns the URL to which the pages send a visitor afterwards. It is empty if that is
// this server and / has no page.
func (s *Server) continueURL() string {
	if app := s.Config.AppURL.String(); s.Config.Playground || app != s.Config.PublicURL.String() {
		return app
	}
	return ""
}

// demoUsers returns the accounts that the playground offers for a sign-in with one click.
func (s *Server) demoUsers() []playground.DemoUser {
	if !s.options.Demo {
		return nil
	}
	return DemoUsers
}

// inboxMessages returns the mails in the inbox, for its page.
func (s *Server) inboxMessages() (list []pages.Mail) {
	for _, m := range s.Inbox.Messages() {
		list = append(list, pages.Mail{To: m.To, Subject: m.Subject, Text: m.Text, Link: m.Link, At: m.At})
	}
	return list
}

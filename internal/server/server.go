// Fieldgate is a GraphQL API server that signs people up, signs them in, and gates every field of its schema
// by role.
//
// This package is the commands (commands.go) and the only wiring: newApp builds the server from its
// configuration, for main and for the tests alike.
package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	netmail "net/mail"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	productapp "fieldgate/app"
	"fieldgate/extend"
	"fieldgate/graph"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/breached"
	"fieldgate/internal/config"
	"fieldgate/internal/guard"
	"fieldgate/internal/mail"
	"fieldgate/internal/metrics"
	"fieldgate/internal/pages"
	"fieldgate/internal/policy"
	"fieldgate/internal/product"
	"fieldgate/internal/trace/export"
	"fieldgate/internal/web"
	"fieldgate/models"
	"fieldgate/playground"
)

//go:generate go tool gqlgen generate
//go:generate go tool gofumpt -w graph
//go:generate go run . policy --format markdown --out PERMISSIONS.md

func main() {
	tuneRuntime()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, console{args: os.Args, lookup: os.LookupEnv, environ: os.Environ, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// processors is how many this process may use: Go counts those of the machine, or what a container's quota allows.
var processors = runtime.GOMAXPROCS(0)

// tuneRuntime sets what fits a server of this kind, unless the environment says otherwise.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // small live heap, short requests: 1.2 times the throughput for some 12 MB
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOOS == "linux" {
		// Password hashing runs on threads of low priority, one a processor. Each holds one of Go's processors
		// while it hashes; with twice as many, requests never wait in Go for what the kernel would give them.
		runtime.GOMAXPROCS(2 * processors)
	}
}

// app is the whole server.
type app struct {
	settings
	product  *product.Product
	store    *models.Store
	queue    *account.Queue
	accounts *account.Service
	policy   *policy.Policy
	name     string           // what the server calls itself in mails and on pages
	mailer   *account.Mailer  // nil: no mail is sent
	breached *breached.Set    // nil: none
	inbox    *mail.Inbox      // of a development server without a mail server; else nil
	page     *playground.Page // nil: there is none
	reports  *graph.Reports
	metrics  *metrics.Metrics // nil: nobody may ask for them
	traces   *export.Exporter // nil: there are none
	handler  http.Handler
	draining atomic.Bool

	crossOrigin func(http.Handler) http.Handler // which other origins may call

	flush           sync.Once    // of traces
	metricsListener net.Listener // to serve metrics on; nil: they are not
}

// settings are what an app is built from.
type settings struct {
	*config.Config
	log *slog.Logger
	now func() time.Time // nil is time.Now

	unknown       []config.UnknownVariable // names that are set, and were probably meant for a variable
	ignoredDotEnv bool                     // there is a .env that production does not read

	schema *ast.Schema // nil is the schema that the server was generated from

	demo       bool  // the playground offers to be one of the demo's people
	playground fs.FS // what the playground was built into; nil: what this program was compiled with
	migrations fs.FS // models.Options.Migrations

	smtpRoots *x509.CertPool // who vouches for the mail server; nil: those whom the system trusts
	mailLease time.Duration  // account.MailerConfig.Lease

	connections int // models.Options.MaxConnections

	newProduct func(*extend.Registry) (*productapp.App, error) // nil: productapp.New
}

// newApp builds a server and opens its database, which it does not touch yet. Close ends it.
func newApp(s settings) (_ *app, err error) {
	if s.demo && s.Production {
		return nil, errors.New("--demo: not with ENV=production: the demo's password is known to all")
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.schema == nil {
		s.schema = graph.Schema()
	}
	if s.playground == nil {
		s.playground = playground.Embedded()
	}
	a := &app{settings: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close()) // what was opened before
		}
	}()
	if a.policy, err = policy.Compile(s.schema); err != nil {
		return nil, fmt.Errorf("the schema's rules have gaps:\n%w", err)
	}
	a.reports = graph.NewReports(a.policy, s.log)
	if s.MetricsAddr != "" {
		a.metrics = metrics.New(a.sources())
	}
	if err = a.newTraces(); err != nil {
		return nil, err
	}
	tokens, err := a.newTokens()
	if err != nil {
		return nil, err
	}
	if a.product, err = s.open(models.Options{Now: s.now, MaxConnections: s.connections}); err != nil {
		return nil, err
	}
	a.store = a.product.Store
	a.queue = account.NewQueue(processors)
	var counted func(event string)
	if a.metrics != nil {
		a.queue.Waited, counted = a.metrics.Waited, a.metrics.Event
	}
	if err = a.openBreached(); err != nil {
		return nil, err
	}
	passwords, err := account.NewPasswords(s.BcryptCost, s.PasswordPeppers, a.queue)
	if err != nil {
		return nil, err
	}
	texts, err := a.newMailer()
	if err != nil {
		return nil, err
	}
	sessions := auth.NewSessions(a.store, s.SessionRecheck)
	sessions.Includes = a.policy.Includes
	a.accounts = account.New(account.Config{
		Store: a.store, Sessions: sessions, Tokens: tokens, Passwords: passwords, Policy: a.policy, Log: s.log, Hooks: a.product.Hooks,
		Mail: texts, Counted: counted, RequireVerifiedEmail: s.RequireVerifiedEmail,
		SecurityNoticesOff: s.SecurityNoticesOff,
		PasswordMinLength:  s.PasswordMinLength, Breached: a.knownBreached(), Product: a.name,
		RefreshTokenTTL: s.RefreshTokenTTL, RememberMeTTL: s.RememberMeTTL, SessionMaxAge: s.SessionMaxAge,
		UnverifiedTTL: s.UnverifiedAccountTTL,
	})
	if a.handler, err = a.newHandler(tokens, sessions); err != nil {
		return nil, err
	}
	return a, nil
}

// open prepares the database with what the product adds to it.
func (s *settings) open(o models.Options) (*product.Product, error) {
	o.Log, o.Migrations = s.log, s.migrations
	store, err := models.Open(s.DatabaseURL, o)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	p, err := s.productOf(store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return p, nil
}

func (s *settings) productOf(store *models.Store) (*product.Product, error) {
	if s.newProduct != nil {
		return product.New(store, s.log, s.newProduct)
	}
	return product.New(store, s.log, productapp.New)
}

// openBreached opens the file of BREACHED_PASSWORDS, if there is one.
func (a *app) openBreached() (err error) {
	if a.BreachedPasswords == "" {
		return nil
	}
	if a.breached, err = breached.Open(a.BreachedPasswords); err != nil {
		return fmt.Errorf("BREACHED_PASSWORDS: %w. Hint: make the file with: fieldgate passwords build --min-count 20 < hibp.txt > FILE", err)
	}
	return nil
}

// knownBreached is nil, and no interface with a nil in it, if there is none.
func (a *app) knownBreached() account.Breached {
	if a.breached == nil {
		return nil
	}
	return a.breached
}

func (a *app) newTokens() (*auth.Tokens, error) {
	private, err := privateKeys(a.JWTPrivateKeyFiles)
	if err != nil {
		return nil, fmt.Errorf("JWT_PRIVATE_KEY_FILES: %w", err)
	}
	secrets := a.JWTSecrets
	if len(secrets) == 0 && len(private) == 0 {
		file, ok := models.SQLitePath(a.DatabaseURL)
		if !ok {
			return nil, errors.New("JWT_SECRET: not set. Every server of one database needs the same key. Hint: make one with: fieldgate keys secret")
		}
		secret, err := auth.SecretFile(file + ".key")
		if errors.Is(err, fs.ErrNotExist) { // the database's folder: the file itself would have been made
			return nil, fmt.Errorf("DATABASE_URL: there is no folder for %q. Hint: make it, or choose another file: sqlite:///FOLDER/FILE", file)
		}
		if err != nil {
			return nil, keyFileError(file, err)
		}
		secrets = []string{secret}
	}
	return auth.NewTokens(auth.TokenConfig{
		PrivateKeys: private, Secrets: secrets, Issuer: a.JWTIssuer, Audience: a.JWTAudience, TTL: a.AccessTokenTTL,
		KnownRole: a.policy.Known, Now: a.now,
	})
}

// keyFileError says why the key beside a SQLite file cannot be had. A folder that cannot be written is the database's
// own difficulty too.
func keyFileError(file string, err error) error {
	if folder := models.CheckSQLiteFolder(file); folder != nil {
		return fmt.Errorf("DATABASE_URL: %w", folder)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("JWT_SECRET is not set, and the development key cannot be read by user id %d: %w. "+
			"Hint: let the server's user own the file, or set JWT_SECRET", os.Getuid(), err)
	}
	return fmt.Errorf("JWT_SECRET is not set, and the development key cannot be kept: %w", err)
}

func privateKeys(names []string) ([]auth.PrivateKey, error) {
	files := make([]auth.KeyFile, len(names))
	for i, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("%w. Hint: make a key with: fieldgate keys ed25519, in a file that the server can read", err)
		}
		files[i] = auth.KeyFile{Name: name, PEM: content}
	}
	return auth.ParsePrivateKeys(files)
}

// Of a development server without a mail server.
const (
	inboxPath = "/dev/mail"
	inboxSize = 200 // mails
)

// sendsMail: in production only a mail server can be meant.
func (a *app) sendsMail() bool { return a.SMTPURL != "" || !a.Production }

// newMailer returns the texts of mails, or nil where none is sent.
func (a *app) newMailer() (*mail.Templates, error) {
	texts, err := mail.LoadTemplates(a.MailTemplates)
	if err != nil {
		return nil, fmt.Errorf("MAIL_TEMPLATES: %w. Hint: docs/mail.md says what is in such a folder; leave it out to use the built-in texts", err)
	}
	from, err := netmail.ParseAddress(a.MailFrom)
	if err != nil {
		return nil, fmt.Errorf("MAIL_FROM: %w", err)
	}
	a.name = cmp.Or(from.Name, "Fieldgate")
	if !a.sendsMail() {
		return nil, nil
	}
	var transport mail.Transport
	switch {
	case a.SMTPURL != "":
		if transport, err = mail.NewSMTP(mail.SMTPConfig{URL: a.SMTPURL, From: a.MailFrom, RootCAs: a.smtpRoots}); err != nil {
			return nil, fmt.Errorf("SMTP_URL: %w", err)
		}
	default:
		a.inbox = mail.NewInbox(a.log, inboxSize, a.now)
		transport = a.inbox
	}
	c := account.MailerConfig{
		Store: a.store, Templates: texts, Transport: transport, Log: a.log,
		AppURL: a.AppURL, Service: a.name, LimitsOff: a.LimitsOff, Lease: a.mailLease,
		SecurityNoticesOff: a.SecurityNoticesOff,
	}
	if a.metrics != nil {
		c.Counted = a.metrics.Mail
	}
	if a.traces != nil {
		c.Tracer = a.traces.Tracer()
	}
	a.mailer = account.NewMailer(c)
	return texts, nil
}

func (a *app) newHandler(tokens *auth.Tokens, sessions *auth.Sessions) (_ http.Handler, err error) {
	a.crossOrigin = web.CrossOrigin(web.CrossOriginConfig{
		// The server's own origin is listed for a proxy that rewrites the Host header.
		Origins: append([]string{a.PublicURL.String()}, a.CORSOrigins...), Local: a.LocalPages(),
		Refused: func(header, message string) http.Handler {
			return guard.Refused(http.StatusForbidden, header, message)
		},
		Hint: func(origin string) string { return "Hint: CORS_ORIGINS=" + origin + " allows the pages of this origin" },
		Log:  a.log, Now: a.now,
	})
	c := graph.Config{
		App: a.product.App, Accounts: a.accounts, Policy: a.policy, Store: a.store, Reports: a.reports, Log: a.log,
		Introspection: a.Introspection, LimitsOff: a.LimitsOff, Explain: !a.Production,
		Traced: a.traces != nil,
	}
	if a.metrics != nil {
		c.Meter = a.metrics
	}
	api := web.Chain(
		graph.NewHandler(c),
		a.crossOrigin,
		web.MaxBytes(guard.DefaultMaxBytes),
		auth.Middleware(tokens, sessions, auth.RefreshCookie{Secure: a.CookieSecure(), SameSite: a.CookieSameSite}),
	)
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("GET /.well-known/jwks.json", tokens.JWKS())
	pages.New(a.name, a.onward()).Register(mux)
	if a.inbox != nil {
		mux.Handle("GET "+inboxPath, pages.Inbox(a.received))
	}
	mux.Handle("GET /healthz", web.Live())
	mux.Handle("GET /readyz", web.Ready(a.ready, a.log))
	if a.Playground {
		if a.page, err = playground.New(a.playground, a.offered()); err != nil {
			return nil, fmt.Errorf("the playground's page: %w", err)
		}
		a.page.Register(mux)
	} else {
		mux.Handle("GET /{$}", web.Index(a.name))
	}
	h := web.Chain(mux, web.ClientIP(a.TrustedProxies), web.Log(a.log), web.Recover(a.log),
		web.SecurityHeaders(a.CookieSecure(), a.HSTSSubdomains), web.NoStore, a.onlyKnownHosts(a.ChecksHosts()))
	if a.metrics != nil {
		h = web.Watch(a.metrics.Request)(h)
	}
	if a.traces != nil {
		h = web.Watch(a.traced(mux))(h)
	}
	return web.RequestID(h), nil
}

// onward is where the visitors of the pages go on: nowhere if that would be this server, and it has nothing at /.
func (a *app) onward() string {
	if app := a.AppURL.String(); a.Playground || app != a.PublicURL.String() {
		return app
	}
	return ""
}

// offered are the people whom a visitor of the playground can be without knowing their password.
func (a *app) offered() []playground.Person {
	if !a.demo {
		return nil
	}
	return demoPeople
}

// received are the mails in the inbox, for its page.
func (a *app) received() (list []pages.Mail) {
	for _, m := range a.inbox.Messages() {
		list = append(list, pages.Mail{To: m.To, Subject: m.Subject, Text: m.Text, Link: m.Link, At: m.At})
	}
	return list
}

// ready says whether requests should be sent here.
func (a *app) ready(ctx context.Context) error {
	if a.draining.Load() {
		return errors.New("shutting down")
	}
	return a.store.Ping(ctx)
}

// drainTime is how long the requests under way may take when the server is told to stop.
const drainTime = 25 * time.Second

// serve answers requests on l, and on more, until ctx ends, and then those that are under way. Before the database is as this program
// needs it, it answers that it is alive, and not ready: a step may take longer than whoever starts servers waits for one.
func (a *app) serve(ctx context.Context, l net.Listener, more ...net.Listener) error {
	var handler atomic.Pointer[http.Handler]
	handler.Store(new(a.starting()))
	server := web.NewServer(l.Addr().String(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*handler.Load()).ServeHTTP(w, r)
	}), a.log)
	failed := make(chan error, 1+len(more))
	for _, l := range append([]net.Listener{l}, more...) {
		go func() { failed <- server.Serve(l) }()
	}
	defer a.serveMetrics(a.metricsListener)()
	if err := a.prepare(ctx, l); err != nil {
		if ctx.Err() != nil {
			err = nil // told to stop, and nobody was served
		}
		return errors.Join(err, server.Close())
	}
	handler.Store(&a.handler)
	a.warnOfDevelopment(append([]net.Listener{l}, more...))
	a.announce(l, more...)
	go a.sweepUntil(ctx)
	mailed := a.mailUntil(ctx)
	a.warnOfReportOnly()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.draining.Store(true)
	a.log.Info("stopping", "drain", drainTime.String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := server.Shutdown(drain)
	select {
	case <-mailed:
	case <-drain.Done(): // the mail that is being sent will be sent again
	}
	a.flushTraces(drain)
	if err != nil {
		return fmt.Errorf("some requests were cut off: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// mailUntil sends mails until ctx ends, and closes its result when the last one is sent.
func (a *app) mailUntil(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if a.mailer != nil {
			a.mailer.Run(ctx)
		}
	}()
	return done
}

// warnOfUnknown warns of variables that are probably misspelled.
func (s *settings) warnOfUnknown() {
	for _, u := range s.unknown {
		s.log.Warn("unknown environment variable", "name", u.Name, "did_you_mean", u.Meant)
	}
}

// warnOfProduction warns of what is unsafe in production, and of settings that do not count there.
func (s *settings) warnOfProduction() {
	if s.ignoredDotEnv {
		s.log.Warn("production does not read .env unless it is named. Hint: ENV_FILE=.env, or --env-file .env")
	}
	if s.Production && s.DatabaseInClear() {
		s.log.Warn("the connection to MySQL is not encrypted. Hint: DATABASE_URL=mysql://…?tls=true")
	}
}

// warnOfReportOnly reminds of rules that are tried out: so long as they are, those fields are more open than they look.
func (a *app) warnOfReportOnly() {
	rules := a.policy.ReportOnly()
	fields := make([]string, len(rules))
	for i, rule := range rules {
		fields[i] = rule.Coordinate()
	}
	if len(fields) > 0 {
		a.log.Warn("rules that only report deny nobody", "fields", fields)
	}
}

// sweepPause is how long a replica waits after it has swept; at random up to twice as long, so that replicas
// which started together do not sweep together.
const sweepPause = time.Minute

// sweepUntil deletes what has expired, until ctx ends.
func (a *app) sweepUntil(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepPause + rand.N(sweepPause)):
		}
		a.sweep(ctx)
	}
}

// sweep deletes what has expired until now.
func (a *app) sweep(ctx context.Context) {
	rows, err := a.store.Sweep(ctx, a.store.Now())
	for _, sweep := range []func() (int, error){
		func() (int, error) { return a.store.SweepAudit(ctx, a.store.Now().Add(-a.AuditRetention)) },
		func() (int, error) { return a.accounts.SweepUnused(ctx) },
	} {
		if err == nil {
			var more int
			more, err = sweep()
			rows += more
		}
	}
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.WarnContext(ctx, "sweep failed", "error", err)
	case rows > 0:
		a.log.DebugContext(ctx, "swept", "rows", rows)
	}
}

// Close ends the work in the background and the database's connections, as far as there are any.
func (a *app) Close() error {
	if a.queue != nil {
		a.queue.Close()
	}
	a.flushTraces(context.Background())
	var errs []error
	if a.breached != nil {
		errs = append(errs, a.breached.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

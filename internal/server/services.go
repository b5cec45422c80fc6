package server

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	netmail "net/mail"
	"runtime"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/app"
	"fieldgate/extend"
	"fieldgate/graph"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/breached"
	"fieldgate/internal/config"
	"fieldgate/internal/keyring"
	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/internal/product"
	"fieldgate/internal/trace"
	"fieldgate/models"
	"fieldgate/playground"
)

// Options configure a server, or the services of a command. Config and Log are required.
type Options struct {
	Config *config.Config
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now

	Processors int // concurrent password hashes; 0: GOMAXPROCS

	Schema     *ast.Schema // nil: the schema that the server was generated from
	Demo       bool        // the playground offers a sign-in as DemoUsers
	Banner     io.Writer   // receives the addresses of the pages; nil: they are logged
	Playground fs.FS       // the built playground; nil: embedded
	Migrations fs.FS       // models.Options.Migrations

	SMTPRoots *x509.CertPool // authorities for the mail server; nil: those of the system
	MailLease time.Duration  // account.MailerConfig.Lease

	Connections int // models.Options.MaxConnections

	NewApp func(*extend.Registry) (*app.App, error) // what the product adds; nil: app.New
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Schema == nil {
		o.Schema = graph.Schema()
	}
	if o.Playground == nil {
		o.Playground = playground.Embedded()
	}
	if o.NewApp == nil {
		o.NewApp = app.New
	}
	if o.Processors == 0 {
		o.Processors = runtime.GOMAXPROCS(0)
	}
	return o
}

// OpenStore opens the database with the product's features, without accessing it.
func (o Options) OpenStore() (*product.Product, error) {
	store, err := models.Open(o.Config.DatabaseURL, models.Options{
		Now: o.Now, Log: o.Log, Migrations: o.Migrations, MaxConnections: o.Connections,
	})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	added, err := product.New(store, o.Log, o.withDefaults().NewApp)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return added, nil
}

// Services are shared by commands and the server: the database and the accounts.
type Services struct {
	Config *config.Config
	Log    *slog.Logger
	Policy *policy.Policy
	App    *app.App
	Store  *models.Store
	Tokens *auth.Tokens
	Queue  *account.Queue

	Accounts *account.Service
	Mailer   *account.Mailer // nil: no mail is sent
	Inbox    *mail.Inbox     // of a development server without a mail server; otherwise nil

	options     Options
	displayName string // the server's name in mails and on pages
	breached    *breached.Set
	sessions    *auth.Sessions
	factorKeys  *keyring.Keyring // nil: no second factors
}

// observers are called by the services when something happens. Nil fields are not called.
type observers struct {
	onWait  func(network string, d time.Duration)
	onEvent func(event string)
	onMail  func(outcome string)
	tracer  *trace.Tracer
}

// Open opens the services of a command. It does not access the database and writes no file. A
// command needs a key only for a moment, such as for the cursors of a list, so it gets a random
// one. Close ends the services.
func Open(o Options) (_ *Services, err error) {
	s := newServices(o)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err = s.compilePolicy(); err != nil {
		return nil, err
	}
	if s.Tokens, err = s.newTokens(nil, []string{auth.NewSecret()}); err != nil {
		return nil, err
	}
	return s, s.open(observers{})
}

func newServices(o Options) *Services {
	o = o.withDefaults()
	return &Services{Config: o.Config, Log: o.Log, options: o}
}

func (s *Services) compilePolicy() (err error) {
	if s.Policy, err = policy.Compile(s.options.Schema); err != nil {
		return fmt.Errorf("the schema has invalid rules:\n%w", err)
	}
	return nil
}

// open opens the database and creates the services. Policy and Tokens exist already.
func (s *Services) open(o observers) (err error) {
	added, err := s.options.OpenStore()
	if err != nil {
		return err
	}
	s.App, s.Store = added.App, added.Store
	s.Queue = account.NewQueue(s.options.Processors)
	s.Queue.OnWait = o.onWait
	if err = s.openBreached(); err != nil {
		return err
	}
	passwords, err := account.NewPasswords(s.Config.BcryptCost, s.Config.PasswordPeppers, s.Queue)
	if err != nil {
		return err
	}
	templates, err := s.openMail(o)
	if err != nil {
		return err
	}
	if err = s.openFactorKeys(); err != nil {
		return err
	}
	s.sessions = auth.NewSessions(s.Store, s.Config.SessionRecheck)
	s.sessions.Includes = s.Policy.Includes
	s.Accounts = account.New(account.Config{
		Store: s.Store, Sessions: s.sessions, Tokens: s.Tokens, Passwords: passwords, Policy: s.Policy, Log: s.Log, Hooks: added.Hooks,
		FactorKeys: s.factorKeys, Mail: templates, OnEvent: o.onEvent, RequireVerifiedEmail: s.Config.RequireVerifiedEmail,
		SecurityNoticesOff: s.Config.SecurityNoticesOff,
		PasswordMinLength:  s.Config.PasswordMinLength, Breached: s.breachedSet(), Product: s.displayName,
		RefreshTokenTTL: s.Config.RefreshTokenTTL, RememberMeTTL: s.Config.RememberMeTTL, SessionMaxAge: s.Config.SessionMaxAge,
		UnverifiedTTL: s.Config.UnverifiedAccountTTL,
	})
	return nil
}

// openMail sets Mailer and returns the mail templates. It returns nil if no mail is sent.
func (s *Services) openMail(o observers) (*mail.Templates, error) {
	templates, err := mail.LoadTemplates(s.Config.MailTemplates)
	if err != nil {
		return nil, fmt.Errorf(
			"MAIL_TEMPLATES: %w. Hint: see docs/mail.md, or leave it out to use the built-in texts",
			err,
		)
	}
	from, err := netmail.ParseAddress(s.Config.MailFrom)
	if err != nil {
		return nil, fmt.Errorf("MAIL_FROM: %w", err)
	}
	s.displayName = cmp.Or(from.Name, "Fieldgate")
	if !s.sendsMail() {
		return nil, nil
	}
	transport, err := s.mailTransport()
	if err != nil {
		return nil, err
	}
	s.Mailer = account.NewMailer(account.MailerConfig{
		Store: s.Store, Templates: templates, Transport: transport, Log: s.Log,
		AppURL: s.Config.AppURL, Service: s.displayName, LimitsOff: s.Config.LimitsOff, Lease: s.options.MailLease,
		SecurityNoticesOff: s.Config.SecurityNoticesOff, OnOutcome: o.onMail, Tracer: o.tracer,
	})
	return templates, nil
}

// mailTransport returns the mail server, or the inbox of a development server without one.
func (s *Services) mailTransport() (mail.Transport, error) {
	if s.Config.SMTPURL == "" {
		s.Inbox = mail.NewInbox(s.Log, inboxSize, s.options.Now)
		return s.Inbox, nil
	}
	t, err := mail.NewSMTP(mail.SMTPConfig{URL: s.Config.SMTPURL, From: s.Config.MailFrom, RootCAs: s.options.SMTPRoots})
	if err != nil {
		return nil, fmt.Errorf("SMTP_URL: %w", err)
	}
	return t, nil
}

// newTokens returns the issuer and verifier of access tokens.
func (s *Services) newTokens(private []auth.PrivateKey, secrets []string) (*auth.Tokens, error) {
	return auth.NewTokens(auth.TokenConfig{
		PrivateKeys: private, Secrets: secrets, Issuer: s.Config.JWTIssuer, Audience: s.Config.JWTAudience,
		TTL: s.Config.AccessTokenTTL, KnownRole: s.Policy.IsRole, Now: s.options.Now,
	})
}

// Close stops background work and closes the database. It may be called on partly built services.
func (s *Services) Close() error {
	if s.Queue != nil {
		s.Queue.Close()
	}
	var errs []error
	if s.breached != nil {
		errs = append(errs, s.breached.Close())
	}
	if s.Store != nil {
		errs = append(errs, s.Store.Close())
	}
	return errors.Join(errs...)
}

// openFactorKeys reads FACTOR_KEYS, unless openDevelopmentFactorKey has set a key.
func (s *Services) openFactorKeys() (err error) {
	if s.factorKeys != nil {
		return nil
	}
	if s.factorKeys, err = keyring.New(s.Config.FactorKeys); err != nil {
		return fmt.Errorf("FACTOR_KEYS: %w. Hint: create a key with fieldgate keys secret", err)
	}
	return nil
}

// openBreached opens the file of BREACHED_PASSWORDS, if it is set.
func (s *Services) openBreached() (err error) {
	if s.Config.BreachedPasswords == "" {
		return nil
	}
	if s.breached, err = breached.Open(s.Config.BreachedPasswords); err != nil {
		return fmt.Errorf(
			"BREACHED_PASSWORDS: %w. Hint: build the file with: fieldgate passwords build --min-count 20 < hibp.txt > FILE",
			err,
		)
	}
	return nil
}

// breachedSet returns the set of breached passwords. Without one it returns a nil interface, and
// not an interface that holds a nil pointer.
func (s *Services) breachedSet() account.Breached {
	if s.breached == nil {
		return nil
	}
	return s.breached
}

// InboxPath is the page of a development server without a mail server that shows its mails.
const InboxPath = "/dev/mail"

const inboxSize = 200 // mails

// sendsMail reports whether mails are sent. In production that requires a mail server: only
// development has an inbox.
func (s *Services) sendsMail() bool { return s.Config.SMTPURL != "" || !s.Config.Production }

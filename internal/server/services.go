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
	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/internal/product"
	"fieldgate/internal/trace"
	"fieldgate/models"
	"fieldgate/playground"
)

// Options are what a server, or the services of a command, is made of. Config and Log are needed.
type Options struct {
	Config *config.Config
	Log    *slog.Logger
	Now    func() time.Time // nil is time.Now

	Processors int // how many password hashes run at once; 0 is GOMAXPROCS

	Schema     *ast.Schema // nil is the schema that the server was generated from
	Demo       bool        // the playground offers to be one of DemoUsers
	Banner     io.Writer   // gets the addresses of the pages at the start; nil: the log does
	Playground fs.FS       // what the playground was built into; nil: what this program was compiled with
	Migrations fs.FS       // models.Options.Migrations

	SMTPRoots *x509.CertPool // who vouches for the mail server; nil: those whom the system trusts
	MailLease time.Duration  // account.MailerConfig.Lease

	Connections int // models.Options.MaxConnections

	NewApp func(*extend.Registry) (*app.App, error) // what the product adds; nil is app.New
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

// OpenStore opens the database with what the product adds to it. It does not touch it yet.
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

// Services are what the commands and the server have in common: the database and the accounts on it.
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
	Inbox    *mail.Inbox     // of a development server without a mail server; else nil

	options     Options
	displayName string // what the server calls itself in mails and on pages
	breached    *breached.Set
	sessions    *auth.Sessions
}

// observers receive what the services do. The zero value has none.
type observers struct {
	onWait  func(network string, d time.Duration)
	onEvent func(event string)
	onMail  func(outcome string)
	tracer  *trace.Tracer
}

// Open opens the services of a command. It touches no database yet and writes no file: what needs a key for a moment,
// such as the cursors of a list, gets one that ends with the command. Close ends the services.
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
		return fmt.Errorf("the schema's rules have gaps:\n%w", err)
	}
	return nil
}

// open opens the database and makes the services on it. Policy and Tokens are there already.
func (s *Services) open(told observers) (err error) {
	o := s.options
	added, err := o.OpenStore()
	if err != nil {
		return err
	}
	s.App, s.Store = added.App, added.Store
	s.Queue = account.NewQueue(o.Processors)
	s.Queue.OnWait = told.onWait
	if err = s.openBreached(); err != nil {
		return err
	}
	passwords, err := account.NewPasswords(s.Config.BcryptCost, s.Config.PasswordPeppers, s.Queue)
	if err != nil {
		return err
	}
	texts, err := s.openMail(told)
	if err != nil {
		return err
	}
	s.sessions = auth.NewSessions(s.Store, s.Config.SessionRecheck)
	s.sessions.Includes = s.Policy.Includes
	s.Accounts = account.New(account.Config{
		Store: s.Store, Sessions: s.sessions, Tokens: s.Tokens, Passwords: passwords, Policy: s.Policy, Log: s.Log, Hooks: added.Hooks,
		Mail: texts, OnEvent: told.onEvent, RequireVerifiedEmail: s.Config.RequireVerifiedEmail,
		SecurityNoticesOff: s.Config.SecurityNoticesOff,
		PasswordMinLength:  s.Config.PasswordMinLength, Breached: s.breachedSet(), Product: s.displayName,
		RefreshTokenTTL: s.Config.RefreshTokenTTL, RememberMeTTL: s.Config.RememberMeTTL, SessionMaxAge: s.Config.SessionMaxAge,
		UnverifiedTTL: s.Config.UnverifiedAccountTTL,
	})
	return nil
}

// openMail makes Mailer, and returns the texts of mails: nil where none is sent.
func (s *Services) openMail(told observers) (*mail.Templates, error) {
	texts, err := mail.LoadTemplates(s.Config.MailTemplates)
	if err != nil {
		return nil, fmt.Errorf("MAIL_TEMPLATES: %w. Hint: docs/mail.md says what is in such a folder; leave it out to use the built-in texts", err)
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
		Store: s.Store, Templates: texts, Transport: transport, Log: s.Log,
		AppURL: s.Config.AppURL, Service: s.displayName, LimitsOff: s.Config.LimitsOff, Lease: s.options.MailLease,
		SecurityNoticesOff: s.Config.SecurityNoticesOff, OnOutcome: told.onMail, Tracer: told.tracer,
	})
	return texts, nil
}

// mailTransport is the mail server, or the inbox of a development server without one.
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

// newTokens makes what issues and reads access tokens.
func (s *Services) newTokens(private []auth.PrivateKey, secrets []string) (*auth.Tokens, error) {
	return auth.NewTokens(auth.TokenConfig{
		PrivateKeys: private, Secrets: secrets, Issuer: s.Config.JWTIssuer, Audience: s.Config.JWTAudience,
		TTL: s.Config.AccessTokenTTL, KnownRole: s.Policy.IsRole, Now: s.options.Now,
	})
}

// Close ends the work in the background and the database's connections, as far as there are any.
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

// openBreached opens the file of BREACHED_PASSWORDS, if there is one.
func (s *Services) openBreached() (err error) {
	if s.Config.BreachedPasswords == "" {
		return nil
	}
	if s.breached, err = breached.Open(s.Config.BreachedPasswords); err != nil {
		return fmt.Errorf("BREACHED_PASSWORDS: %w. Hint: make the file with: fieldgate passwords build --min-count 20 < hibp.txt > FILE", err)
	}
	return nil
}

// breachedSet is nil, and no interface with a nil in it, if there is none.
func (s *Services) breachedSet() account.Breached {
	if s.breached == nil {
		return nil
	}
	return s.breached
}

// InboxPath is where a development server without a mail server shows the mails.
const InboxPath = "/dev/mail"

const inboxSize = 200 // mails

// sendsMail: in production only a mail server can be meant.
func (s *Services) sendsMail() bool { return s.Config.SMTPURL != "" || !s.Config.Production }

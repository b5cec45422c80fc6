// Package config reads the server's configuration from the environment and from a file.
//
//	source, err := config.Find("", os.LookupEnv)
//	…
//	cfg, err := config.Load(source.Lookup)
//
// The table in variables.go defines every variable: its default, its description and its parser. An
// empty variable counts as not set. Words such as true and production are read in any case. White
// space around a value is trimmed, except around a secret. There it is an error, because trimming
// would silently change the key.
//
// Only the form of a value is checked: nothing is opened, resolved or connected to. Two duties are
// left to the caller. In development, both JWTSecrets and JWTPrivateKeyFiles may be empty, and the
// server then creates a key. A Config holds secrets in plain text, so it must not be logged.
package config

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Config is a configuration that has passed every check.
type Config struct {
	Production bool   // ENV=production
	EnvFile    string // the file that ENV_FILE names

	// Addr is the address to listen on: HOST:PORT, or :PORT for every address. The host localhost
	// stands for both loopback addresses. With port 0 the system picks a free port.
	Addr      string
	PublicURL *url.URL // the origin that clients see, in a browser's form: scheme and host, no path

	AllowedHosts []string // additional hosts that requests may name, in lower case

	AppURL *url.URL // target of links in mails: no trailing slash

	DatabaseURL      string // sqlite://FILE or mysql://USER:PASSWORD@HOST:PORT/NAME
	DatabaseExplicit bool   // whether DATABASE_URL is set
	AutoMigrate      bool   // whether a starting server migrates the database

	JWTPrivateKeyFiles []string // names of PEM files; the first key signs, all verify
	// JWTSecrets all verify. The first signs, unless there are key files. Development may have
	// none.
	JWTSecrets []string
	// FactorKeys all decrypt the secrets of second factors. The first encrypts. Development may
	// have none.
	FactorKeys  []string
	JWTIssuer   string
	JWTAudience string

	AccessTokenTTL  time.Duration // from a second to an hour; at most RefreshTokenTTL
	RefreshTokenTTL time.Duration // idle timeout of a session; at most RememberMeTTL
	RememberMeTTL   time.Duration // idle timeout of a "remember me" session; at most SessionMaxAge
	SessionMaxAge   time.Duration // maximum age of a session, counted from its login
	SessionRecheck  time.Duration // how long a looked-up session is cached; 0 disables the cache

	BcryptCost        int
	PasswordPeppers   []string // the first hashes, all verify; may be empty
	PasswordMinLength int      // in characters
	BreachedPasswords string   // the name of a file; empty: none

	SMTPURL              string // smtp://…; empty: no mail server
	MailFrom             string // an address, with or without a name
	MailTemplates        string // a directory; empty: none
	SecurityNoticesOff   bool   // no mails about new sign-ins, failed sign-ins, roles and deletions
	RequireVerifiedEmail bool   // sign-in requires a verified address

	UnverifiedAccountTTL time.Duration // lifetime of an account that was never verified or used

	CookieSameSite http.SameSite
	HSTSSubdomains bool     // HSTS includes subdomains, if PublicURL is https
	CORSOrigins    []string // other origins whose pages may call the API, in a browser's form

	TrustedProxies []netip.Prefix // proxies whose X-Forwarded-For is trusted

	LimitsOff bool // disables rate limits; never set in production

	AuditRetention time.Duration // how long the audit log keeps an entry

	Introspection bool
	Playground    bool

	MetricsAddr string // where metrics are served: HOST:PORT or :PORT; empty: not served

	Tracing Tracing // the export of traces

	LogFormat string // text or json
	LogLevel  slog.Level
}

// CookieSecure reports whether cookies carry the Secure attribute, which they do if clients use
// https.
func (c *Config) CookieSecure() bool {
	return c.PublicURL != nil && c.PublicURL.Scheme == "https"
}

// AllowsLocalPages reports whether pages of this machine may call the API without an entry in
// CORSOrigins. They may in development, if no other machine can reach the server.
func (c *Config) AllowsLocalPages() bool { return !c.Production && c.ListensOnLoopback() }

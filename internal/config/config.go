// Package config reads the server's configuration from the environment and from a file.
//
//	source, err := config.Find("", os.LookupEnv)
//	…
//	cfg, err := config.Load(source.Lookup)
//
// The table in variables.go is the whole of it: one row a variable, with its default, what it means and how it is
// read. A variable that is set to nothing counts as not set. Words (true, production, …) are read in any case, and white
// space around a value is dropped, except around a secret, where it is an error: dropping it silently would make
// another key of it.
//
// Values are checked by their shape alone: nothing is opened, resolved or connected to. Two things are left to the
// caller: where there are neither JWTSecrets nor JWTPrivateKeyFiles, which only development can have, the server makes a
// key itself; and a Config holds secrets in clear, so it must not be logged.
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

	Addr      string   // where to listen: HOST:PORT, or :PORT for every address; localhost is both loopback addresses; port 0 lets the system pick
	PublicURL *url.URL // the origin that clients see: scheme and host, no path, as a browser writes it

	AllowedHosts []string // other hosts that requests may name, in lower case

	AppURL *url.URL // where links in mails lead: no trailing slash

	DatabaseURL      string // sqlite://FILE or mysql://USER:PASSWORD@HOST:PORT/NAME
	DatabaseExplicit bool   // DatabaseURL was set, not defaulted
	AutoMigrate      bool   // a server that starts brings the database's tables up to date

	JWTPrivateKeyFiles []string // names of PEM files; the first key signs, all verify
	JWTSecrets         []string // the first signs, unless there are key files, and all verify; empty in development if none was set
	JWTIssuer          string
	JWTAudience        string

	AccessTokenTTL  time.Duration // from a second to an hour; at most RefreshTokenTTL
	RefreshTokenTTL time.Duration // how long a session may lie idle; at most RememberMeTTL
	RememberMeTTL   time.Duration // the same for "remember me"; at most SessionMaxAge
	SessionMaxAge   time.Duration // how long a session lasts at most, counted from its login
	SessionRecheck  time.Duration // how long a session that was looked up is trusted; 0: not at all

	BcryptCost        int
	PasswordPeppers   []string // the first hashes, and all verify; empty if there is none
	PasswordMinLength int      // in characters
	BreachedPasswords string   // a file; empty: none

	SMTPURL              string // smtp://…; empty: there is no mail server
	MailFrom             string // an address, perhaps with a name
	MailTemplates        string // a folder; empty: none
	SecurityNoticesOff   bool   // no mail tells owners of new sign-ins, failed ones, roles and deletions
	RequireVerifiedEmail bool   // nobody signs in before they have shown that mail reaches them

	UnverifiedAccountTTL time.Duration // how long an account is kept that was never verified or signed in to

	CookieSameSite http.SameSite
	HSTSSubdomains bool     // with an https PublicURL, browsers reach its subdomains by https only too
	CORSOrigins    []string // other origins whose pages may use the API, as a browser writes them

	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed

	LimitsOff bool // nothing is rate limited; never in production

	AuditRetention time.Duration // how long the audit log keeps an entry

	Introspection bool
	Playground    bool

	MetricsAddr string // where metrics are to be had: HOST:PORT or :PORT; empty: nowhere

	Tracing Tracing // where traces go

	LogFormat string // text or json
	LogLevel  slog.Level
}

// CookieSecure reports whether cookies carry the Secure attribute: whenever clients come by https.
func (c *Config) CookieSecure() bool {
	return c.PublicURL != nil && c.PublicURL.Scheme == "https"
}

// AllowsLocalPages reports whether pages of this machine may use the API without being listed in CORSOrigins: in
// development, where no other machine reaches the server.
func (c *Config) AllowsLocalPages() bool { return !c.Production && c.ListensOnLoopback() }

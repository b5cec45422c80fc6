package doctor

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"fieldgate/internal/config"
)

// publicURL looks at where clients come to.
func publicURL(r *report, f Snapshot) {
	const id = "url.public"
	c := f.Config
	switch host := c.PublicURL.Hostname(); {
	case c.PublicURL.Scheme == "https":
		r.ok(id, "%s: cookies are Secure", c.PublicURL)
	case isLoopback(host):
		r.ok(id, "%s, which is this machine", c.PublicURL)
	default:
		r.add(id, Warning, c.PublicURL.String()+": passwords and tokens cross the network in clear, and the cookie is not Secure", "an https PUBLIC_URL, and a proxy in front that ends TLS")
	}
	appURL(r, c)
}

func appURL(r *report, c *config.Config) {
	const id = "url.app"
	app := origin(c.AppURL)
	switch {
	case app == c.PublicURL.String():
		r.ok(id, "links in mails lead to the server itself")
	case !slices.Contains(c.CORSOrigins, app):
		r.add(id, Warning, fmt.Sprintf("links in mails lead to %s, whose pages may not call the API", app), "add "+app+" to CORS_ORIGINS, unless its own server asks for it")
	default:
		r.ok(id, "links in mails lead to %s, whose pages may call the API", app)
	}
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// metricsAddr looks at where metrics and profiles are to be had, by whoever asks.
func metricsAddr(r *report, f Snapshot) {
	const id = "metrics"
	addr := f.Config.MetricsAddr
	if addr == "" {
		return
	}
	host, _, _ := net.SplitHostPort(addr)
	if isLoopback(host) {
		r.ok(id, "%s, on this machine only", addr)
		return
	}
	r.add(id, Note, fmt.Sprintf("%q: metrics and profiles are for everybody who reaches that address", addr), "METRICS_ADDR=127.0.0.1:9090, unless it is in a network of the scraper's own")
}

func corsOrigins(r *report, f Snapshot) {
	const id = "cors"
	if len(f.Config.CORSOrigins) == 0 {
		r.ok(id, "pages of %s may call the API, and of no other origin", f.Config.PublicURL)
		return
	}
	good := true
	for _, o := range f.Config.CORSOrigins {
		u, err := url.Parse(o)
		if err != nil {
			continue // the configuration has seen that it is one
		}
		switch {
		case f.Config.Production && isLoopback(u.Hostname()):
			r.add(id, Warning, o+" may call the API: any program on a visitor's own machine can serve that page", "take it out of CORS_ORIGINS in production")
			good = false
		case f.Config.Production && u.Scheme != "https":
			r.add(id, Warning, o+" may call the API: whoever is on a visitor's network can change that page", "serve it by https, and write that into CORS_ORIGINS")
			good = false
		}
	}
	if good {
		r.ok(id, "pages of %s may call the API, beside our own", strings.Join(f.Config.CORSOrigins, ", "))
	}
}

// cookies compares sites: browsers send the refresh cookie to another site only with SameSite=None.
func cookies(r *report, f Snapshot) {
	const id = "cookie.samesite"
	c := f.Config
	var others []string
	for _, o := range append([]string{origin(c.AppURL)}, c.CORSOrigins...) {
		if u, err := url.Parse(o); err == nil && !sameSite(u, c.PublicURL) && !slices.Contains(others, o) {
			others = append(others, o)
		}
	}
	switch none := c.CookieSameSite == http.SameSiteNoneMode; {
	case len(others) > 0 && !none:
		r.add(id, Warning, fmt.Sprintf("%s is another site than %s: browsers do not send the refresh cookie from there, and people are signed out after %s",
			strings.Join(others, ", "), c.PublicURL, shortDuration(c.AccessTokenTTL)), "put the app and the API under one domain, or ask for tokens with delivery: BODY, or COOKIE_SAMESITE=none (docs/frontends.md)")
	case len(others) == 0 && none:
		r.add(id, Warning, "none, although no page of another site uses the API", "COOKIE_SAMESITE=strict")
	default:
		r.ok(id, "the refresh cookie is sent to where it is needed")
	}
}

// sameSite compares as browsers do: the scheme, and the domain that somebody has registered.
func sameSite(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && site(a.Hostname()) == site(b.Hostname())
}

func site(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host // localhost, or a suffix itself
	}
	return domain
}

// The widest ranges of proxies that are nobody else's: a private range of IPv4, and what one customer has of IPv6.
const (
	minBitsV4 = 8
	minBitsV6 = 32
)

func proxies(r *report, f Snapshot) {
	const id = "proxies"
	c := f.Config
	if len(c.TrustedProxies) == 0 {
		switch {
		case c.PublicURL.Scheme != "https":
			r.ok(id, "none: a client's address is the connection's")
		default:
			r.add(id, Warning, "PUBLIC_URL is https, which a proxy in front has to end, and TRUSTED_PROXIES is empty: all clients have the proxy's address, and share its rate limits",
				"TRUSTED_PROXIES, with the addresses that the proxy calls from")
		}
		return
	}
	good := true
	for _, p := range c.TrustedProxies {
		if isTooWide(p) {
			r.add(id, productionLevel(f, Problem), p.String()+" are more addresses than anybody's proxies have: whoever calls from one chooses the address that rate limits and the audit log know",
				"the addresses of your proxies, and no others")
			good = false
		}
	}
	if good {
		r.ok(id, "X-Forwarded-For is believed of %s", join(c.TrustedProxies))
	}
}

// minSignIns say nothing about where most come from.
const minSignIns = 20

// sharedAddresses is the range of carrier-grade NAT (RFC 6598), which proxies in a cloud have too.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// signIns looks for a proxy that the server does not know: most clients seem to have one address, which is none of the internet.
func signIns(r *report, f Snapshot) {
	const id = "proxies.signins"
	s := f.Database.SignIns
	if s.Total < minSignIns {
		return
	}
	top, err := netip.ParseAddr(s.Top)
	top = top.Unmap()
	inside := err == nil && (top.IsPrivate() || top.IsLoopback() || top.IsLinkLocalUnicast() || sharedAddresses.Contains(top))
	if !inside || 2*s.TopCount <= s.Total {
		r.ok(id, "the last %d sign-ins came from clients' own addresses", s.Total)
		return
	}
	level := Warning
	if top.IsLoopback() {
		level = productionLevel(f, Warning)
	}
	seen := fmt.Sprintf("%d of the last %d sign-ins came from %s, a private address: clients share its rate limits and its turn for password hashes", s.TopCount, s.Total, top)
	if slices.ContainsFunc(f.Config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(top) }) {
		r.add(id, level, seen, "have that proxy send X-Forwarded-For, or take it out of TRUSTED_PROXIES if clients are there")
		return
	}
	r.add(id, level, seen, "add "+top.String()+" to TRUSTED_PROXIES, if it is a proxy that sets X-Forwarded-For")
}

func isTooWide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		// 10.0.0.0/8 is private; any other range of that size belongs to many.
		return p.Bits() < minBitsV4 || p.Bits() < 2*minBitsV4 && !p.Addr().IsPrivate() && !p.Addr().IsLoopback()
	}
	return p.Bits() < minBitsV6 && !p.Addr().IsPrivate()
}

func join[T fmt.Stringer](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, ", ")
}

func mail(r *report, f Snapshot) {
	const id = "mail"
	c := f.Config
	if f.TemplatesErr != nil {
		r.add("mail.templates", Problem, "MAIL_TEMPLATES: "+f.TemplatesErr.Error(), "docs/mail.md says what a folder of templates holds")
	}
	if c.SMTPURL == "" {
		if c.Production {
			r.add(id, Warning, "SMTP_URL is not set, and no mail is sent: nobody can reset a password or verify an address", "SMTP_URL=smtp://USER:PASSWORD@HOST:587")
		} else {
			r.ok(id, "mails are shown at /dev/mail instead of sent")
		}
		return
	}
	u, err := url.Parse(c.SMTPURL)
	if err == nil && u.Query().Get("tls") == "none" && !isLoopback(u.Hostname()) {
		r.add(id, Warning, u.Hostname()+" gets mails in clear, with the links that reset passwords", "?tls=starttls or ?tls=implicit")
	} else {
		r.ok(id, "mails go to %s", u.Hostname())
	}
	switch {
	case f.Mail == nil:
	case f.Mail.Err != nil:
		r.add("mail.server", Problem, f.Mail.Err.Error(), "check SMTP_URL, and whether the network lets this machine connect")
	default:
		r.ok("mail.server", "it lets us in; nothing was sent")
	}
}

// surface looks at what is meant for development, or for finding a fault.
func surface(r *report, f Snapshot) {
	c := f.Config
	good := true
	for _, row := range []struct {
		id    string
		on    bool
		level Level
		seen  string
		do    string
	}{
		{"surface.introspection", c.Introspection && c.Production, Note, "anybody can read the schema, with every field and who may use it", "INTROSPECTION=false, unless the API is a public one"},
		{"surface.playground", c.Playground && c.Production, Note, "anybody has the playground at /", "PLAYGROUND=false, unless it is meant for them"},
		{"surface.limits", c.LimitsOff, Warning, "LIMITS=off: passwords may be guessed without end", "LIMITS=on, but for load tests"},
		{"surface.log", c.LogLevel < slog.LevelInfo && c.Production, Warning, "LOG_LEVEL=debug: a line for each statement costs time and disk", "LOG_LEVEL=info, but while a fault is looked for"},
		{"surface.log", c.LogLevel > slog.LevelWarn, Note, "LOG_LEVEL=error: the log does not say that a refresh token was stolen or a limit used up", "LOG_LEVEL=info"},
		{"surface.recheck", c.SessionRecheck > 0, Note, fmt.Sprintf("a logout, a new role or a shut account counts up to %s later on another replica", shortDuration(c.SessionRecheck)), "SESSION_RECHECK=0s, unless that is meant"},
	} {
		if row.on {
			r.add(row.id, row.level, row.seen, row.do)
			good = false
		}
	}
	if good {
		r.ok("surface", "nothing is on that would have to be off")
	}
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

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

// publicURL checks the address that clients use.
func publicURL(r *report, f Snapshot) {
	const id = "url.public"
	c := f.Config
	switch host := c.PublicURL.Hostname(); {
	case c.PublicURL.Scheme == "https":
		r.ok(id, "%s: cookies are Secure", c.PublicURL)
	case isLoopback(host):
		r.ok(id, "%s, which is this machine", c.PublicURL)
	default:
		r.add(
			id, Warning,
			c.PublicURL.String()+": passwords and tokens cross the network unencrypted, and the cookie is not Secure",
			"use an https PUBLIC_URL, and a proxy in front that terminates TLS",
		)
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
		r.add(
			id, Warning,
			fmt.Sprintf("links in mails lead to %s, whose pages may not call the API", app),
			"add "+app+" to CORS_ORIGINS, unless its own server calls the API",
		)
	default:
		r.ok(id, "links in mails lead to %s, whose pages may call the API", app)
	}
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// metricsAddr checks who can read metrics and profiles, which require no sign-in.
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
	r.add(
		id, Note,
		fmt.Sprintf("%q: every client that reaches this address can read metrics and profiles", addr),
		"set METRICS_ADDR=127.0.0.1:9090, unless the network is private to the scraper",
	)
}

func corsOrigins(r *report, f Snapshot) {
	const id = "cors"
	if len(f.Config.CORSOrigins) == 0 {
		r.ok(id, "only pages of %s may call the API", f.Config.PublicURL)
		return
	}
	ok := true
	for _, o := range f.Config.CORSOrigins {
		u, err := url.Parse(o)
		if err != nil {
			continue // not reached: config has checked the URL
		}
		switch {
		case f.Config.Production && isLoopback(u.Hostname()):
			r.add(
				id, Warning,
				o+" may call the API: any program on a visitor's own machine can serve that page",
				"remove it from CORS_ORIGINS in production",
			)
			ok = false
		case f.Config.Production && u.Scheme != "https":
			r.add(
				id, Warning,
				o+" may call the API: an attacker on a visitor's network can change that page",
				"serve the page over https, and change the origin in CORS_ORIGINS",
			)
			ok = false
		}
	}
	if ok {
		r.ok(id, "pages of %s may call the API, besides the server's own", strings.Join(f.Config.CORSOrigins, ", "))
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
		r.add(id, Warning,
			fmt.Sprintf("%s is another site than %s: browsers do not send the refresh cookie from there, so users are signed out after %s",
				strings.Join(others, ", "), c.PublicURL, shortDuration(c.AccessTokenTTL)), "put the app and the API under one domain, request tokens with delivery: BODY, or set COOKIE_SAMESITE=none (docs/frontends.md)")
	case len(others) == 0 && none:
		r.add(
			id, Warning,
			"COOKIE_SAMESITE is none, although no page of another site may call the API",
			"set COOKIE_SAMESITE=strict",
		)
	default:
		r.ok(id, "browsers send the refresh cookie from every page that may call the API")
	}
}

// sameSite compares as browsers do: by scheme and registrable domain.
func sameSite(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && site(a.Hostname()) == site(b.Hostname())
}

func site(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host // localhost, or a public suffix
	}
	return domain
}

const (
	// The shortest prefixes that can belong to one operator: a private range of IPv4, and the
	// allocation of one customer in IPv6.
	minBitsV4 = 8
	minBitsV6 = 32
)

func proxies(r *report, f Snapshot) {
	const id = "proxies"
	c := f.Config
	if len(c.TrustedProxies) == 0 {
		switch {
		case c.PublicURL.Scheme != "https":
			r.ok(id, "no proxies: the server takes the client's address from the connection")
		default:
			r.add(id, Warning,
				"PUBLIC_URL is https, so a proxy in front terminates TLS, but TRUSTED_PROXIES is empty: all clients have the proxy's address and share its rate limits",
				"set TRUSTED_PROXIES to the addresses that the proxy calls from")
		}
		return
	}
	ok := true
	for _, p := range c.TrustedProxies {
		if isTooWide(p) {
			r.add(id, productionLevel(f, Problem),
				p.String()+" is wider than any range of proxies: a client in it can forge the address that rate limits and the audit log use",
				"list only the addresses of your proxies in TRUSTED_PROXIES")
			ok = false
		}
	}
	if ok {
		r.ok(id, "X-Forwarded-For is trusted from %s", join(c.TrustedProxies))
	}
}

// minSignIns is the number of sign-ins below which their addresses say nothing.
const minSignIns = 20

// sharedAddresses is the range of carrier-grade NAT (RFC 6598). Proxies in a cloud use it, too.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// signIns looks for a proxy that is missing from TRUSTED_PROXIES: most clients then seem to have
// the same private address.
func signIns(r *report, f Snapshot) {
	const id = "proxies.signins"
	s := f.Database.SignIns
	if s.Total < minSignIns {
		return
	}
	top, err := netip.ParseAddr(s.Top)
	top = top.Unmap()
	isInternal := err == nil && (top.IsPrivate() || top.IsLoopback() || top.IsLinkLocalUnicast() || sharedAddresses.Contains(top))
	if !isInternal || 2*s.TopCount <= s.Total {
		r.ok(id, "the last %d sign-ins came from clients' own addresses", s.Total)
		return
	}
	level := Warning
	if top.IsLoopback() {
		level = productionLevel(f, Warning)
	}
	message := fmt.Sprintf("%d of the last %d sign-ins came from %s, a private address: these clients share its rate limits and its place in the password queue", s.TopCount, s.Total, top)
	if slices.ContainsFunc(f.Config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(top) }) {
		r.add(
			id, level,
			message,
			"configure that proxy to send X-Forwarded-For, or remove it from TRUSTED_PROXIES if clients are at that address",
		)
		return
	}
	r.add(id, level, message, "add "+top.String()+" to TRUSTED_PROXIES, if it is a proxy that sets X-Forwarded-For")
}

func isTooWide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		// 10.0.0.0/8 is private; any other range of that size belongs to many operators.
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
		r.add(
			"mail.templates", Problem,
			"MAIL_TEMPLATES: "+f.TemplatesErr.Error(),
			"see docs/mail.md for the files of a template directory",
		)
	}
	if c.SMTPURL == "" {
		if c.Production {
			r.add(
				id, Warning,
				"SMTP_URL is not set, so no mail is sent: users cannot reset a password or verify an address",
				"set SMTP_URL=smtp://USER:PASSWORD@HOST:587",
			)
		} else {
			r.ok(id, "mails are shown at /dev/mail and not sent")
		}
		return
	}
	u, err := url.Parse(c.SMTPURL)
	if err == nil && u.Query().Get("tls") == "none" && !isLoopback(u.Hostname()) {
		r.add(
			id, Warning,
			u.Hostname()+" receives mails unencrypted, with the links that reset passwords",
			"use ?tls=starttls or ?tls=implicit in SMTP_URL",
		)
	} else {
		r.ok(id, "mails are sent through %s", u.Hostname())
	}
	switch {
	case f.Mail == nil:
	case f.Mail.Err != nil:
		r.add("mail.server", Problem, f.Mail.Err.Error(), "check SMTP_URL, and that this machine can connect")
	default:
		r.ok("mail.server", "the sign-in to the mail server succeeded; nothing was sent")
	}
}

// surface checks settings for development and debugging.
func surface(r *report, f Snapshot) {
	c := f.Config
	ok := true
	for _, row := range []struct {
		id    string
		on    bool
		level Level
		text  string
		fix   string
	}{
		{
			"surface.introspection", c.Introspection && c.Production, Note,
			"introspection is on: every client can read the schema with all fields and rules",
			"set INTROSPECTION=false, unless the API is public",
		},
		{
			"surface.playground", c.Playground && c.Production, Note,
			"every client can use the playground at /",
			"set PLAYGROUND=false, unless this is intended",
		},
		{
			"surface.limits", c.LimitsOff, Warning,
			"LIMITS=off: passwords can be guessed without limit",
			"set LIMITS=on, except for load tests",
		},
		{
			"surface.log", c.LogLevel < slog.LevelInfo && c.Production, Warning,
			"LOG_LEVEL=debug: one line per SQL statement costs time and disk space",
			"set LOG_LEVEL=info, except while debugging",
		},
		{
			"surface.log", c.LogLevel > slog.LevelWarn, Note,
			"LOG_LEVEL=error: the log does not report stolen refresh tokens and exhausted limits",
			"set LOG_LEVEL=info",
		},
		{
			"surface.recheck", c.SessionRecheck > 0, Note,
			fmt.Sprintf("a sign-out, a new role or a disabled account takes effect up to %s later on other servers", shortDuration(c.SessionRecheck)),
			"set SESSION_RECHECK=0s, unless this is intended",
		},
	} {
		if row.on {
			r.add(row.id, row.level, row.text, row.fix)
			ok = false
		}
	}
	if ok {
		r.ok("surface", "no development setting is on")
	}
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

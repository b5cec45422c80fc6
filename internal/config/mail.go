package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

const smtpURLs = "smtp://USER:PASSWORD@HOST:PORT, or smtp://HOST:PORT"

// smtpModes are the values of the parameter tls.
var smtpModes = []string{"starttls", "implicit", "none"}

func parseSMTPURL(c *Config, value string) *valueError {
	if strings.HasPrefix(value, "smtps://") {
		return &valueError{smtpURLs, "write smtp://…?tls=implicit instead of smtps://"}
	}
	rest, ok := strings.CutPrefix(value, "smtp://")
	u, err := url.Parse(value)
	if !ok || err != nil || hasStrayAt(rest) {
		return &valueError{
			smtpURLs,
			"in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25",
		}
	}
	switch {
	case !validURLHost(u):
		return &valueError{smtpURLs + ", with a host", "the port is 587 if none is written, 465 with ?tls=implicit"}
	case u.Path != "" && u.Path != "/" || u.Fragment != "":
		return &valueError{smtpURLs + ", without a path", "in a user or password write / as %2F and # as %23"}
	}
	if password, _ := u.User.Password(); u.User != nil && (password == "" || u.User.Username() == "") {
		return &valueError{
			smtpURLs + ": a user and a password, or neither",
			"omit USER:PASSWORD@ if the mail server requires no sign-in",
		}
	}
	if invalid := checkSMTPParameters(u.RawQuery); invalid != nil {
		return invalid
	}
	if u.User != nil && u.Query().Get("tls") == "none" && !isLoopbackHost(u.Hostname()) {
		return &valueError{
			"no password with ?tls=none, except for a mail server on this machine",
			"the password would cross the network unencrypted: use starttls, the default, or ?tls=implicit",
		}
	}
	c.SMTPURL = value
	return nil
}

func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

func checkSMTPParameters(query string) *valueError {
	const hint = "starttls is the default and never falls back to plain text; implicit is for port 465"
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return &valueError{"parameters of the form ?tls=starttls", hint}
	}
	for parameter := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(parameter, "="); name != "tls" && parameter != "" {
			return &valueError{"no parameter except tls, got " + quote(name), hint}
		}
	}
	if modes, ok := parameters["tls"]; ok && (len(modes) != 1 || !slices.Contains(smtpModes, modes[0])) {
		return &valueError{"one tls parameter: " + joinOr(smtpModes), hint}
	}
	return nil
}

// parseMailFrom accepts an address, or a name and an address in angle brackets.
func parseMailFrom(c *Config, value string) *valueError {
	from, err := mail.ParseAddress(value)
	if err != nil || strings.ContainsAny(value, "\r\n\x00") || !strings.Contains(from.Address, "@") {
		return &valueError{
			"an e-mail address, with or without a name: Fieldgate <no-reply@example.com>",
			"the mail server must accept it as a sender",
		}
	}
	if strings.ContainsFunc(from.Name, unicode.IsControl) {
		return &valueError{"a name without control characters", "the rule applies to the decoded name"}
	}
	if !isSendable(from.Address) {
		return &valueError{
			"an address that every mail server can send from",
			"use ASCII without quotes before the @ and a DNS name after it: no-reply@example.com",
		}
	}
	c.MailFrom = value
	return nil
}

// isSendable reports whether every mail server can send from address. Extended addresses depend on
// the mail server, which is known only when a mail is sent: too late for a configuration error.
func isSendable(address string) bool {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address { // the address needs quotes
		return false
	}
	at := strings.LastIndexByte(address, '@')
	return !strings.ContainsFunc(address[:at], func(r rune) bool { return r > unicode.MaxASCII }) && isMailDomain(address[at+1:])
}

// isMailDomain reports whether host can be the domain of an address. It is stricter than validHost:
// mail domains have no underscores.
func isMailDomain(host string) bool {
	name, err := idna.Lookup.ToASCII(host)
	return err == nil && name != ""
}

// defaultMailFrom is an address at the host of PUBLIC_URL.
func defaultMailFrom(c *Config) string {
	if c.PublicURL == nil {
		return ""
	}
	return "Fieldgate <no-reply@" + mailHost(c.PublicURL.Hostname()) + ">"
}

// mailHost returns host, or localhost if no mail can be sent from host: an IP address, or a name
// with an underscore.
func mailHost(host string) string {
	if _, err := netip.ParseAddr(host); err == nil || !isMailDomain(host) {
		return "localhost"
	}
	return host
}

// parseAppURL runs after parsePublicURL. Unlike PUBLIC_URL, the value may have a path.
func parseAppURL(c *Config, value string) *valueError {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !validURLHost(u) || u.User != nil ||
		strings.ContainsAny(value, "?#") {
		return &valueError{
			"an absolute http or https URL without query, fragment or user",
			"write the address of the pages that links in mails open, as in https://app.example.com",
		}
	}
	if c.Production && u.Scheme != "https" {
		return &valueError{"an https URL in production", "links in mails carry a token"}
	}
	c.AppURL = &url.URL{
		Scheme:  u.Scheme,
		Host:    originHost(u),
		Path:    strings.TrimRight(u.Path, "/"),
		RawPath: strings.TrimRight(u.RawPath, "/"), // keeps %2F distinct from /
	}
	return nil
}

// parseMailTemplates checks only the name. The server checks the templates when it reads them.
func parseMailTemplates(c *Config, value string) *valueError {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return &valueError{"the name of a directory", "leave it out to use the built-in texts"}
	}
	c.MailTemplates = filepath.Clean(value)
	return nil
}

// parseRequireVerified runs after parseSMTPURL: without mail, no user could ever sign in.
func parseRequireVerified(c *Config, value string) *valueError {
	if invalid := flag(func(c *Config) *bool { return &c.RequireVerifiedEmail })(c, value); invalid != nil {
		return invalid
	}
	if c.RequireVerifiedEmail && c.Production && c.SMTPURL == "" {
		return &valueError{
			"SMTP_URL to be set, too",
			"without mail, users cannot verify their address and cannot sign in",
		}
	}
	return nil
}

package mail

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Values of the tls parameter of an SMTP URL.
const (
	TLSStartTLS = "starttls" // the default: encrypts after the greeting, or fails
	TLSImplicit = "implicit" // encrypts from the first byte (RFC 8314 section 3.3)
	TLSNone     = "none"     // never encrypts
)

// defaultPorts are the ports of RFC 8314 section 7.3 and RFC 6409, and port 25 for a relay on the
// same machine.
var defaultPorts = map[string]string{TLSStartTLS: "587", TLSImplicit: "465", TLSNone: "25"}

// SettingError reports an invalid setting. It never contains the value, which may hold a password.
type SettingError struct {
	Setting  string // the field of SMTPConfig: URL or From
	Expected string // completes "expected …"
	Hint     string
}

// Error implements error, in one line.
func (e *SettingError) Error() string {
	return fmt.Sprintf("mail: %s: expected %s; %s", e.Setting, e.Expected, e.Hint)
}

const (
	smtpURLs = "smtp://USER:PASSWORD@HOST:PORT"
	urlHint  = "smtp://user:password@mail.example.com:587 encrypts with STARTTLS; " +
		"in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"
	tlsHint = "?tls=starttls is the default, ?tls=implicit encrypts from the first byte, ?tls=none never does"
)

func badURL(expected, hint string) error { return &SettingError{"URL", expected, hint} }

// server is the content of an SMTP URL.
type server struct {
	host, port     string
	tls            string
	user, password string
}

func (s server) address() string { return net.JoinHostPort(s.host, s.port) }

func parseURL(value string) (server, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "smtp" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return server{}, badURL(smtpURLs, urlHint)
	}
	s := server{host: u.Hostname(), port: u.Port(), user: u.User.Username()}
	s.password, _ = u.User.Password()
	if s.tls, err = tlsMode(u.RawQuery); err != nil {
		return server{}, err
	}
	if s.port == "" {
		s.port = defaultPorts[s.tls]
	}
	number, err := strconv.ParseUint(s.port, 10, 16)
	switch {
	case s.host == "" || !isPlainLine(s.host) || strings.ContainsAny(s.host, " @"):
		return server{}, badURL(smtpURLs+", with a host", urlHint)
	case err != nil || number == 0:
		return server{}, badURL(smtpURLs+", with a port of 1 to 65535",
			"the default is 587, with ?tls=implicit 465, with ?tls=none 25")
	case (s.user == "") != (s.password == ""):
		return server{}, badURL("a user and a password, or neither", urlHint)
	case s.user != "" && s.tls == TLSNone && !isLoopback(s.host):
		return server{}, badURL("no password with ?tls=none, except for a server on this machine",
			"the password would be sent unencrypted: "+tlsHint)
	}
	return s, nil
}

func tlsMode(query string) (string, error) {
	parameters, err := url.ParseQuery(query)
	values, given := parameters["tls"]
	switch {
	case err != nil || len(parameters) > 1 || len(parameters) == 1 && !given:
		return "", badURL("no parameter except tls", tlsHint)
	case !given:
		return TLSStartTLS, nil
	case len(values) != 1 || defaultPorts[values[0]] == "":
		return "", badURL("one tls parameter: starttls, implicit or none", tlsHint)
	}
	return values[0], nil
}

// isLoopback reports whether data sent to a host stays on this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// parseFrom parses the sender: an address that needs no SMTPUTF8, with an optional name.
func parseFrom(value string) (*mail.Address, error) {
	invalid := &SettingError{"From", "an address, optionally with a name", "as in noreply@example.com or Example <noreply@example.com>"}
	from, err := mail.ParseAddress(value)
	if err != nil || from.Name != "" && !isPlainLine(from.Name) {
		return nil, invalid
	}
	address, ok := normalizeAddress(from.Address)
	if !ok || !isASCII(address) {
		return nil, invalid
	}
	return &mail.Address{Name: from.Name, Address: address}, nil
}

package config

import (
	"net"
	"net/url"
	"strings"
)

// parsePublicURL keeps the URL as a browser writes an origin: lower case, no trailing slash, no default port. Origins
// are compared byte by byte, here and by the services that check a token's issuer.
func parsePublicURL(c *Config, value string) *refusal {
	u, err := url.Parse(value)
	if err != nil || !isOrigin(u, value) {
		return &refusal{
			"an absolute http or https URL without path, query, fragment or user",
			"write the address that clients use, as in https://api.example.com",
		}
	}
	if c.Production && u.Scheme != "https" {
		return &refusal{
			"an https URL in production",
			"it is the address that clients use, also where a proxy in front of the server ends TLS",
		}
	}
	c.PublicURL = &url.URL{Scheme: u.Scheme, Host: originHost(u)}
	return nil
}

func isOrigin(u *url.URL, value string) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && validURLHost(u) &&
		(u.Path == "" || u.Path == "/") && u.User == nil &&
		!strings.ContainsAny(value, "?#") // url.Parse keeps no trace of an empty fragment
}

// ownPort is the port that a browser leaves out of an origin.
var ownPort = map[string]uint16{"http": 80, "https": 443}

func originHost(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if port, ok := portNumber(u.Port()); ok && port != ownPort[u.Scheme] {
		return hostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]" // IPv6
	}
	return host
}

// defaultPublicURL is this machine, at the port that the server listens on. Port 0 names none yet.
func defaultPublicURL(c *Config) string {
	_, portText, _ := net.SplitHostPort(c.Addr)
	port, ok := portNumber(portText)
	if !ok || port == 0 {
		port = defaultPort
	}
	return "http://" + hostPort("localhost", port)
}

// publicURLText is the default of variables that follow PUBLIC_URL: empty if that is wrong itself.
func publicURLText(c *Config) string {
	if c.PublicURL == nil {
		return ""
	}
	return c.PublicURL.String()
}

package config

import (
	"net"
	"net/url"
	"strings"
)

// parsePublicURL normalizes the URL to the form of a browser's origin: lower case, no trailing
// slash, no default port. The server and the services that check a token's issuer compare origins
// byte by byte.
func parsePublicURL(c *Config, value string) *valueError {
	u, err := url.Parse(value)
	if err != nil || !isOrigin(u, value) {
		return &valueError{
			"an absolute http or https URL without path, query, fragment or user",
			"write the address that clients use, as in https://api.example.com",
		}
	}
	if c.Production && u.Scheme != "https" {
		return &valueError{
			"an https URL in production",
			"it is the address that clients use, even if a proxy in front of the server terminates TLS",
		}
	}
	c.PublicURL = &url.URL{Scheme: u.Scheme, Host: originHost(u)}
	return nil
}

func isOrigin(u *url.URL, value string) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && validURLHost(u) &&
		(u.Path == "" || u.Path == "/") && u.User == nil &&
		!strings.ContainsAny(value, "?#") // url.Parse drops an empty fragment
}

// schemePorts are the ports that a browser omits from an origin.
var schemePorts = map[string]uint16{"http": 80, "https": 443}

func originHost(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if port, ok := portNumber(u.Port()); ok && port != schemePorts[u.Scheme] {
		return hostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]" // IPv6
	}
	return host
}

// defaultPublicURL is this machine at the port that the server listens on. Port 0 is not a known
// port yet.
func defaultPublicURL(c *Config) string {
	_, portText, _ := net.SplitHostPort(c.Addr)
	port, ok := portNumber(portText)
	if !ok || port == 0 {
		port = defaultPort
	}
	return "http://" + hostPort("localhost", port)
}

// defaultFromPublicURL is the default of variables that follow PUBLIC_URL. It is empty if
// PUBLIC_URL is invalid.
func defaultFromPublicURL(c *Config) string {
	if c.PublicURL == nil {
		return ""
	}
	return c.PublicURL.String()
}

// parseAllowedHosts normalizes each name for comparison: lower case, no trailing dot.
func parseAllowedHosts(c *Config, value string) *valueError {
	hosts, invalid := parseCSV(value, "host", "upper case and a dot at the end make no difference",
		func(part string) (string, *valueError) {
			host := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(part), "."))
			if !validHost(host) {
				return "", &valueError{
					"exact host names, without scheme, port and *",
					"name each host that clients use, as in host.docker.internal,my-laptop.local",
				}
			}
			return host, nil
		})
	c.AllowedHosts = hosts
	return invalid
}

// ChecksHosts reports whether requests must name a known host. The check stops pages that reach the
// server through another name (DNS rebinding). A production server is behind a proxy and has
// nothing to show to such a page, so there the check needs ALLOWED_HOSTS.
func (c *Config) ChecksHosts() bool { return !c.Production || len(c.AllowedHosts) > 0 }

// ChecksMetricsHosts reports whether requests to METRICS_ADDR, which requires no sign-in, must name
// a known host. On the loopback interface they always must, because browsers of that machine can
// reach it. Elsewhere in production Prometheus may use any name.
func (c *Config) ChecksMetricsHosts() bool { return c.ChecksHosts() || c.MetricsOnLoopback() }

// KnownHosts returns the names that requests may use besides IP addresses and localhost.
func (c *Config) KnownHosts() []string {
	return append([]string{c.PublicURL.Hostname()}, c.AllowedHosts...)
}

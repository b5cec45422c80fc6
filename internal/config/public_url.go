package config

import (
	"net"
	"net/url"
	"strings"
)

// parsePublicURL keeps the URL as a browser writes an origin: lower case, no trailing slash, no default port. Origins
// are compared byte by byte, here and by the services that check a token's issuer.
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

// schemePorts is the port that a browser leaves out of an origin.
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

// defaultPublicURL is this machine, at the port that the server listens on. Port 0 names none yet.
func defaultPublicURL(c *Config) string {
	_, portText, _ := net.SplitHostPort(c.Addr)
	port, ok := portNumber(portText)
	if !ok || port == 0 {
		port = defaultPort
	}
	return "http://" + hostPort("localhost", port)
}

// defaultFromPublicURL is the default of variables that follow PUBLIC_URL: empty if that is wrong itself.
func defaultFromPublicURL(c *Config) string {
	if c.PublicURL == nil {
		return ""
	}
	return c.PublicURL.String()
}

// parseAllowedHosts keeps each name as it is compared: in lower case, without a dot at the end.
func parseAllowedHosts(c *Config, value string) *valueError {
	hosts, bad := parseCSV(value, "host", "upper case and a dot at the end make no difference",
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
	return bad
}

// ChecksHosts reports whether requests must name a known host. A production server sits behind a
// proxy and has nothing to show to a page that reaches it by another name, so there it takes an
// ALLOWED_HOSTS.
func (c *Config) ChecksHosts() bool { return !c.Production || len(c.AllowedHosts) > 0 }

// ChecksMetricsHosts is ChecksHosts of METRICS_ADDR, which requires no sign-in: on the loopback interface
// the check is always on, because browsers of that machine reach it. Elsewhere in production
// Prometheus may use any name.
func (c *Config) ChecksMetricsHosts() bool { return c.ChecksHosts() || c.MetricsOnLoopback() }

// KnownHosts are the names that requests may use besides IP addresses and localhost.
func (c *Config) KnownHosts() []string {
	return append([]string{c.PublicURL.Hostname()}, c.AllowedHosts...)
}

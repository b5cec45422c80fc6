package config

import (
	"net/url"
	"strings"
)

// parseOrigins normalizes each origin to the form of a browser's Origin header, because origins are
// compared byte by byte (RFC 6454, section 6.2).
func parseOrigins(c *Config, value string) *valueError {
	origins, invalid := parseCSV(value, "origin", "upper case, a slash at the end and the scheme's own port make no difference",
		func(part string) (string, *valueError) {
			part = strings.TrimSpace(part)
			u, err := url.Parse(part)
			if err != nil || !isOrigin(u, part) {
				return "", &valueError{
					"exact http or https origins, SCHEME://HOST or SCHEME://HOST:PORT, without path, and neither * nor null",
					"name each origin whose pages may use the API, as in https://app.example.com,http://localhost:3000",
				}
			}
			return u.Scheme + "://" + originHost(u), nil
		})
	c.CORSOrigins = origins
	return invalid
}

package config

import (
	"net/url"
	"regexp"
	"strings"
)

// hidden replaces a value that errors must not show.
const hidden = "(not shown)"

var schemePattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+]*$`)

// redactDatabaseURL returns the part of a DATABASE_URL that an error may show. The value is
// invalid, so its password may be anywhere: unescaped, without a host after it, in a driver's own
// notation. If the position of the password is uncertain, only the scheme is shown.
func redactDatabaseURL(value string) string {
	scheme, rest, isURL := strings.Cut(value, "://")
	switch {
	case !isURL && !strings.ContainsAny(value, ":@"):
		return value // a bare word, such as a file name without its scheme
	case !isURL || !schemePattern.MatchString(scheme):
		return hidden
	case scheme == "sqlite" && !strings.Contains(rest, "@"):
		return value
	}
	u, err := url.Parse(value)
	if err != nil || hasStrayAt(rest) || u.Hostname() != "" && !validHost(u.Hostname()) {
		return scheme + "://…" // the apparent host may be the end of a password with an @
	}
	if u.User == nil && strings.Contains(u.Host, ":") {
		return scheme + "://" + u.Hostname() + ":…" // HOST:PORT, or USER:PASSWORD without its host
	}
	tail := ""
	if u.RawQuery != "" || u.Fragment != "" {
		tail = "?…" // a parameter may be a password, too
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted() + tail
}

// redactPublicURL returns the part of a PUBLIC_URL, or of a list of origins, that an error may
// show: all of it, unless it contains a password.
func redactPublicURL(value string) string {
	if strings.Contains(value, "@") {
		return redactDatabaseURL(value)
	}
	return value
}

// hasStrayAt reports whether an @ follows the authority in the part of a URL after "://". A
// password then probably contains an unescaped /, ? or #, and the URL is parsed into wrong parts.
func hasStrayAt(rest string) bool {
	end := strings.IndexAny(rest, "/?#")
	return end >= 0 && strings.Contains(rest[end:], "@")
}

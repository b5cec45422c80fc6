package config

import (
	"net/url"
	"regexp"
	"strings"
)

// hidden stands in errors for a value that must not be seen.
const hidden = "(not shown)"

var schemePattern = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+]*$`)

// redactDatabaseURL returns what an error may show of a DATABASE_URL. The value is a wrong one, so its password may
// stand where a correct URL has none: unescaped, without a host after it, in a driver's own notation. Whenever it is
// not certain where the password is, only the scheme is left.
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
		return scheme + "://…" // what looks like the host may be the end of a password with an @
	}
	if u.User == nil && strings.Contains(u.Host, ":") {
		return scheme + "://" + u.Hostname() + ":…" // HOST:PORT, or USER:PASSWORD without its host
	}
	tail := ""
	if u.RawQuery != "" || u.Fragment != "" {
		tail = "?…" // a parameter may be a password as well
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted() + tail
}

// redactPublicURL returns what an error may show of a PUBLIC_URL, or of a list of origins: all of it, unless somebody
// put a password into it.
func redactPublicURL(value string) string {
	if strings.Contains(value, "@") {
		return redactDatabaseURL(value)
	}
	return value
}

// hasStrayAt reports whether an @ follows the authority in what comes after a URL's "://". It is then likely that a
// password holds an unescaped /, ? or #, and that the parts of the URL are not what they seem.
func hasStrayAt(rest string) bool {
	end := strings.IndexAny(rest, "/?#")
	return end >= 0 && strings.Contains(rest[end:], "@")
}

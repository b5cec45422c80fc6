package web

import (
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Hosts accepts requests whose Host is an IP address, localhost, a name below localhost, or one of
// names, with any port. It passes all others to refused. names are in lower case, without a
// trailing dot.
//
// The check stops DNS rebinding. In that attack, a page's host name resolves to this machine, so
// the browser treats the server as the page's own origin and lets the page read every answer. Such
// requests carry the attacker's host name. An IP address cannot be rebound, and public DNS never
// resolves localhost and the names below it (RFC 6761, section 6.3). Forwarded headers are ignored,
// because clients can set them.
func Hosts(names []string, refused http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isAllowedHost(r.Host, names) {
				refused.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

var (
	// hostForm matches a Host header: a name, or an address in brackets, and an optional port.
	hostForm = regexp.MustCompile(`^(?:([a-zA-Z0-9_.-]+)|\[([0-9a-fA-F:.]+)\])(?::[0-9]{1,5})?$`)

	localName = regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*localhost$`)
)

func isAllowedHost(hostport string, names []string) bool {
	parts := hostForm.FindStringSubmatch(hostport)
	if parts == nil {
		return false
	}
	if parts[2] != "" {
		_, err := netip.ParseAddr(parts[2])
		return err == nil
	}
	name := strings.ToLower(strings.TrimSuffix(parts[1], "."))
	return isIPv4(name) || localName.MatchString(name) || slices.Contains(names, name)
}

func isIPv4(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is4()
}

package web

import (
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Hosts lets requests through whose Host is an IP address, localhost or a name below it, or one of
// names, with any port. The others get refused.
//
// It stops DNS rebinding: a page at a name of an attacker, which resolves to this machine, is of
// the same origin as the server to a browser, and could read every answer. Its requests carry the
// attacker's name. An IP address cannot be rebound, and localhost and the names below it are never
// resolved by public DNS (RFC 6761, section 6.3). Forwarded headers are not consulted: clients can
// set them.
//
// names are in lower case and have no dot at the end.
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
	// hostForm is a Host header: a name, or an address in brackets, and perhaps a port.
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

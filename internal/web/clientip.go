package web

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedFor is the header that proxies write. RFC 7239's Forwarded is not read: a proxy that
// writes one of the two headers passes the other on as the client sent it.
const forwardedFor = "X-Forwarded-For"

// ClientIP determines the client's address and stores it in the context, for [ClientIPFrom].
// r.RemoteAddr stays the other end of the connection.
//
// The other end is the client, unless it is a trusted proxy. Each proxy appends the address that
// called it to X-Forwarded-For. Read from the end, the first address that is not a trusted proxy is
// the client. Entries before it are not trusted: any client can write them. If an entry is not an
// address, the last address that was read counts.
//
// Without trusted proxies the header is ignored.
func ClientIP(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, a := withRequestInfo(r)
			if client := clientIP(r, trusted); client.IsValid() {
				a.ip = client.String()
			}
			next.ServeHTTP(w, r)
		})
	}
}

// ClientIPFrom returns the client's address for the request of ctx, without port and zone. An
// IPv4-mapped IPv6 address is returned as IPv4. It returns "" if the address is unknown, and
// outside a request.
func ClientIPFrom(ctx context.Context) string {
	if a := requestInfoFrom(ctx); a != nil {
		return a.ip
	}
	return ""
}

func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return netip.Addr{} // not an IP socket
	}
	lines := r.Header[forwardedFor]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			if !isTrusted(client, trusted) {
				return client
			}
			var last string
			rest, last, more = cutLast(rest)
			previous, ok := parseAddr(last)
			if !ok {
				return client
			}
			client = previous
		}
	}
	return client
}

// cutLast splits off the last entry of a comma-separated list. more reports whether an entry was
// before it.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

func isTrusted(ip netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// parseAddr parses an address with or without a port; IPv6 with or without brackets.
func parseAddr(s string) (ip netip.Addr, ok bool) {
	s = strings.Trim(s, " \t")
	withPort, err := netip.ParseAddrPort(s)
	if err == nil {
		return normalize(withPort.Addr()), true
	}
	if inner, found := strings.CutPrefix(s, "["); found {
		if s, found = strings.CutSuffix(inner, "]"); !found || !strings.Contains(s, ":") {
			return ip, false
		}
	}
	if ip, err = netip.ParseAddr(s); err != nil {
		return netip.Addr{}, false
	}
	return normalize(ip), true
}

// normalize returns the one form under which rate limits count an address.
func normalize(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

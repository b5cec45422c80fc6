package web

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedFor is the header that proxies write. RFC 7239's Forwarded is not
// read: of two headers that say the same, a proxy that writes one passes the
// other on as the client sent it.
const forwardedFor = "X-Forwarded-For"

// ClientIP finds out which address a request comes from and puts it into the
// context, for [ClientIPFrom]; r.RemoteAddr stays what it is, the other end of
// the connection.
//
// That other end is the client, unless it is one of the trusted proxies. Then
// each proxy has written the address that it was called from at the end of
// X-Forwarded-For: read from there, the first that is no trusted proxy is the
// client. What stands before it anybody may have written. Where something
// stands that is no address, the reading ends at what was read last.
//
// With no trusted proxies the header is never looked at.
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

// ClientIPFrom is the address of the client that the request of ctx comes from:
// without a port or a zone, an IPv4 address in its own form. It is "" if the
// address is not known, and outside of a request.
func ClientIPFrom(ctx context.Context) string {
	if a := requestInfoFrom(ctx); a != nil {
		return a.ip
	}
	return ""
}

func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return netip.Addr{} // a socket of another kind
	}
	lines := r.Header[forwardedFor]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			if !isTrusted(client, trusted) {
				return client
			}
			var last string
			rest, last, more = cutLast(rest)
			before, ok := parseAddr(last)
			if !ok {
				return client
			}
			client = before
		}
	}
	return client
}

// cutLast takes the last entry of a comma list off; more says whether there was one before it.
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

// parseAddr reads an address with or without a port, an IPv6 one with or without
// brackets.
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

// normalize is one form of what is one address to whoever counts by it.
func normalize(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

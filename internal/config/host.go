package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hostPattern matches a DNS name. DNS has no underscores, but container networks use them in names.
var hostPattern = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*$`)

// maxHostLength is the limit of DNS, in bytes.
const maxHostLength = 253

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= maxHostLength && hostPattern.MatchString(host)
}

// validURLHost reports whether the URL has a valid host and, if it has a port, one from 1 to 65535.
// url.Parse accepts any number, and a colon without a port.
func validURLHost(u *url.URL) bool {
	if !validHost(u.Hostname()) || strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, ok := portNumber(u.Port())
	return u.Port() == "" || ok && port != 0
}

func portNumber(s string) (port uint16, ok bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"fieldgate/internal/web"
)

// clientIP returns the address that ClientIP determines for a request.
func clientIP(trusted, remote string, forwarded ...string) (ip string) {
	var prefixes []netip.Prefix
	for text := range strings.FieldsSeq(trusted) {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = remote
	r.Header["X-Forwarded-For"] = forwarded
	r.Header.Set("Forwarded", "for=192.0.2.66")
	r.Header.Set("X-Real-Ip", "192.0.2.66")
	h := http.HandlerFunc(func(_ http.ResponseWriter, inside *http.Request) {
		ip = web.ClientIPFrom(inside.Context())
		if inside.RemoteAddr != remote {
			ip = "RemoteAddr was overwritten: " + inside.RemoteAddr
		}
	})
	web.ClientIP(prefixes)(h).ServeHTTP(httptest.NewRecorder(), r)
	return ip
}

func TestClientIP(t *testing.T) {
	const (
		none    = ""
		proxies = "10.0.0.0/8 2001:db8:ffff::/48"
		proxy   = "10.0.0.1:4711"
	)
	for _, tt := range []struct {
		name, trusted, remote string
		forwarded             []string
		want                  string
	}{
		{"no proxy", none, "192.0.2.1:4711", nil, "192.0.2.1"},
		{"no proxy, and a client that writes the header", none, "192.0.2.1:4711", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a client beside the proxy", proxies, "192.0.2.1:4711", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy's own request", proxies, proxy, nil, "10.0.0.1"},
		{"a proxy", proxies, proxy, []string{"192.0.2.1"}, "192.0.2.1"},
		{"a proxy, and a client that wrote the header first", proxies, proxy, []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		{"a client that wrote a trusted address", proxies, proxy, []string{"10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", proxies, proxy, []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two proxies, and a client that wrote the header first", proxies, proxy, []string{"198.51.100.7, 10.0.0.3, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"lines are one list, in their order", proxies, proxy, []string{"198.51.100.7", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"lists in lines", proxies, proxy, []string{"198.51.100.7,192.0.2.1", "10.0.0.3,10.0.0.2"}, "192.0.2.1"},
		{"proxies only", proxies, proxy, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no spaces, and many", proxies, proxy, []string{"198.51.100.7,\t192.0.2.1 ,10.0.0.2"}, "192.0.2.1"},
		{"with a port", proxies, proxy, []string{"192.0.2.1:80"}, "192.0.2.1"},
		{"IPv6", proxies, "[2001:db8:ffff::1]:4711", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 written long and in capitals", proxies, proxy, []string{"2001:0DB8:0:0:0:0:0:1"}, "2001:db8::1"},
		{"IPv6 in brackets", proxies, proxy, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 in brackets with a port", proxies, proxy, []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"a zone is dropped", none, "[fe80::1%eth0]:4711", nil, "fe80::1"},
		{"a zone behind a proxy", proxies, proxy, []string{"fe80::1%25eth0"}, "fe80::1"},
		{"a proxy with a zone is trusted", "fe80::/10", "[fe80::1%eth0]:4711", []string{"192.0.2.1"}, "192.0.2.1"},
		{"IPv4 in IPv6", none, "[::ffff:192.0.2.1]:4711", nil, "192.0.2.1"},
		{"a proxy as IPv4 in IPv6", proxies, "[::ffff:10.0.0.1]:4711", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"an empty header", proxies, proxy, []string{""}, "10.0.0.1"},
		{"an entry that is not an address", proxies, proxy, []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{"an entry that is not an address behind a proxy", proxies, proxy, []string{"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"an empty entry", proxies, proxy, []string{"192.0.2.1, , 10.0.0.2"}, "10.0.0.2"},
		{"an empty line", proxies, proxy, []string{"192.0.2.1", ""}, "10.0.0.1"},
		{"a name", proxies, proxy, []string{"client.example"}, "10.0.0.1"},
		{"an obfuscated name with a port", proxies, proxy, []string{"_hidden:80"}, "10.0.0.1"},
		{"brackets that do not close", proxies, proxy, []string{"[2001:db8::1"}, "10.0.0.1"},
		{"IPv4 in brackets", proxies, proxy, []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"IPv4 with leading zeros, which some parse as octal", proxies, proxy, []string{"192.0.2.010"}, "10.0.0.1"},
		{"a number", proxies, proxy, []string{"3221225985"}, "10.0.0.1"},
		{"a newline", proxies, proxy, []string{"192.0.2.1\n"}, "10.0.0.1"},
		{"a socket without an address", proxies, "@", []string{"192.0.2.1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := clientIP(tt.trusted, tt.remote, tt.forwarded...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestClientIPOutsideRequestIsEmpty(t *testing.T) {
	if ip := web.ClientIPFrom(t.Context()); ip != "" {
		t.Errorf("got %q, want an empty address", ip)
	}
}

// Whatever a client writes, the entry that its proxy appends counts.
func FuzzClientIP(f *testing.F) {
	for _, seed := range []string{
		"", "192.0.2.1", "10.0.0.1", "10.0.0.1,", ",", "[::1]:80", "::ffff:10.0.0.1", "fe80::1%eth0", "unknown", "for=10.0.0.1",
		"10.0.0.1, 10.0.0.2", "10.0.0.1\n10.0.0.2", "\x00", "]", "[", "%", "10.0.0.1:99999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		if got := clientIP("10.0.0.0/8", "10.0.0.1:1", written+", 192.0.2.1"); got != "192.0.2.1" {
			t.Errorf("in the proxy's line: got %q", got)
		}
		if got := clientIP("10.0.0.0/8", "10.0.0.1:1", written, "192.0.2.1"); got != "192.0.2.1" {
			t.Errorf("in a separate line: got %q", got)
		}
		if got := clientIP("10.0.0.0/8", "192.0.2.1:1", written); got != "192.0.2.1" {
			t.Errorf("without the proxy: got %q", got)
		}
		alone := clientIP("10.0.0.0/8", "10.0.0.1:1", written)
		if ip, err := netip.ParseAddr(alone); err != nil || ip.Zone() != "" || ip.Is4In6() {
			t.Errorf("got %q, want a normalized address: %v", alone, err)
		}
	})
}

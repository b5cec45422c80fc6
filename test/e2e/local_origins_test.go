package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// preflight sends the preflight of a browser for a POST with a JSON body and an access token.
func (b *testServer) preflight(origin string) *servertest.Response {
	b.t.Helper()
	r := b.newRequest(http.MethodOptions, "/graphql")
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", http.MethodPost)
	r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	return b.Do(r)
}

var originCases = []struct {
	name, origin string
	local        bool
}{
	{"localhost", "http://localhost:5173", true},
	{"localhost at the default port", "http://localhost", true},
	{"the highest port", "http://localhost:65535", true},
	{"IPv4", "http://127.0.0.1:3000", true},
	{"IPv6", "http://[::1]:3000", true},
	{"a name that begins with localhost", "http://localhost.evil.example:5173", false},
	{"a name that begins with an address", "http://127.0.0.1.evil.example", false},
	{"a name that ends with localhost", "http://evil-localhost:5173", false},
	{"a name below localhost", "http://app.localhost:5173", false},
	{"localhost with a dot", "http://localhost.:5173", false},
	{"localhost as the user of another host", "http://localhost@evil.example", false},
	{"localhost as user and password of another host", "http://localhost:5173@evil.example", false},
	{"another host as the user of localhost", "http://evil.example@localhost", false},
	{"a path", "http://localhost:5173/", false},
	{"a query", "http://localhost?", false},
	{"a fragment", "http://evil.example#localhost", false},
	{"a backslash", `http://evil.example\@localhost`, false},
	{"two origins in one header", "http://localhost:5173 http://evil.example", false},
	{"a comma", "http://localhost:5173,http://evil.example", false},
	{"https", "https://localhost:5173", false},
	{"another scheme", "ftp://localhost:5173", false},
	{"no scheme", "localhost:5173", false},
	{"a sandboxed frame", "null", false},
	{"capitals", "http://LOCALHOST:5173", false},
	{"a capital scheme", "HTTP://localhost:5173", false},
	{"a port out of range", "http://localhost:70000", false},
	{"port zero", "http://localhost:0", false},
	{"a port with a leading zero", "http://localhost:05173", false},
	{"no port after the colon", "http://localhost:", false},
	{"another loopback address", "http://127.0.0.2:5173", false},
	{"an octal address", "http://0177.0.0.1:5173", false},
	{"an address as one number", "http://2130706433:5173", false},
	{"an address in two parts", "http://127.1:5173", false},
	{"the unspecified address", "http://0.0.0.0:5173", false},
	{"IPv6 in long form", "http://[0:0:0:0:0:0:0:1]:5173", false},
	{"IPv4 in IPv6", "http://[::ffff:127.0.0.1]:5173", false},
	{"IPv6 with a zone", "http://[::1%25lo]:5173", false},
	{"a private address", "http://192.168.1.5:5173", false},
	{"a percent-encoded letter", "http://%6cocalhost:5173", false},
	{"a percent-encoded dot", "http://localhost%2eevil.example", false},
}

// Pages on local origins may use a development server that listens on the loopback interface, and
// no other server.
func TestLocalOriginsMayUseALoopbackDevelopmentServer(t *testing.T) {
	t.Parallel()
	for _, server := range []struct {
		name  string
		b     *testServer
		local bool
	}{
		{"development on the loopback interface, by default", boot(t, dbtest.SQLite(t)), true},
		{"development on IPv6's loopback address", boot(t, dbtest.SQLite(t), "ADDR", "[::1]:8080"), true},
		{"development on every address", boot(t, dbtest.SQLite(t), "ADDR", ":8080"), false},
		{"development on an address of the network", boot(t, dbtest.SQLite(t), "ADDR", "192.0.2.1:8080"), false},
		{
			"production on the loopback interface",
			boot(t, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example", "ADDR", "127.0.0.1:8080"),
			false,
		},
	} {
		t.Run(server.name, func(t *testing.T) {
			for _, row := range originCases {
				allowed := ""
				if server.local && row.local {
					allowed = row.origin
				}
				header := http.Header{"Origin": {row.origin}, "Sec-Fetch-Site": {"cross-site"}}
				for request, got := range map[string]*servertest.Response{
					"preflight": server.b.preflight(row.origin), "GET": server.b.queryByGET(header, `{ __typename }`), "POST": server.b.QueryWith(header, `{ __typename }`),
				} {
					if got.Header.Get("Access-Control-Allow-Origin") != allowed || (got.Status == http.StatusForbidden) != (allowed == "") {
						t.Errorf("%s, %s: got status %d, allowed origin %q", row.name, request, got.Status, got.Header.Get("Access-Control-Allow-Origin"))
					}
				}
			}
		})
	}
}

// The response to a rejected origin and the log line name the variable and the value to set.
func TestRefusedOriginErrorNamesCORSOrigins(t *testing.T) {
	t.Parallel()
	const origin, hint = "https://app.example.com:8443", "CORS_ORIGINS=https://app.example.com:8443"
	b := boot(t, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example")
	lines := func() (hints []string) {
		for _, record := range b.Log.Records(b.t) {
			if record["msg"] == "cross-origin request refused" {
				hints = append(hints, fmt.Sprint(record["level"], " ", record["origin"], " ", record["hint"]))
			}
		}
		return hints
	}
	for _, got := range []*servertest.Response{b.preflight(origin), b.preflight(origin), b.QueryWith(http.Header{"Origin": {origin}}, `{ __typename }`), b.queryByGET(http.Header{"Origin": {origin}}, `{ __typename }`)} {
		if got.Status != http.StatusForbidden || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, hint+" ") {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	if got := lines(); len(got) != 1 || !strings.HasPrefix(got[0], "INFO "+origin+" ") || !strings.Contains(got[0], hint+" ") {
		t.Errorf("got log lines %q, want one", got)
	}

	// The response and the log do not repeat malformed origins, which no browser sends.
	for _, hostile := range []string{"null", "https://hostile.example/path", "https://hostile.example\" CORS_ORIGINS=*", "https://user:hostile@x.example", "*", "https://hostile." + strings.Repeat("x", 300)} {
		got := b.preflight(hostile)
		if got.Status != http.StatusForbidden || strings.Contains(got.Body, "hostile") || strings.Contains(got.Body, "CORS_ORIGINS") {
			t.Errorf("%q: %d %s", hostile, got.Status, got.Body)
		}
	}
	if strings.Contains(b.Log.String(), "hostile") {
		t.Error("the log repeats a malformed origin")
	}

	// The log has at most 20 origins per hour, so invented origins cannot fill it.
	for i := range 50 {
		b.preflight(fmt.Sprintf("https://n%d.example", i))
	}
	if got := len(lines()); got != 20 {
		t.Errorf("got %d lines, want 20", got)
	}
	b.Clock.Advance(time.Hour)
	b.preflight(origin)
	if got := len(lines()); got != 21 {
		t.Errorf("got %d lines after an hour, want 21", got)
	}
}

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// The client IP is that of the connection, or the one that a trusted proxy reports. The client
// cannot set it.
func TestClientIPComesFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	direct := boot(t, dbtest.SQLite(t))
	otherProxy := boot(t, dbtest.SQLite(t), "TRUSTED_PROXIES", "10.0.0.0/8")
	proxied := boot(t, dbtest.SQLite(t), "TRUSTED_PROXIES", "127.0.0.1/32,10.0.0.0/8")
	const here = "127.0.0.1"
	for _, row := range []struct {
		name      string
		b         *testServer
		forwarded []string
		want      string
	}{
		{"no header", direct, nil, here},
		{"no trusted proxy", direct, []string{"192.0.2.1"}, here},
		{"no trusted proxy and another forged address", direct, []string{"192.0.2.2"}, here},
		{"a different trusted proxy", otherProxy, []string{"192.0.2.1"}, here},
		{"a different trusted proxy that the client claims to be", otherProxy, []string{"192.0.2.1, 10.0.0.1"}, here},
		{"a trusted proxy", proxied, []string{"192.0.2.1"}, "192.0.2.1"},
		{"a trusted proxy that appends to a forged header", proxied, []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		{"a trusted proxy that adds a header line", proxied, []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		{"two trusted proxies", proxied, []string{"198.51.100.7, 2001:db8::1, 10.0.0.1"}, "2001:db8::1"},
		{"a malformed value of the client", proxied, []string{"<script>"}, here},
	} {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{"X-Forwarded-For": row.forwarded, "Forwarded": {"for=192.0.2.66"}, "X-Real-Ip": {"192.0.2.66"}, "True-Client-Ip": {"192.0.2.66"}}
			p := row.b.NewUser("USER")
			got := row.b.QueryWith(header, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { ip } } }`, "e", p.Email, "p", p.Password).Must()
			if ip := got.Text("login.session.ip"); ip != row.want {
				t.Errorf("got session IP %s, want %s", ip, row.want)
			}
			id := got.Header.Get("X-Request-Id")
			if lines := row.b.Log.Records(t); !slices.ContainsFunc(lines, func(line map[string]any) bool {
				return line["msg"] == "http request" && line["request_id"] == id && line["remote"] == row.want
			}) {
				t.Errorf("no log line of the request has remote %s", row.want)
			}
			if strings.Contains(row.b.Log.String(), "192.0.2.66") {
				t.Error("the server read the address from another header")
			}
		})
	}
}

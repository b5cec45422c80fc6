package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// Who a client is, is told by the connection, or by a proxy that is trusted; never by the client.
func TestClientIPComesFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	direct := boot(t, dbtest.SQLite(t))
	elsewhere := boot(t, dbtest.SQLite(t), "TRUSTED_PROXIES", "10.0.0.0/8")
	proxied := boot(t, dbtest.SQLite(t), "TRUSTED_PROXIES", "127.0.0.1/32,10.0.0.0/8")
	const here = "127.0.0.1"
	for _, row := range []struct {
		name      string
		b         *testServer
		forwarded []string
		want      string
	}{
		{"nothing is forwarded", direct, nil, here},
		{"no proxy is trusted", direct, []string{"192.0.2.1"}, here},
		{"no proxy is trusted, and the client goes on to another address", direct, []string{"192.0.2.2"}, here},
		{"another proxy is trusted", elsewhere, []string{"192.0.2.1"}, here},
		{"another proxy is trusted, and the client says that it is that", elsewhere, []string{"192.0.2.1, 10.0.0.1"}, here},
		{"the proxy is trusted", proxied, []string{"192.0.2.1"}, "192.0.2.1"},
		{"the proxy adds to what the client wrote", proxied, []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		{"the proxy adds a line to what the client wrote", proxied, []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		{"two proxies", proxied, []string{"198.51.100.7, 2001:db8::1, 10.0.0.1"}, "2001:db8::1"},
		{"the proxy adds nothing, and the client nonsense", proxied, []string{"<script>"}, here},
	} {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{"X-Forwarded-For": row.forwarded, "Forwarded": {"for=192.0.2.66"}, "X-Real-Ip": {"192.0.2.66"}, "True-Client-Ip": {"192.0.2.66"}}
			p := row.b.NewUser("USER")
			got := row.b.QueryWith(header, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { ip } } }`, "e", p.Email, "p", p.Password).Must()
			if ip := got.Text("login.session.ip"); ip != row.want {
				t.Errorf("the session's address is %s, want %s", ip, row.want)
			}
			id := got.Header.Get("X-Request-Id")
			if lines := row.b.Log.Records(t); !slices.ContainsFunc(lines, func(line map[string]any) bool {
				return line["msg"] == "http request" && line["request_id"] == id && line["remote"] == row.want
			}) {
				t.Error("the log says otherwise")
			}
			if strings.Contains(row.b.Log.String(), "192.0.2.66") {
				t.Error("another header is believed")
			}
		})
	}
}

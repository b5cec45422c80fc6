package e2e

import (
	"net/http"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// What browsers say of where a request comes from, and what becomes of it. None of it must let another site use
// the cookie of a person who looks at it.
func TestCrossOriginRequestsRequireAListedOrigin(t *testing.T) {
	t.Parallel()
	const app, other = "https://app.example.com", "https://evil.example"
	b := boot(t, dbtest.SQLite(t), "CORS_ORIGINS", app+",http://localhost:5173", "PUBLIC_URL", "https://api.example.com", "ADDR", ":8080")
	for _, row := range []struct {
		name    string
		header  http.Header
		status  int
		allowed string // Access-Control-Allow-Origin
	}{
		{"no browser", http.Header{}, 200, ""},
		{"the same origin", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {b.URL}}, 200, ""},
		{"a listed origin", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {app}}, 200, app},
		{"a listed origin with a port", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://localhost:5173"}}, 200, "http://localhost:5173"},
		{"our own public address, behind a proxy that rewrites Host", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://api.example.com"}}, 200, "https://api.example.com"},
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {other}}, 403, ""},
		{"another subdomain that is not listed", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://blog.example.com"}}, 403, ""},
		{"another scheme", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://app.example.com"}}, 403, ""},
		{"another port", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {app + ":8443"}}, 403, ""},
		{"a listed origin as the beginning of another", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {app + ".evil.example"}}, 403, ""},
		{"an origin in capitals", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {strings.ToUpper(app)}}, 403, ""},
		{"a sandboxed frame", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}}, 403, ""},
		{"an old browser on another site", http.Header{"Origin": {other}}, 403, ""},
		{"two origins, one of them listed", http.Header{"Origin": {app, other}}, 403, ""},
		{"two origins, both listed", http.Header{"Origin": {app, app}}, 403, ""},
		{"two origins from our own site", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://api.example.com", other}}, 403, ""},
		{"two sites", http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}, "Origin": {other}}, 403, ""},
		{"an old browser on a listed one", http.Header{"Origin": {app}}, 200, app},
	} {
		t.Run(row.name, func(t *testing.T) {
			for method, got := range map[string]*servertest.Response{"POST": b.QueryWith(row.header, `{ __typename }`), "GET": b.queryByGET(row.header, `{ __typename }`)} {
				if got.Status != row.status || got.Header.Get("Access-Control-Allow-Origin") != row.allowed {
					t.Errorf("%s: status %d, allowed %q, want %d %q", method, got.Status, got.Header.Get("Access-Control-Allow-Origin"), row.status, row.allowed)
				}
				if credentials := got.Header.Get("Access-Control-Allow-Credentials"); (credentials == "true") != (row.allowed != "") {
					t.Errorf("%s: credentials %q", method, credentials)
				}
				if row.status == 403 && (got.Data != nil || len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "BAD_USER_INPUT") {
					t.Error(method, got.Body)
				}
				if got.Header.Get("Cache-Control") != "no-store" || strings.Join(got.Header.Values("Vary"), "|") != "Accept, Authorization, Origin" {
					t.Errorf("%s: %q", method, got.Header)
				}
			}
		})
	}
}

// A page may only send what is no simple request, and so is asked about first.
func TestPreflightAllowsListedOriginsOnly(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "CORS_ORIGINS", "https://app.example.com")
	for _, row := range []struct{ name, origin, method, headers, allowed string }{
		{"a listed origin", "https://app.example.com", "POST", "authorization,content-type", "https://app.example.com"},
		{"another origin", "https://evil.example", "POST", "content-type", ""},
		{"a query by GET", "https://app.example.com", "GET", "authorization", "https://app.example.com"},
		{"another method", "https://app.example.com", "PUT", "content-type", ""},
		{"another header", "https://app.example.com", "POST", "x-secret", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, b.URL+"/graphql", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", row.origin)
			r.Header.Set("Access-Control-Request-Method", row.method)
			r.Header.Set("Access-Control-Request-Headers", row.headers)
			got := b.Do(r)
			if got.Header.Get("Access-Control-Allow-Origin") != row.allowed {
				t.Errorf("%d %q", got.Status, got.Header)
			}
		})
	}
}

// What a form on another site can send at all, with the cookie of whoever looks at it.
func TestSimpleRequestsAreRejected(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	d := b.newDevice(b.NewUser("USER"), false)
	const logout = `{"query":"mutation { logout }"}`
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json, text/plain", "text/plain; application/json"} {
		got := b.Post(http.Header{"Content-Type": {contentType}, "Cookie": {"refresh=" + d.refresh}}, logout)
		if got.Status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: status %d", contentType, got.Status)
		}
	}
	for accept, status := range map[string]int{"": 406, "text/html, */*;q=0.8": 406, "application/json": 405} {
		got := b.queryByGET(http.Header{"Accept": {accept}, "Cookie": {"refresh=" + d.refresh}}, `mutation { logout }`)
		if got.Status != status {
			t.Errorf("GET that accepts %q: status %d", accept, got.Status)
		}
	}
	if !b.isSignedIn(d.User) {
		t.Error("one of them signed the person out")
	}
}

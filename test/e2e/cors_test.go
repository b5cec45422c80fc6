package e2e

import (
	"net/http"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// The server decides by Sec-Fetch-Site and Origin. A site that is not listed must not be able to
// use a visitor's cookie.
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
		{"a client without browser headers", http.Header{}, 200, ""},
		{"the same origin", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {b.URL}}, 200, ""},
		{"a listed origin", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {app}}, 200, app},
		{
			"a listed origin with a port",
			http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://localhost:5173"}},
			200,
			"http://localhost:5173",
		},
		{
			"the origin of PUBLIC_URL, behind a proxy that rewrites Host",
			http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://api.example.com"}},
			200,
			"https://api.example.com",
		},
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {other}}, 403, ""},
		{
			"an unlisted subdomain",
			http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://blog.example.com"}},
			403, "",
		},
		{
			"another scheme",
			http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://app.example.com"}},
			403, "",
		},
		{"another port", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {app + ":8443"}}, 403, ""},
		{
			"a listed origin as a prefix of another",
			http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {app + ".evil.example"}},
			403, "",
		},
		{
			"an origin in capitals",
			http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {strings.ToUpper(app)}},
			403, "",
		},
		{"a sandboxed frame", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}}, 403, ""},
		{"another site in a browser without Sec-Fetch-Site", http.Header{"Origin": {other}}, 403, ""},
		{"two origins, one of them listed", http.Header{"Origin": {app, other}}, 403, ""},
		{"two origins, both listed", http.Header{"Origin": {app, app}}, 403, ""},
		{
			"two origins and Sec-Fetch-Site same-origin",
			http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://api.example.com", other}},
			403, "",
		},
		{
			"two values of Sec-Fetch-Site",
			http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}, "Origin": {other}},
			403, "",
		},
		{"a listed origin in a browser without Sec-Fetch-Site", http.Header{"Origin": {app}}, 200, app},
	} {
		t.Run(row.name, func(t *testing.T) {
			for method, got := range map[string]*servertest.Response{"POST": b.QueryWith(row.header, `{ __typename }`), "GET": b.queryByGET(row.header, `{ __typename }`)} {
				if got.Status != row.status || got.Header.Get("Access-Control-Allow-Origin") != row.allowed {
					t.Errorf("%s: got status %d, allowed origin %q, want %d %q", method, got.Status, got.Header.Get("Access-Control-Allow-Origin"), row.status, row.allowed)
				}
				if credentials := got.Header.Get("Access-Control-Allow-Credentials"); (credentials == "true") != (row.allowed != "") {
					t.Errorf("%s: got Access-Control-Allow-Credentials %q", method, credentials)
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

// A GraphQL request is not a simple request (Fetch standard), so a browser sends a preflight first.
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
				t.Errorf("got status %d, header %q, want allowed origin %q", got.Status, got.Header, row.allowed)
			}
		})
	}
}

// A form on another site can send simple requests with the visitor's cookie. The server rejects
// them all.
func TestSimpleRequestsAreRejected(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	d := b.newDevice(b.NewUser("USER"), false)
	const logout = `{"query":"mutation { logout }"}`
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json, text/plain", "text/plain; application/json"} {
		got := b.Post(http.Header{"Content-Type": {contentType}, "Cookie": {"refresh=" + d.refresh}}, logout)
		if got.Status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: got status %d, want 415", contentType, got.Status)
		}
	}
	for accept, status := range map[string]int{"": 406, "text/html, */*;q=0.8": 406, "application/json": 405} {
		got := b.queryByGET(http.Header{"Accept": {accept}, "Cookie": {"refresh=" + d.refresh}}, `mutation { logout }`)
		if got.Status != status {
			t.Errorf("GET with Accept %q: got status %d, want %d", accept, got.Status, status)
		}
	}
	if !b.isSignedIn(d.User) {
		t.Error("a simple request signed the user out")
	}
}

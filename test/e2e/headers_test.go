package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/guard"
	"fieldgate/servertest"
)

// Every response has the security headers, whichever handler writes it.
func TestSecurityHeadersOnEveryResponse(t *testing.T) {
	t.Parallel()
	development := boot(t, dbtest.SQLite(t))
	production := boot(t, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example")
	const (
		noStore  = "no-store"
		jwks     = "public, max-age=300"
		strict   = "default-src 'none'; frame-ancestors 'none'"
		ownRules = "" // each page has its own; see TestPlaygroundRunsItsOwnScriptsOnly
	)
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		cache, policy            string
	}{
		{"a GraphQL response", http.MethodPost, "/graphql", `{"query":"{ __typename }"}`, 200, noStore, strict},
		{
			"a sign-in", http.MethodPost, "/graphql",
			`{"query":"mutation { login(input: {email: \"x\", password: \"x\"}) { accessToken } }"}`, 200,
			noStore, strict,
		},
		{"a malformed body", http.MethodPost, "/graphql", `{`, 400, noStore, strict},
		{
			"a too large body", http.MethodPost, "/graphql", strings.Repeat(" ", guard.DefaultMaxBytes+1),
			413, noStore, strict,
		},
		{"another method", http.MethodPut, "/graphql", "", 405, noStore, strict},
		{"a GET without a media type", http.MethodGet, "/graphql?query={__typename}", "", 406, noStore, strict},
		{"OPTIONS without preflight headers", http.MethodOptions, "/graphql", "", 405, noStore, strict},
		{"a path that is redirected", http.MethodGet, "/x/../graphql", "", 307, noStore, strict},
		{"a path below /graphql", http.MethodPost, "/graphql/", "{}", 404, noStore, strict},
		{"an unknown path", http.MethodGet, "/nothing", "", 404, noStore, strict},
		{"another method of /healthz", http.MethodPost, "/healthz", "", 405, noStore, strict},
		{"the liveness probe", http.MethodGet, "/healthz", "", 200, noStore, strict},
		{"the readiness probe", http.MethodGet, "/readyz", "", 200, noStore, strict},
		{"the public keys", http.MethodGet, "/.well-known/jwks.json", "", 200, jwks, strict},
		{"the playground", http.MethodGet, "/", "", 200, noStore, ownRules},
		{"the inbox", http.MethodGet, "/dev/mail", "", 200, noStore, ownRules},
		{"the page for e-mail verification", http.MethodGet, "/verify-email?token=x", "", 200, noStore, ownRules},
		{"a form sent to a page", http.MethodPost, "/reset-password", "", 405, noStore, strict},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, b := range []*testServer{development, production} {
				r, err := http.NewRequestWithContext(t.Context(), row.method, b.URL+row.path, strings.NewReader(row.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				response, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				status, policy, hsts := row.status, row.policy, ""
				if b == production {
					hsts = "max-age=31536000"
					switch row.path {
					case "/":
						policy = strict // a JSON description of the server
					case "/dev/mail":
						status, policy = 404, strict
					}
				}
				if response.StatusCode != status {
					t.Errorf("got status %d, want %d", response.StatusCode, status)
				}
				for name, want := range map[string]string{
					"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
					"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
					"Cache-Control": row.cache, "Strict-Transport-Security": hsts,
				} {
					if got := response.Header.Values(name); strings.Join(got, "|") != want {
						t.Errorf("%s: got %q, want %q", name, got, want)
					}
				}
				if got := response.Header.Values("Permissions-Policy"); len(got) != 1 || !strings.Contains(got[0], "camera=()") || !strings.Contains(got[0], "geolocation=()") {
					t.Errorf("Permissions-Policy: got %q, want no camera and geolocation", got)
				}
				if got := response.Header.Get("Content-Security-Policy"); policy != ownRules && got != policy {
					t.Errorf("Content-Security-Policy: got %q, want %q", got, policy)
				}
			}
		})
	}
}

func TestHSTSIncludesSubdomainsByOption(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, url, option, want string }{
		{"by default", "https://a.example", "", "max-age=31536000"},
		{"with the option", "https://a.example", "true", "max-age=31536000; includeSubDomains"},
		{"with the option and http", "http://a.example", "true", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), "PUBLIC_URL", row.url, "HSTS_INCLUDE_SUBDOMAINS", row.option)
			if got := b.Query(nil, `{ __typename }`).Must().Header.Get("Strict-Transport-Security"); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// The Content-Security-Policy of the CDN playground allows the scripts of the page and no others,
// inline or from elsewhere.
func TestPlaygroundRunsItsOwnScriptsOnly(t *testing.T) {
	t.Parallel()
	b := bootWithPlayground(t, servertest.Listen(t), fstest.MapFS{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	page := b.Do(r)
	directives := map[string][]string{}
	for part := range strings.SplitSeq(page.Header.Get("Content-Security-Policy"), ";") {
		words := strings.Fields(part)
		directives[words[0]] = words[1:]
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "connect-src": "'self'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
	} {
		if got := strings.Join(directives[name], " "); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	scripts := directives["script-src"]
	if len(scripts) != 5 || !strings.HasPrefix(scripts[3], "'sha256-") || !strings.HasPrefix(scripts[4], "'sha256-") {
		t.Fatalf("got script-src %q, want React, React DOM, GraphiQL and two hashes", scripts)
	}
	for _, script := range scripts[:3] {
		if !regexp.MustCompile(`^https://cdn\.jsdelivr\.net/npm/[a-z-]+@\d+\.\d+\.\d+/[\w./-]+\.js$`).MatchString(script) {
			t.Errorf("%s does not name one file of one version", script)
		}
		if !regexp.MustCompile(`src="` + regexp.QuoteMeta(script) + `"\s+integrity="sha256-`).MatchString(page.Body) {
			t.Errorf("%s has no integrity hash in the page", script)
		}
	}
	if n := strings.Count(page.Body, "<script>"); n != 2 {
		t.Errorf("got %d inline scripts, want those of the fallback and gqlgen", n)
	}
}

package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// queryByGET is QueryWith by GET. It accepts JSON unless the header has Accept.
func (b *testServer) queryByGET(header http.Header, query string, variables ...any) *servertest.Response {
	b.t.Helper()
	values := url.Values{"query": {query}}
	if len(variables) > 0 {
		vars := map[string]any{}
		for i := 0; i < len(variables); i += 2 {
			vars[variables[i].(string)] = variables[i+1]
		}
		encoded, err := json.Marshal(vars)
		if err != nil {
			b.t.Fatal(err)
		}
		values.Set("variables", string(encoded))
	}
	return b.getGraphQL(header, values.Encode())
}

// getGraphQL sends a GET request to /graphql with this query string.
func (b *testServer) getGraphQL(header http.Header, query string) *servertest.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.URL+"/graphql?"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header.Values("Accept") == nil {
		r.Header.Set("Accept", "application/json")
	}
	return b.Do(r)
}

// GET and POST have the same denials, document limits, errors and statuses.
func TestGETAndPOSTAnswerQueriesAlike(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		viewers := map[string]*servertest.User{"anonymous": nil, "a USER": b.NewUser("USER"), "an ADMIN": b.NewUser("ADMIN")}
		for _, query := range []string{
			`{ me { id email role } }`,
			`{ me { name disabledAt } }`,
			`{ users(first: 2) { edges { node { id email } } pageInfo { hasNextPage } } }`,
			`{ users(first: 0) { edges { node { id } } } }`,
			`{ permissions { field allowed } denied: users { edges { cursor } } }`,
			`{ user(id: "no id") { id } }`,
			`query($n: Int!) { users(first: $n) { edges { node { id } } } }`,
			`{ nope }`,
			`{ me `,
			`{` + strings.Repeat("me{id}", 51) + `}`,
			`{ __schema { queryType { name } } }`,
			`query A { me { id } } query B { permissions { field } }`,
		} {
			for viewer, p := range viewers {
				for _, accept := range []string{"application/json", "application/graphql-response+json"} {
					header := http.Header{"Accept": {accept}}
					if p != nil {
						header.Set("Authorization", "Bearer "+p.Token)
					}
					get, post := b.queryByGET(header, query), b.QueryWith(header, query)
					if get.Status != post.Status || requestIDPattern.ReplaceAllString(get.Body, "") != requestIDPattern.ReplaceAllString(post.Body, "") ||
						get.Header.Get("Content-Type") != post.Header.Get("Content-Type") {
						t.Errorf("%s, as %s, %s:\nGET  %d %s\nPOST %d %s", query, viewer, accept, get.Status, get.Body, post.Status, post.Body)
					}
					if get.Header.Get("Cache-Control") != "no-store" || !slices.Equal(get.Header.Values("Vary"), []string{"Accept, Authorization, Origin"}) {
						t.Errorf("%s: %q", query, get.Header)
					}
				}
			}
		}
	})
}

var requestIDPattern = regexp.MustCompile(`"requestId":"[^"]*"`)

// A rate limit counts the executions of a field by GET and by POST.
func TestLimitsCountGETAndPOSTTogether(t *testing.T) {
	t.Parallel()
	schema := schemaReplacing(t, "  permissions: [Permission!] @auth", "  permissions: [Permission!] @auth @limit(by: ADDRESS, count: 2, window: \"1h\", successes: true)")
	b := bootWithSchema(t, schema, dbtest.SQLite(t), "LIMITS", "on")
	b.Clock.Stop()
	p := b.NewUser("USER")
	header := http.Header{"Authorization": {"Bearer " + p.Token}}
	const query = `{ permissions { field } }`
	b.queryByGET(header, query).Must()
	b.QueryWith(header, query).Must()
	got := b.queryByGET(header, query)
	wantCodes(t, got, "permissions RATE_LIMITED")
	wantRetryAfter(t, got)
}

// No URL can change data, even with the cookie and the access token of an ADMIN.
func TestGETRejectsMutations(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	d := b.newDevice(b.NewUser("ADMIN"), false)
	header := http.Header{"Cookie": {"refresh=" + d.refresh}, "Authorization": {"Bearer " + d.User.Token}}
	for _, query := range []string{
		queryString("query", `mutation { logout }`),
		queryString("query", `mutation { logoutEverywhere }`),
		queryString("query", `mutation { __typename }`),
		queryString("query", `mutation { refresh { accessToken } }`),
		queryString("query", `query A { me { id } } mutation B { logout }`, "operationName", "A"),
		queryString("query", `query A { me { id } } mutation B { logout }`, "operationName", "B"),
		queryString("query", `mutation { ...F } fragment F on Mutation { logout }`),
		queryString("query", `mutation { logout @skip(if: false) }`, "extensions", `{"persistedQuery":{"version":1,"sha256Hash":"00"}}`),
		queryString("query", "\ufeff# a comment\nmutation { logout }"),
		queryString("query", `mutation($p: String!) { deleteAccount(password: $p) }`, "variables", `{"p":"`+servertest.Password+`"}`),
	} {
		got := b.getGraphQL(header, query)
		if got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" || got.Data != nil {
			t.Errorf("%s: got status %d, Allow %q, want 405 and POST: %s", query, got.Status, got.Header.Get("Allow"), got.Body)
		}
	}
	for _, query := range []string{
		queryString("query", `{ ... on Mutation { logout } }`),
		queryString("query", `{ ...F } fragment F on Mutation { logout }`),
		queryString("query", `{ logout }`),
		queryString("query", `{ me { id } }`) + "&" + queryString("query", `mutation { logout }`),
		queryString("query", `[{"query":"mutation { logout }"}]`),
		"mutation=" + url.QueryEscape(`mutation { logout }`),
	} {
		if got := b.getGraphQL(header, query); got.Data != nil || len(got.Errors) == 0 {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete} {
		r := b.newRequest(method, "/graphql?"+queryString("query", `mutation { logout }`))
		maps.Copy(r.Header, header)
		r.Header.Set("Accept", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: got status %d, Allow %q, want 405 and GET, POST", method, response.StatusCode, response.Header.Get("Allow"))
		}
	}
	if !b.isSignedIn(d.User) {
		t.Error("a GET request signed the user out")
	}
}

// queryString encodes names and values, given in turn, as a query string.
func queryString(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// A browser sends cookies with every GET that another site causes. The server neither reads nor
// sets cookies for GET.
func TestGETIgnoresCookies(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	d, other := b.newDevice(b.NewUser("USER"), false), b.NewUser("USER")
	cookie := http.Header{"Cookie": {"refresh=" + d.refresh + "; __Host-refresh=" + d.refresh}}
	got := b.queryByGET(cookie, `{ me { id } }`)
	wantCodes(t, got, "me UNAUTHENTICATED")
	cookie.Set("Authorization", "Bearer "+other.Token)
	if id := b.queryByGET(cookie, `{ me { id } }`).Must().Text("me.id"); id != other.ID {
		t.Errorf("got user %s, want %s of the Authorization header", id, other.ID)
	}
	for _, got := range []*servertest.Response{got, b.queryByGET(cookie, `mutation { refresh { tokenType } }`), b.queryByGET(cookie, `{ nope }`), b.getGraphQL(cookie, "")} {
		if got.Header.Get("Set-Cookie") != "" {
			t.Errorf("got status %d, header %q, want no Set-Cookie", got.Status, got.Header)
		}
	}
	if got := b.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, `mutation { refresh { tokenType } }`); len(got.Errors) != 0 {
		t.Errorf("the refresh token was rotated: %s", got.Body)
	}
}

// The cases are what a browser sends for a link, an image, a frame, a script element or fetch, on
// the own site and on others.
func TestGETFromMarkupIsRejected(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "CORS_ORIGINS", "https://app.example.com", "ADDR", ":8080")
	p := b.NewUser("USER")
	for _, row := range []struct {
		name                     string
		site, mode, dest, origin string
		accept                   string
		status                   int
	}{
		{"the address bar", "none", "navigate", "document", "", "text/html,*/*;q=0.8", 403},
		{"a link on another site", "cross-site", "navigate", "document", "", "text/html,*/*;q=0.8", 403},
		{"a frame", "same-origin", "navigate", "iframe", "", "text/html,*/*;q=0.8", 403},
		{"an image on another site", "cross-site", "no-cors", "image", "", "image/webp,*/*", 403},
		{"an image on the own site", "same-origin", "no-cors", "image", "", "image/webp,*/*", 403},
		{"a script on another site", "cross-site", "no-cors", "script", "", "*/*", 403},
		{"a script on a listed site, which sends no Origin", "cross-site", "no-cors", "script", "", "*/*", 403},
		{
			"a JSON module on another site", "cross-site", "cors", "json", "https://evil.example",
			"application/json,*/*;q=0.5", 403,
		},
		{
			"a JSON module on a listed site", "cross-site", "cors", "json", "https://app.example.com",
			"application/json,*/*;q=0.5", 403,
		},
		{"fetch without CORS on another site", "cross-site", "no-cors", "empty", "", "application/json", 403},
		{"fetch on another site", "cross-site", "cors", "empty", "https://evil.example", "application/json", 403},
		{"fetch in a sandboxed frame", "cross-site", "cors", "empty", "null", "application/json", 403},
		{
			"fetch on a sibling domain", "same-site", "cors", "empty", "https://blog.example.com",
			"application/json", 403,
		},
		{"fetch on a listed site", "cross-site", "cors", "empty", "https://app.example.com", "application/json", 200},
		{"fetch on the own site", "same-origin", "cors", "empty", "", "application/json", 200},
		{"fetch on the own site with any type", "same-origin", "cors", "empty", "", "*/*", 200},
		{"an image without Sec-Fetch headers", "", "", "", "", "image/webp,*/*", 406},
		{"a link without Sec-Fetch headers", "", "", "", "", "text/html,*/*;q=0.8", 406},
	} {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{"Accept": {row.accept}, "Authorization": {"Bearer " + p.Token}}
			for name, value := range map[string]string{"Sec-Fetch-Site": row.site, "Sec-Fetch-Mode": row.mode, "Sec-Fetch-Dest": row.dest, "Origin": row.origin} {
				if value != "" {
					header.Set(name, value)
				}
			}
			if got := b.queryByGET(header, `{ me { id } }`); got.Status != row.status || (got.At("me.id") == p.ID) != (row.status == 200) {
				t.Errorf("got status %d, want %d: %s", got.Status, row.status, got.Body)
			}
		})
	}
}

// The query string may contain secrets, so no log, trace or metric has it.
func TestQueryStringIsNotLoggedOrTraced(t *testing.T) {
	t.Parallel()
	r := newTraceCollector(t)
	b := boot(t, dbtest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT", r.URL, "METRICS_ADDR", "127.0.0.1:0", "LOG_LEVEL", "debug")
	admin := b.NewUser("ADMIN")
	const secret = "mrkr7d1f"
	statuses := map[int]bool{}
	for _, header := range []http.Header{
		{
			"Authorization": {"Bearer " + admin.Token},
		}, {}, {"Accept": {"*/*"}}, {"Sec-Fetch-Site": {"cross-site"}}, {
			"Origin": {"https://evil.example"},
		},
	} {
		for _, query := range []string{
			queryString("query", `query `+secret+`($s: String) { `+secret+`: users(search: $s) { edges { cursor } } }`, "variables", `{"s":"`+secret+`"}`, "operationName", secret),
			queryString("query", `mutation { `+secret+`: logout }`),
			queryString("query", `{ user(id: "`+secret+`") { id } }`),
			queryString("query", `{ `+secret+` }`),
			queryString("query", `{ "`+secret+`"`),
			queryString("query", `{ me { id } }`, "access_token", secret),
			queryString("query", `{ me { id } }`, "variables", secret),
			secret + "=%zz", secret + ";" + secret,
			queryString("query", strings.Repeat(secret, 2000)),
		} {
			statuses[b.getGraphQL(header, query).Status] = true
		}
	}
	redirected := b.newRequest(http.MethodGet, "//graphql?"+secret)
	if got := b.Do(redirected); got.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("got header %q, want Referrer-Policy no-referrer", got.Header)
	}
	for _, status := range []int{200, 400, 403, 405, 406, 414} {
		if !statuses[status] {
			t.Errorf("no request got status %d", status)
		}
	}
	b.exportedSpans(r)
	w := httptest.NewRecorder()
	b.internal.Metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for where, text := range map[string]string{"the log": b.Log.String(), "a trace": r.raw.String(), "the metrics": w.Body.String()} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s has the query string: …%s…", where, text[max(0, i-200):min(len(text), i+50)])
		}
		if len(text) == 0 {
			t.Errorf("%s is empty", where)
		}
	}
}

// For a hash without a query, the server returns the code that Apollo's link and urql's exchange
// expect. Both then send the query.
func TestPersistedQueryHashReturnsNotSupported(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), metricsEnv...)
	const hash = `{"persistedQuery":{"version":1,"sha256Hash":"ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}}`
	for _, accept := range []string{"application/json", "application/graphql-response+json"} {
		header := http.Header{"Accept": {accept}}
		for method, got := range map[string]*servertest.Response{
			"POST": b.Post(header, `{"operationName":"Me","variables":{},"extensions":`+hash+`}`),
			"GET":  b.getGraphQL(header, queryString("operationName", "Me", "variables", "{}", "extensions", hash)),
		} {
			wantCodes(t, got, "PERSISTED_QUERY_NOT_SUPPORTED")
			if status := map[string]int{"application/json": 200, "application/graphql-response+json": 400}[accept]; got.Status != status || got.Errors[0].Message != "PersistedQueryNotSupported" {
				t.Errorf("%s, %s: %d %s", method, accept, got.Status, got.Body)
			}
		}
		b.Post(header, `{"query":"{ __typename }","extensions":`+hash+`}`).Must()
		b.getGraphQL(header, queryString("query", "{ __typename }", "extensions", hash)).Must()
	}
}

// The test runs the checks of the scanner graphql-cop with the same requests, which accept any
// media type.
func TestProductionPassesGraphQLCop(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example")
	header := http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate"}, "User-Agent": {"graphql-cop/1.14"}}
	for name, finds := range map[string]func() bool{
		"alias overloading": func() bool {
			return b.QueryWith(header, "query cop { "+repeatNumbered(101, "alias#:__typename \n")+" }").Data != nil
		},
		"array-based batching": func() bool {
			got := b.Post(header, "["+strings.Repeat(`{"query":"query cop { __typename }","operationName":"cop"},`, 9)+`{"query":"query cop { __typename }"}]`)
			return strings.HasPrefix(got.Body, "[") || got.Data != nil
		},
		"circular introspection": func() bool {
			return b.QueryWith(header, `query cop { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }`).Data != nil
		},
		"directive overloading": func() bool {
			return len(b.QueryWith(header, `query cop { __typename @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa }`).Errors) == 10 // exactly
		},
		"field duplication": func() bool {
			return b.QueryWith(header, "query cop { "+strings.Repeat("__typename \n", 500)+"} ").Data != nil
		},
		"field suggestions": func() bool {
			return strings.Contains(b.QueryWith(header, `query cop { __schema { directive } }`).Body, "Did you mean")
		},
		"queries by GET":   func() bool { return b.queryByGET(header, `query cop {__typename}`).Data != nil },
		"mutations by GET": func() bool { return b.queryByGET(header, `mutation cop {__typename}`).Data != nil },
		"introspection": func() bool {
			return b.QueryWith(header, `query cop { __schema { types { name fields { name } } } }`).Data != nil
		},
		"forms": func() bool {
			form := header.Clone()
			form.Set("Content-Type", "application/x-www-form-urlencoded")
			return b.Post(form, queryString("query", `query cop { __typename }`)).Data != nil
		},
		"an IDE": func() bool {
			for _, path := range []string{"/", "/graphql", "/graphiql", "/playground", "/console"} {
				r := b.newRequest(http.MethodGet, path)
				r.Header.Set("Accept", "text/html")
				if body := b.Do(r).Body; strings.Contains(strings.ToLower(body), "graphiql") || strings.Contains(strings.ToLower(body), "playground") {
					return true
				}
			}
			return false
		},
		"tracing and exceptions": func() bool {
			body := b.QueryWith(header, `qwerty cop { abc }`).Body
			return strings.Contains(body, "tracing") || strings.Contains(body, "exception")
		},
	} {
		if finds() {
			t.Errorf("graphql-cop would report %s", name)
		}
	}
}

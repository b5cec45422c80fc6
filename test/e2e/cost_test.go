package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// aliases returns n aliases of a field.
func aliases(n int, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: %s ", i, field)
	}
	return b.String()
}

// Without the cost limit, a 1 KB document with 50 aliases of sessions returned 14.6 MB.
func TestCostLimitRejectsTooManyItems(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("ADMIN")
	const everything = `id createdAt lastUsedAt expiresAt ip userAgent current`
	for _, row := range []struct {
		name, query string
		variables   []any
		refused     bool
	}{
		{"50 aliases of sessions", `{ ` + aliases(50, `sessions { `+everything+` }`) + `}`, nil, true},
		{"50 aliases with one field each", `{ ` + aliases(50, `sessions { id }`) + `}`, nil, true},
		{
			"50 aliases with a fragment",
			`{ ` + aliases(50, `sessions { ...F }`) + `} fragment F on Session { ` + everything + ` }`, nil,
			true,
		},
		{
			"50 aliases spread from fragments",
			`{ ...A ...B } fragment A on Query { ` + aliases(25, `sessions { id }`) + `} fragment B on Query { ` + strings.ReplaceAll(aliases(25, `sessions { id }`), "a", "b") + `}`,
			nil, true,
		},
		{
			"50 aliases with a variable page size",
			`query($n: Int!) { ` + aliases(50, `sessions(first: $n) { id }`) + `}`,
			[]any{"n", 100},
			true,
		},
		{
			"50 aliases with a variable's default",
			`query($n: Int! = 100) { ` + aliases(50, `sessions(first: $n) { id }`) + `}`, nil, true,
		},
		{
			"50 aliases with a small variable",
			`query($n: Int!) { ` + aliases(50, `sessions(first: $n) { id }`) + `}`,
			[]any{"n", 1},
			false,
		},
		{
			"the same document with a large variable",
			`query($n: Int!) { ` + aliases(50, `sessions(first: $n) { id }`) + `}`,
			[]any{"n", 50},
			true,
		},
		{"50 aliases of one item", `{ ` + aliases(50, `sessions(first: 1) { `+everything+` }`) + `}`, nil, false},
		{
			"many pages of accounts",
			`{ ` + aliases(10, `users(first: 100) { edges { node { id name email } } }`) + `}`, nil, true,
		},
		{
			"many last pages of accounts",
			`{ ` + aliases(10, `users(last: 100) { edges { node { id name email } } }`) + `}`, nil, true,
		},
		{"a dashboard of three full pages", `{ sessions(first: 100) { ` + everything + ` }
			users(first: 100) { edges { cursor node { id name createdAt email emailVerified role disabledAt } } pageInfo { hasNextPage endCursor } }
			auditLog(first: 100) { edges { cursor node { id createdAt event detail userId user { id name } actorId actor { id name } sessionId ip userAgent } } pageInfo { hasNextPage endCursor } } }`, nil, false},
		{"a page size above the field's maximum", `{ sessions(first: 2147483647) { id } }`, nil, false},
	} {
		for range 2 { // the second request may use the document cache
			got := b.Query(p, row.query, row.variables...)
			tooComplex := len(got.Errors) == 1 && got.Errors[0].Extensions["code"] == "QUERY_TOO_COMPLEX" && got.Errors[0].Extensions["limit"] == "cost"
			if tooComplex != row.refused || row.refused && (got.Data != nil || len(got.Body) > 300) {
				t.Errorf("%s: %.300s", row.name, got.Body)
			}
		}
	}
	wantCodes(t, b.Query(p, `{ sessions(first: 2147483647) { id } }`), "sessions BAD_USER_INPUT")
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL+"/graphql?query="+strings.ReplaceAll("{"+aliases(50, "sessions{id}")+"}", " ", "+"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	get.Header.Set("Authorization", "Bearer "+p.Token)
	get.Header.Set("Accept", "application/graphql-response+json")
	if got := b.Do(get); !strings.Contains(got.Body, `"QUERY_TOO_COMPLEX"`) {
		t.Errorf("by GET: %.300s", got.Body)
	}
}

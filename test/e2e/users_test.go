package e2e

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

// TestUserPagesListEachMatchOnce checks that a client that pages after each endCursor, or after any
// edge's cursor, gets each match once.
func TestUserPagesListEachMatchOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		staff := b.NewUser("STAFF")
		// Oldest first. A search for "z" finds Zoe and both Zoras by name, Zed and zoltan by
		// address.
		for i, p := range []struct{ name, email, role string }{
			{"Zora", "one@example.com", "USER"},
			{"Eve", "zoltan@example.com", "USER"},
			{"Zora", "z2@example.com", "ADMIN"},
			{"Bob", "Zed@example.com", "ADMIN"},
			{"ZOE", "zoe@example.com", "USER"},
			{"Ann", "ann@example.com", "ADMIN"},
		} {
			u := &models.User{
				ID: fmt.Sprintf("01a2027b-72e4-7b47-a427-%012d", i), Name: p.name, NameKey: strings.ToLower(p.name),
				Email: p.email, EmailKey: strings.ToLower(p.email), Role: p.role, CreatedAt: b.internal.Store.Now(), UpdatedAt: b.internal.Store.Now(),
			}
			if err := b.internal.Store.CreateUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		const query = `query($first: Int!, $after: String, $search: String, $role: Role) {
			users(first: $first, after: $after, search: $search, role: $role) { edges { cursor node { email } } pageInfo { hasNextPage endCursor } } }`
		for _, row := range []struct {
			name         string
			search, role any
			want         []string
		}{
			{"a search", "z", nil, []string{"zoe@", "one@", "z2@", "Zed@", "zoltan@"}},
			{"a search in capitals, with space around it", " Z ", nil, []string{"zoe@", "one@", "z2@", "Zed@", "zoltan@"}},
			{"a search within a role", "z", "ADMIN", []string{"z2@", "Zed@"}},
			{"a role", nil, "ADMIN", []string{"z2@", "Zed@", "ann@"}},
			{"a search without matches", "zz", nil, nil},
		} {
			for first := 1; first <= 6; first++ {
				for _, by := range []string{"endCursor", "the last edge's cursor"} {
					var got []string
					for after, more := any(nil), true; more; {
						page := b.Query(staff, query, "first", first, "after", after, "search", row.search, "role", row.role).Must()
						edges := page.At("users.edges").([]any)
						for _, e := range edges {
							edge := e.(map[string]any)
							email := edge["node"].(map[string]any)["email"].(string)
							got, after = append(got, email[:len(email)-len("example.com")]), edge["cursor"]
						}
						if by == "endCursor" {
							after = page.At("users.pageInfo.endCursor")
						}
						more = page.At("users.pageInfo.hasNextPage").(bool)
						if more && len(edges) != first {
							t.Errorf("%s: a page of %d, want %d: hasNextPage is true", row.name, len(edges), first)
						}
					}
					if !slices.Equal(got, row.want) {
						t.Errorf("%s, pages of %d after %s: got %q, want %q", row.name, first, by, got, row.want)
					}
				}
			}
		}
		page := b.Query(staff, query, "first", 1, "search", "z").Must()
		wantCodes(t, b.Query(staff, query, "first", 1, "search", "o", "after", page.At("users.pageInfo.endCursor")), "users BAD_USER_INPUT")
		wantCodes(t, b.Query(staff, query, "first", 1, "after", page.At("users.pageInfo.endCursor")), "users BAD_USER_INPUT")
	})
}

// TestUserSearchFindsFullEmailAndLongestName checks that a user is found by the complete displayed
// address, whose domain is compared in Punycode, and by the longest possible name.
func TestUserSearchFindsFullEmailAndLongestName(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		staff := b.NewUser("STAFF")
		longest := strings.Repeat("\U00020BB7", 100)
		const register = `mutation($n: String!, $e: String!) { register(input: {name: $n, email: $e, password: "` + servertest.Password + `"}) { user { id } } }`
		for _, p := range [][2]string{{"Ada", "ada@b\u00fccher.example"}, {"Ada@B\u00fccher.example", "eve@example.com"}, {longest, "long@example.com"}} {
			b.Query(nil, register, "n", p[0], "e", p[1]).Must()
		}
		const byAddress = `[{"node":{"email":"eve@example.com"}},{"node":{"email":"ada@b\u00fccher.example"}}]`
		for _, row := range []struct{ name, search, want string }{
			{"the displayed address, which is also a name", "ada@b\u00fccher.example", byAddress},
			{"in capitals", "ADA@B\u00dcCHER.EXAMPLE", byAddress},
			{"decomposed", "ada@bu\u0308cher.example", byAddress},
			{"in Punycode", "ada@xn--bcher-kva.example", `[{"node":{"email":"ada@b\u00fccher.example"}}]`},
			{"the longest name", longest, `[{"node":{"email":"long@example.com"}}]`},
		} {
			var edges []any
			for after, more := any(nil), true; more; {
				got := b.Query(staff, `query($s: String!, $a: String) { users(first: 1, after: $a, search: $s) { edges { node { email } } pageInfo { hasNextPage endCursor } } }`,
					"s", row.search, "a", after).Must()
				edges = append(edges, got.At("users.edges").([]any)...)
				more, after = got.At("users.pageInfo.hasNextPage").(bool), got.At("users.pageInfo.endCursor")
			}
			var want []any
			if err := json.Unmarshal([]byte(row.want), &want); err != nil || !reflect.DeepEqual(edges, want) {
				t.Errorf("%s: got %v, want %v, %v", row.name, edges, want, err)
			}
		}
	})
}

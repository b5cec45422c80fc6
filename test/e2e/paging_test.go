package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

const usersPageQuery = `query($first: Int, $after: String, $last: Int, $before: String, $search: String, $role: Role) {
	users(first: $first, after: $after, last: $last, before: $before, search: $search, role: $role) {
		edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

const auditPageQuery = `query($first: Int, $after: String, $last: Int, $before: String, $user: ID) {
	auditLog(first: $first, after: $after, last: $last, before: $before, userId: $user) {
		edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

// connectionPage is one page of a connection field in a response.
type connectionPage struct {
	ids, cursors           []string
	hasNext, hasPrev       bool
	startCursor, endCursor any
}

func (b *testServer) fetchPage(as *servertest.User, query, field string, variables ...any) connectionPage {
	b.t.Helper()
	got := b.Query(as, query, variables...).Must()
	var c connectionPage
	for i := range got.At(field + ".edges").([]any) {
		c.ids = append(c.ids, got.Text(fmt.Sprintf("%s.edges.%d.node.id", field, i)))
		c.cursors = append(c.cursors, got.Text(fmt.Sprintf("%s.edges.%d.cursor", field, i)))
	}
	c.hasNext, c.hasPrev = got.At(field+".pageInfo.hasNextPage").(bool), got.At(field+".pageInfo.hasPreviousPage").(bool)
	c.startCursor, c.endCursor = got.At(field+".pageInfo.startCursor"), got.At(field+".pageInfo.endCursor")
	return c
}

// fetchAllPages reads a whole list, forwards or backwards, and checks the pageInfo of each page.
func (b *testServer) fetchAllPages(as *servertest.User, query, field string, size int, backwards bool, variables ...any) (ids []string) {
	b.t.Helper()
	for page, position := 0, any(nil); ; page++ {
		if backwards {
			c := b.fetchPage(as, query, field, append(variables, "last", size, "before", position)...)
			if c.hasNext != (page > 0) {
				b.t.Errorf("%s, page %d from the end: hasNextPage is %t", field, page, c.hasNext)
			}
			ids, position = append(slices.Clone(c.ids), ids...), c.startCursor
			if !c.hasPrev {
				return ids
			}
			continue
		}
		c := b.fetchPage(as, query, field, append(variables, "first", size, "after", position)...)
		if c.hasPrev != (page > 0) {
			b.t.Errorf("%s, page %d: hasPreviousPage is %t", field, page, c.hasPrev)
		}
		ids, position = append(ids, c.ids...), c.endCursor
		if !c.hasNext {
			return ids
		}
	}
}

// insertSearchableUsers inserts n accounts. A search for "z" finds some by name and some by
// address.
func (b *testServer) insertSearchableUsers(n int) {
	b.t.Helper()
	for i := range n {
		name, email := fmt.Sprintf("z%d", i/4), fmt.Sprintf("y%d@example.com", i)
		if i%2 == 0 {
			name, email = "other", fmt.Sprintf("z%d@example.com", i)
		}
		u := &models.User{
			ID: newRowID(), Name: name, NameKey: name, Email: email, EmailKey: email,
			Role: []string{"USER", "USER", "STAFF"}[i%3], CreatedAt: b.internal.Store.Now(), UpdatedAt: b.internal.Store.Now(),
		}
		if err := b.internal.Store.CreateUser(b.t.Context(), u); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestBackwardPagingMatchesForwardPaging(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		b.insertSearchableUsers(17)
		for range 6 {
			b.Query(nil, login, "e", p.Email, "p", "wrong password")
		}
		for _, row := range []struct {
			name, query, field string
			variables          []any
			count              int
		}{
			{"all accounts", usersPageQuery, "users", nil, 19},
			{"a role", usersPageQuery, "users", []any{"role", "STAFF"}, 5},
			{"a search", usersPageQuery, "users", []any{"search", "z"}, 17},
			{"a search in a role", usersPageQuery, "users", []any{"search", "z", "role", "USER"}, 12},
			{"the audit log", auditPageQuery, "auditLog", nil, 9},
			{"the audit log of an account", auditPageQuery, "auditLog", []any{"user", p.ID}, 7},
		} {
			all := b.fetchPage(admin, row.query, row.field, append(row.variables, "first", 100)...).ids
			if len(all) != row.count {
				t.Errorf("%s: %d items, want %d", row.name, len(all), row.count)
			}
			for _, size := range []int{1, 2, 5, 100} {
				for _, backwards := range []bool{false, true} {
					if got := b.fetchAllPages(admin, row.query, row.field, size, backwards, row.variables...); !slices.Equal(got, all) {
						t.Errorf("%s in pages of %d, backwards %t: got\n%q\nwant\n%q", row.name, size, backwards, got, all)
					}
				}
			}
		}
	})
}

func TestPageBetweenTwoCursors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		b.insertSearchableUsers(8)
		for range 8 {
			b.Query(nil, login, "e", p.Email, "p", "wrong password")
		}
		for field, query := range map[string]string{"users": usersPageQuery, "auditLog": auditPageQuery} {
			all := b.fetchPage(admin, query, field, "first", 100)
			n := len(all.ids)
			for _, row := range []struct {
				name             string
				variables        []any
				from, to         int
				hasPrev, hasNext bool
			}{
				{"the first two between both cursors", []any{"first", 2, "after", all.cursors[1], "before", all.cursors[6]}, 2, 4, true, true},
				{"the last two between both cursors", []any{"last", 2, "after", all.cursors[1], "before", all.cursors[6]}, 4, 6, true, true},
				{"fewer items between the cursors than first", []any{"first", 50, "after", all.cursors[1], "before", all.cursors[6]}, 2, 6, true, true},
				{"before alone, with first by default", []any{"before", all.cursors[3]}, 0, 3, false, true},
				{"last with after", []any{"last", 50, "after", all.cursors[n-3]}, n - 2, n, true, false},
				{"last alone", []any{"last", 3}, n - 3, n, true, false},
				{"before the first", []any{"last", 3, "before", all.cursors[0]}, 0, 0, false, true},
				{"after the last", []any{"first", 3, "after", all.cursors[n-1]}, n, n, true, false},
				{"null is like an absent argument", []any{"first", nil, "last", 2, "after", nil, "before", nil}, n - 2, n, true, false},
				{"null for first and last is the default", []any{"first", nil, "last", nil}, 0, n, false, false},
			} {
				got := b.fetchPage(admin, query, field, row.variables...)
				if !slices.Equal(got.ids, all.ids[row.from:row.to]) || got.hasPrev != row.hasPrev || got.hasNext != row.hasNext {
					t.Errorf("%s, %s: got %+v\nwant items %d to %d of %q", field, row.name, got, row.from, row.to, all.ids)
				}
				if row.from < row.to && (got.startCursor != all.cursors[row.from] || got.endCursor != all.cursors[row.to-1]) {
					t.Errorf("%s, %s: startCursor %v and endCursor %v do not match the edges", field, row.name, got.startCursor, got.endCursor)
				}
			}
		}
	})
}

func TestInvalidPagingArgumentsAreRejected(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	admin := b.NewUser("ADMIN")
	cursor := b.fetchPage(admin, usersPageQuery, "users").cursors[0]
	entry := b.fetchPage(admin, auditPageQuery, "auditLog").cursors[0]
	altered := cursor[:20] + string(cursor[20]^1) + cursor[21:]
	for _, field := range []string{"users", "auditLog"} {
		other := map[string]string{"users": entry, "auditLog": cursor}[field]
		for _, row := range []struct{ name, arguments, fields string }{
			{"first and last", `first: 5, last: 5`, "first"},
			{"first and last, with the default value of first", `first: 20, last: 5`, "first"},
			{"last 0", `last: 0`, "last"},
			{"last -1", `last: -1`, "last"},
			{"last 101", `last: 101`, "last"},
			{"first -1", `first: -1`, "first"},
			{"four invalid arguments", `first: 0, last: 101, after: "x", before: "y"`, "last first after before"},
			{"an invalid before", `last: 5, before: "x"`, "before"},
			{"a tampered cursor as before", `last: 5, before: "` + altered + `"`, "before"},
			{"a tampered cursor as after", `after: "` + altered + `"`, "after"},
			{"a cursor of another list", `last: 5, before: "` + other + `"`, "before"},
		} {
			got := b.Query(admin, `{ `+field+`(`+row.arguments+`) { edges { cursor } } }`)
			wantCodes(t, got, field+" BAD_USER_INPUT")
			var names []string
			for _, f := range got.Errors[0].Extensions["fields"].([]any) {
				names = append(names, f.(map[string]any)["name"].(string))
			}
			if strings.Join(names, " ") != row.fields {
				t.Errorf("%s, %s: %s", field, row.name, got.Body)
			}
		}
		// Documents for earlier versions of the schema stay valid.
		b.Query(admin, `query($n: Int!) { `+field+`(first: $n) { edges { cursor } } }`, "n", 5).Must()
		b.Query(admin, `query($n: Int! = 5) { `+field+`(first: $n) { edges { cursor } } }`).Must()
		b.Query(admin, `query($n: Int) { `+field+`(first: $n) { edges { cursor } } }`).Must()
		b.Query(admin, `query($n: Int, $m: Int) { `+field+`(first: $n, last: $m) { edges { cursor } } }`, "m", 5).Must()
		wantCodes(t, b.Query(admin, `query($n: Int = 7) { `+field+`(first: $n, last: 5) { edges { cursor } } }`), field+" BAD_USER_INPUT")
	}
}

func TestUserCursorsContainNoEmail(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	staff := b.NewUser("STAFF")
	b.insertSearchableUsers(8)
	for _, cursor := range b.fetchPage(staff, usersPageQuery, "users", "search", "z").cursors {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || strings.Contains(string(text), "@example.com") || strings.Contains(string(text), "other") {
			t.Errorf("the cursor decodes to %q, %v", text, err)
		}
	}
}

// TestUserSearchMatchesEmailOnlyIfTheCallerCanReadIt checks that callers who can list accounts but
// not read their addresses cannot guess an address by searching for its prefixes.
func TestUserSearchMatchesEmailOnlyIfTheCallerCanReadIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSchema(t, schemaReplacing(t, "email: String @auth(role: STAFF, orOwner: true)", "email: String @auth(role: ADMIN, orOwner: true)"), databaseURL)
		staff, admin := b.NewUser("STAFF"), b.NewUser("ADMIN")
		b.insertSearchableUsers(8)
		for _, search := range []string{"z", "z0@", "z0@example.com", "Z0@EXAMPLE.COM", staff.Email} {
			byName := 0
			if search == "z" {
				byName = 4
			}
			got := b.fetchPage(staff, usersPageQuery, "users", "search", search)
			if len(got.ids) != byName || got.hasNext {
				t.Errorf("STAFF finds %d users by %q, want %d", len(got.ids), search, byName)
			}
			if got := b.fetchPage(admin, usersPageQuery, "users", "search", search); len(got.ids) <= byName {
				t.Errorf("ADMIN finds %d users by %q, want more than %d", len(got.ids), search, byName)
			}
		}
		byAddress := b.fetchPage(admin, usersPageQuery, "users", "search", "z").endCursor
		wantCodes(t, b.Query(staff, usersPageQuery, "search", "z", "after", byAddress), "users BAD_USER_INPUT")
		if got := b.fetchAllPages(staff, usersPageQuery, "users", 1, true, "search", "z"); len(got) != 4 {
			t.Errorf("STAFF finds %d users backwards, want 4", len(got))
		}
	})
}

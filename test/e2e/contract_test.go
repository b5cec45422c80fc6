package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// operation is one case: a query, the user who sends it, and the expected data and error codes.
type operation struct {
	name  string
	as    string // a key of cast; "" is anonymous
	query string
	data  string   // JSON; $ID and $EMAIL stand for those of the USER
	codes []string // "path CODE", sorted
}

func TestOperationsReturnDataAndErrorCodes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		cast := servertest.Cast{"USER": b.NewUser("USER"), "STAFF": b.NewUser("STAFF"), "ADMIN": b.NewUser("ADMIN"), "another USER": b.NewUser("USER")}
		user := cast["USER"]
		scenarios := make([]servertest.Scenario, len(operations))
		for i, o := range operations {
			scenarios[i] = servertest.Scenario{Name: o.name, As: o.as, Query: o.query, Data: o.data, Codes: o.codes}
		}
		b.Run(t, cast, scenarios, "$ID", user.ID, "$EMAIL", user.Email)
	})
}

const allUserFields = `{ id name email emailVerified role disabledAt }`

var operations = []operation{
	{"anonymous: me", "", `{ me { id } }`, `{"me": null}`, []string{"me UNAUTHENTICATED"}},
	{
		"USER: me has every field but disabledAt, which requires STAFF", "USER", `{ me ` + allUserFields + ` }`,
		`{"me": {"id": "$ID", "name": "Somebody", "email": "$EMAIL", "emailVerified": false, "role": "USER", "disabledAt": null}}`,
		[]string{"me.disabledAt FORBIDDEN"},
	},
	{
		"STAFF: me has every field", "STAFF", `{ me { role emailVerified disabledAt } }`,
		`{"me": {"role": "STAFF", "emailVerified": false, "disabledAt": null}}`,
		[]string{},
	},
	{"anonymous: user", "", `{ user(id: "$ID") { id } }`, `{"user": null}`, []string{"user UNAUTHENTICATED"}},
	{
		"USER: user requires STAFF, even for the own id", "USER", `{ user(id: "$ID") { id } }`,
		`{"user": null}`,
		[]string{"user FORBIDDEN"},
	},
	{
		"STAFF: user has every field", "STAFF", `{ user(id: "$ID") ` + allUserFields + ` }`,
		`{"user": {"id": "$ID", "name": "Somebody", "email": "$EMAIL", "emailVerified": false, "role": "USER", "disabledAt": null}}`,
		[]string{},
	},
	{
		"ADMIN: user, because ADMIN includes STAFF", "ADMIN", `{ user(id: "$ID") { email } }`,
		`{"user": {"email": "$EMAIL"}}`,
		[]string{},
	},
	{
		"an unknown id", "STAFF", `{ user(id: "01a2027b-72e4-7b47-a427-0cc080f605d1") { id } }`,
		`{"user": null}`,
		[]string{"user NOT_FOUND"},
	},
	{"a malformed id", "STAFF", `{ user(id: "' OR 1=1 --") { id } }`, `{"user": null}`, []string{"user NOT_FOUND"}},
	{"a numeric id", "STAFF", `{ user(id: 7) { id } }`, `{"user": null}`, []string{"user NOT_FOUND"}},
	{
		"siblings of a denied field have data", "USER", `{ a: me { id } users { edges { node { id } } } b: me { name } }`,
		`{"a": {"id": "$ID"}, "users": null, "b": {"name": "Somebody"}}`,
		[]string{"users FORBIDDEN"},
	},
	{
		"each alias of a denied field is denied", "USER", `{ a: users { edges { cursor } } b: users(first: 1) { edges { cursor } } }`,
		`{"a": null, "b": null}`,
		[]string{"a FORBIDDEN", "b FORBIDDEN"},
	},
	{
		"a denied field in a fragment", "USER",
		`{ ...F } fragment F on Query { users { edges { cursor } } }`, `{"users": null}`,
		[]string{"users FORBIDDEN"},
	},
	{
		"a denied field in an inline fragment", "USER",
		`{ ... on Query { ... { users { edges { cursor } } } } }`, `{"users": null}`,
		[]string{"users FORBIDDEN"},
	},
	{
		"a denied field with @include", "USER", `{ users @include(if: true) { edges { cursor } } }`,
		`{"users": null}`,
		[]string{"users FORBIDDEN"},
	},
	{
		"a skipped field is not checked", "", `{ me @skip(if: true) { id } __typename }`,
		`{"__typename": "Query"}`,
		[]string{},
	},
	{"anonymous: users", "", `{ users { edges { cursor } } }`, `{"users": null}`, []string{"users UNAUTHENTICATED"}},
	{
		"users are searched by a prefix of the address, case-insensitively", "STAFF",
		`{ users(search: "PERSON") { pageInfo { hasNextPage } } }`,
		`{"users": {"pageInfo": {"hasNextPage": false}}}`,
		[]string{},
	},
	{
		"a search has no wildcards", "STAFF",
		`{ users(search: "%") { edges { cursor } pageInfo { hasNextPage endCursor } } }`,
		`{"users": {"edges": [], "pageInfo": {"hasNextPage": false, "endCursor": null}}}`,
		[]string{},
	},
	{
		"a page of 0 items", "STAFF", `{ users(first: 0) { edges { cursor } } }`, `{"users": null}`,
		[]string{"users BAD_USER_INPUT"},
	},
	{
		"a page of 101 items", "STAFF", `{ users(first: 101) { edges { cursor } } }`, `{"users": null}`,
		[]string{"users BAD_USER_INPUT"},
	},
	{
		"a page size above the range of Int", "STAFF", `{ users(first: 3000000000) { edges { cursor } } }`,
		`{"users": null}`,
		[]string{"users BAD_USER_INPUT"},
	},
	{
		"a malformed cursor", "STAFF", `{ users(after: "x") { edges { cursor } } }`, `{"users": null}`,
		[]string{"users BAD_USER_INPUT"},
	},
	{
		"anonymous: updateProfile", "", `mutation { updateProfile(input: {name: "X"}) { id } }`,
		`{"updateProfile": null}`,
		[]string{"updateProfile UNAUTHENTICATED"},
	},
	{
		"an empty name", "USER", `mutation { updateProfile(input: {name: " "}) { id } }`,
		`{"updateProfile": null}`,
		[]string{"updateProfile BAD_USER_INPUT"},
	},
	{
		"a user changes the own name and reads own fields of the result", "another USER", `mutation { updateProfile(input: {name: " Zoë 😀 "}) { name role } }`,
		`{"updateProfile": {"name": "Zoë 😀", "role": "USER"}}`,
		[]string{},
	},
	{"the new name is stored", "another USER", `{ me { name } }`, `{"me": {"name": "Zoë 😀"}}`, []string{}},
	{
		"a login with a wrong password", "",
		`mutation { login(input: {email: "$EMAIL", password: "wrong password"}) { accessToken } }`, `null`,
		[]string{"login INVALID_CREDENTIALS"},
	},
	{
		"a login with an unknown address", "",
		`mutation { login(input: {email: "nobody@example.com", password: "wrong password"}) { accessToken } }`,
		`null`,
		[]string{"login INVALID_CREDENTIALS"},
	},
	{
		"a login with a malformed address", "",
		`mutation { login(input: {email: "' OR '1'='1", password: "wrong password"}) { accessToken } }`,
		`null`,
		[]string{"login INVALID_CREDENTIALS"},
	},
	{
		"a failed login with an address in capitals", "",
		`mutation { login(input: {email: "PERSON@EXAMPLE.COM", password: "x"}) { user { id } } }`, `null`,
		[]string{"login INVALID_CREDENTIALS"},
	},
	{
		"a registration with a taken address", "",
		`mutation { register(input: {name: "X", email: "$EMAIL", password: "` + servertest.Password + `"}) { accessToken } }`,
		`null`,
		[]string{"register EMAIL_TAKEN"},
	},
	{
		"a registration with every field invalid", "",
		`mutation { register(input: {name: "", email: "x", password: "short", passwordConfirmation: "other"}) { accessToken } }`,
		`null`,
		[]string{"register BAD_USER_INPUT"},
	},
	{
		"a registration with a role", "",
		`mutation { register(input: {name: "X", email: "x@example.com", password: "` + servertest.Password + `", role: ADMIN}) { accessToken } }`,
		`null`,
		[]string{"GRAPHQL_VALIDATION_FAILED"},
	},
	{"a syntax error", "", `{`, `null`, []string{"GRAPHQL_PARSE_FAILED"}},
	{"an unknown field", "", `{ nothing }`, `null`, []string{"GRAPHQL_VALIDATION_FAILED"}},
	{
		"two logins in one operation", "",
		`mutation { a: login(input: {email: "$EMAIL", password: "x"}) { tokenType } b: login(input: {email: "$EMAIL", password: "y"}) { tokenType } }`,
		`null`,
		[]string{"QUERY_TOO_COMPLEX"},
	},
	{
		"a document with too many tokens", "", `{` + strings.Repeat(` me { id }`, 600) + `}`, `null`,
		[]string{"QUERY_TOO_COMPLEX"},
	},
	{
		"a deletion with a wrong password, and a sibling field", "ADMIN",
		`mutation { deleteUser(userId: "$ID", password: "wrong") __typename }`,
		`{"deleteUser": null, "__typename": "Mutation"}`,
		[]string{"deleteUser INVALID_CREDENTIALS"},
	},
	{
		"a deletion as STAFF", "STAFF", `mutation { deleteUser(userId: "$ID", password: "x") }`,
		`{"deleteUser": null}`,
		[]string{"deleteUser FORBIDDEN"},
	},
}

func TestInputErrorsNameEveryInvalidField(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	got := b.Query(nil, `mutation { register(input: {name: "", email: "x", password: "short", passwordConfirmation: "other"}) { accessToken } }`)
	fields, _ := got.Errors[0].Extensions["fields"].([]any)
	var names []string
	for _, f := range fields {
		f := f.(map[string]any)
		if f["message"] == "" {
			t.Errorf("no message: %v", f)
		}
		names = append(names, fmt.Sprint(f["name"]))
	}
	if want := []string{"name", "email", "password", "passwordConfirmation"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func TestEnumValuesAreCaseSensitive(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	staff := b.NewUser("STAFF")
	for _, row := range []struct{ name, query, value, code string }{
		{
			"a role in small letters", `query($v: Role) { users(role: $v) { edges { cursor } } }`, "admin",
			"users BAD_USER_INPUT",
		},
		{
			"an unknown role", `query($v: Role) { users(role: $v) { edges { cursor } } }`, "BOSS",
			"variable.v GRAPHQL_VALIDATION_FAILED",
		},
		{
			"a delivery in small letters",
			`mutation($v: TokenDelivery!) { login(input: {email: "x", password: "x", delivery: $v}) { tokenType } }`,
			"body", "login BAD_USER_INPUT",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := b.Query(staff, row.query, "v", row.value); !slices.Equal(got.Codes(), []string{row.code}) {
				t.Error(got.Body)
			}
		})
	}
}

func TestErrorsCarryReasonOrRequiredRole(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	user := b.NewUser("USER")
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	for _, row := range []struct {
		name, extension, want string
		header                http.Header
		query                 string
	}{
		{"no token", "reason", "missing", http.Header{}, `{ me { id } }`},
		{"a malformed token", "reason", "invalid", bearer("x.y.z"), `{ me { id } }`},
		{
			"another authentication scheme", "reason", "invalid",
			http.Header{"Authorization": {"Basic eDp5"}},
			`{ me { id } }`,
		},
		{
			"two tokens", "reason", "invalid",
			http.Header{"Authorization": {"Bearer " + user.Token, "Bearer " + user.Token}},
			`{ me { id } }`,
		},
		{"an insufficient role", "requires", "STAFF", bearer(user.Token), `{ users { edges { cursor } } }`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := b.QueryWith(row.header, row.query)
			if len(got.Errors) != 1 || got.Errors[0].Extensions[row.extension] != row.want {
				t.Errorf("%s: want %s %q", got.Body, row.extension, row.want)
			}
		})
	}
	t.Run("an expired token", func(t *testing.T) {
		b := boot(t, dbtest.SQLite(t))
		user := b.NewUser("USER")
		b.Clock.Advance(15 * time.Minute)
		if got := b.Query(user, `{ me { id } }`); got.Errors[0].Extensions["reason"] != "expired" {
			t.Error(got.Body)
		}
	})
}

func TestSignInAuthenticatesTheRestOfTheRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		ada, bob := b.NewUser("USER"), b.NewUser("USER")
		login := func(p *servertest.User) string {
			return fmt.Sprintf(`login(input: {email: %q, password: %q}) { user { email } session { current } }`, p.Email, p.Password)
		}
		for _, row := range []struct {
			name  string
			as    *servertest.User
			query string
			data  string
		}{
			{
				"a login without a token", nil, `mutation { ` + login(ada) + ` }`,
				`{"login": {"user": {"email": "` + ada.Email + `"}, "session": {"current": true}}}`,
			},
			{
				"a login with another user's token", bob, `mutation { ` + login(ada) + ` }`,
				`{"login": {"user": {"email": "` + ada.Email + `"}, "session": {"current": true}}}`,
			},
			{
				"a gated mutation after a login", nil, `mutation { ` + login(ada) + ` updateProfile(input: {name: "Ada"}) { email name } }`,
				`{"login": {"user": {"email": "` + ada.Email + `"}, "session": {"current": true}}, "updateProfile": {"email": "` + ada.Email + `", "name": "Ada"}}`,
			},
			{
				"a registration", nil, `mutation { register(input: {name: "Eve", email: "eve@example.com", password: "` + servertest.Password + `"}) { user { email role } } }`,
				`{"register": {"user": {"email": "eve@example.com", "role": "USER"}}}`,
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				if got := b.Query(row.as, row.query).Must(); got.JSON() != servertest.JSON(t, row.data) {
					t.Errorf("got %s\nwant %s", got.JSON(), row.data)
				}
			})
		}
	})
}

func TestRefreshTokenIsDeliveredAsRequested(t *testing.T) {
	t.Parallel()
	const register = `mutation($d: TokenDelivery!, $r: Boolean!) { register(input: {name: "X", email: "x@example.com", password: "` + servertest.Password + `", delivery: $d, rememberMe: $r}) { refreshToken tokenType } }`
	for _, row := range []struct {
		name, delivery string
		remember       bool
		publicURL      string
		cookie         string // Set-Cookie without the value; "" is none
	}{
		{"delivery in the body sets no cookie", "BODY", false, "http://localhost:8080", ""},
		{
			"a cookie over http is not Secure", "COOKIE", false, "http://localhost:8080",
			"refresh=…; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict",
		},
		{
			"a cookie with rememberMe has a longer Max-Age", "COOKIE", true, "http://localhost:8080",
			"refresh=…; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict",
		},
		{
			"a cookie over https has the prefix __Host-", "COOKIE", false, "https://api.example.com",
			"__Host-refresh=…; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), "PUBLIC_URL", row.publicURL)
			got := b.Query(nil, register, "d", row.delivery, "r", row.remember).Must()
			cookie := got.Header.Get("Set-Cookie")
			if inBody := got.At("register.refreshToken") != nil; inBody != (row.cookie == "") {
				t.Errorf("got refreshToken in the body %t: %s", inBody, got.Body)
			}
			if name, rest, ok := strings.Cut(cookie, "="); ok {
				_, attributes, _ := strings.Cut(rest, ";")
				cookie = name + "=…;" + attributes
			}
			if cookie != row.cookie {
				t.Errorf("got %q\nwant %q", cookie, row.cookie)
			}
			if got.At("register.tokenType") != "Bearer" {
				t.Error(got.Body)
			}
		})
	}
}

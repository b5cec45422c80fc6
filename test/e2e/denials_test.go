package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
)

// In development a denial has a hint and the viewer's role; in production it has the code and the
// required role only. The message is the same.
func TestDenialsIncludeHintsInDevelopmentOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		development := boot(t, databaseURL)
		production := boot(t, databaseURL, "ENV", "production", "PUBLIC_URL", "https://a.example", "JWT_ISSUER", "http://localhost:8080", "JWT_AUDIENCE", "http://localhost:8080")
		user, other := development.NewUser("USER"), development.NewUser("USER")
		staff := development.NewUser("STAFF")
		ended, late := development.newDevice(user, false), development.newDevice(user, false)
		development.Query(nil, `mutation($t: String) { logout(refreshToken: $t) }`, "t", ended.refresh).Must()
		bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
		grant := func(role string) string {
			return "An ADMIN can grant " + role + " with setUserRole, or on the server: `fieldgate user role EMAIL " + role + "`."
		}
		for _, row := range []struct {
			name   string
			header http.Header
			query  string
			later  time.Duration
			always string // extensions in both environments
			have   string
			hint   string // a prefix
		}{
			{
				"an insufficient role", bearer(user.Token), `{ users { edges { cursor } } }`, 0,
				"code:FORBIDDEN requires:STAFF", "USER", grant("STAFF"),
			},
			{
				"STAFF where ADMIN is required", bearer(staff.Token),
				`mutation { disableUser(userId: "` + other.ID + `") { id } }`, 0,
				"code:FORBIDDEN requires:ADMIN", "STAFF", grant("ADMIN"),
			},
			{
				"an own field that owners cannot read", bearer(user.Token), `{ me { disabledAt } }`, 0,
				"code:FORBIDDEN requires:STAFF", "USER", grant("STAFF"),
			},
			{
				"no token",
				http.Header{},
				`{ me { id } }`, 0, "code:UNAUTHENTICATED reason:missing", "",
				"Send the header `Authorization: Bearer ACCESS_TOKEN`.",
			},
			{
				"a malformed token", bearer("x.y.z"), `{ me { id } }`, 0,
				"code:UNAUTHENTICATED reason:invalid", "",
				"Send one header `Authorization: Bearer ACCESS_TOKEN`",
			},
			{
				"a revoked session", bearer(ended.Token), `{ me { id } }`, 0,
				"code:UNAUTHENTICATED reason:revoked", "", "The session was revoked",
			},
			{
				"an expired token", bearer(late.Token), `{ me { id } }`, 15 * time.Minute,
				"code:UNAUTHENTICATED reason:expired", "", "The access token has expired.",
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				development.Clock.Advance(row.later)
				production.Clock.Advance(row.later)
				explained := development.QueryWith(row.header, row.query).Errors[0]
				bare := production.QueryWith(row.header, row.query).Errors[0]
				if explained.Message != bare.Message || bare.Message == "" {
					t.Errorf("%q in development, %q in production", explained.Message, bare.Message)
				}
				if got := fmt.Sprint(bare.Extensions); got != "map["+row.always+"]" {
					t.Errorf("in production: got %s, want %s", got, row.always)
				}
				if hint, _ := explained.Extensions["hint"].(string); !strings.HasPrefix(hint, row.hint) {
					t.Errorf("got hint %q, want %q…", hint, row.hint)
				}
				if have := explained.Extensions["have"]; row.have != "" && have != row.have || row.have == "" && have != nil {
					t.Errorf("got have %v, want %q", have, row.have)
				}
				delete(explained.Extensions, "hint")
				delete(explained.Extensions, "have")
				if got := fmt.Sprint(explained.Extensions); got != "map["+row.always+"]" {
					t.Errorf("in development: got %s besides hint and have, want %s", got, row.always)
				}
			})
		}
	})
}

// The hint of a field with orOwner names the owner as well as the role.
func TestOwnerFieldDenialHintNamesOwnerAndRole(t *testing.T) {
	t.Parallel()
	// In this schema, USER can read other accounts.
	b := bootWithSchema(t, reportOnlySchema(t), dbtest.SQLite(t))
	user, other := b.NewUser("USER"), b.NewUser("USER")
	got := b.Query(user, `{ user(id: "`+other.ID+`") { name email } }`)
	wantCodes(t, got, "user.email FORBIDDEN")
	e := got.Errors[0]
	if hint, _ := e.Extensions["hint"].(string); !strings.Contains(hint, "Only the owner or role STAFF can read this field.") || !strings.Contains(hint, "EMAIL STAFF") || e.Extensions["have"] != "USER" {
		t.Error(got.Body)
	}
}

// A denial because of the target's higher role is like any other: it is explained in development,
// and logged.
func TestHigherRoleDenialNamesTheRequiredRole(t *testing.T) {
	t.Parallel()
	rules := schemaReplacing(t, "  ADMIN @includes(roles: [STAFF])",
		"  ADMIN @includes(roles: [STAFF])\n  OWNER @includes(roles: [ADMIN])\n  AUDITOR @includes(roles: [USER])")
	development := bootWithSchema(t, rules, dbtest.SQLite(t))
	production := bootWithSchema(t, rules, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example")
	for _, row := range []struct{ above, hint string }{
		{
			"OWNER",
			"A user with role OWNER can grant OWNER with setUserRole, or on the server: `fieldgate user role EMAIL OWNER`.",
		},
		{
			"AUDITOR",
			"No role can grant AUDITOR with setUserRole. Grant it on the server: `fieldgate user role EMAIL AUDITOR`.",
		},
	} {
		t.Run(row.above, func(t *testing.T) {
			for b, more := range map[*testServer]map[string]any{development: {"have": "ADMIN", "hint": row.hint}, production: {}} {
				admin, other := b.NewUser("ADMIN"), b.NewUser(row.above)
				got := b.Query(admin, `mutation($u: ID!) { d: disableUser(userId: $u) { id } }`, "u", other.ID)
				wantCodes(t, got, "d FORBIDDEN")
				more["code"], more["requires"] = "FORBIDDEN", row.above
				if e := got.Errors[0]; !maps.Equal(e.Extensions, more) || e.Message != "requires role "+row.above {
					t.Errorf("got %s, want %v", got.Body, more)
				}
				lines := b.logLines(got, account.EventDenied)
				if len(lines) != 1 || !containsAll(lines[0], map[string]any{"field": "Mutation.disableUser", "requires": row.above, "user_id": admin.ID}) {
					t.Errorf("got log lines %v, want one denial of Mutation.disableUser", lines)
				}
			}
		})
	}
}

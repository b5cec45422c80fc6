package e2e

import (
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// The test sends SQL fragments in every String and ID argument. They match no account and change
// nothing, because the server passes them to the database as values only.
func TestSQLInjectionInEveryArgumentHasNoEffect(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		for _, query := range []string{
			`query($v: ID!) { user(id: $v) { email } }`,
			`query($v: String) { users(search: $v) { edges { node { email } } } }`,
			`query($v: String) { users(after: $v) { edges { node { email } } } }`,
			`mutation($v: String!) { login(input: {email: $v, password: "a good password"}) { tokenType } }`,
			`mutation($v: String!) { login(input: {email: "` + p.Email + `", password: $v}) { tokenType } }`,
			`mutation($v: String!) { register(input: {name: "X", email: $v, password: "` + servertest.Password + `"}) { tokenType } }`,
			`mutation($v: String!) { refresh(refreshToken: $v) { tokenType } }`,
			`mutation($v: ID!) { revokeSession(id: $v) }`,
			`mutation($v: String!) { changePassword(input: {currentPassword: $v, newPassword: "another good password"}) }`,
			`mutation($v: ID!) { setUserRole(userId: $v, role: USER) { email } }`,
			`mutation($v: ID!) { disableUser(userId: $v) { email } }`,
			`mutation($v: ID!) { enableUser(userId: $v) { email } }`,
			`mutation($v: ID!) { endUserSessions(userId: $v) }`,
		} {
			for _, value := range []string{
				`' OR 1=1 --`, `" OR ""="`, `'; DROP TABLE users; --`, `\' OR 1=1 #`, `%' UNION SELECT password_hash FROM users --`,
				"x' OR role='ADMIN", "1) OR (1=1", "\u02BC OR 1=1 --", "%", "_",
			} {
				got := b.Query(admin, query, "v", value)
				if strings.Contains(got.Body, admin.Email) || strings.Contains(got.Body, p.Email) || strings.Contains(got.Body, "INTERNAL") || strings.Contains(got.Body, "UNAVAILABLE") {
					t.Errorf("%s with %q: %s", query, value, got.Body)
				}
			}
		}
		if !b.isSignedIn(p) || b.Query(admin, `query($v: ID!) { user(id: $v) { role disabledAt } }`, "v", p.ID).Must().JSON() != `{"user":{"disabledAt":null,"role":"USER"}}` {
			t.Error("an injected value changed the account")
		}
	})
}

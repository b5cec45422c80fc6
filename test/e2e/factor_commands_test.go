package e2e

import (
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/policytest"
	"fieldgate/servertest"
)

// The command removes the second factors of an account and revokes its sessions, also those of a
// running server. The sign-in after it needs the password only.
func TestResetFactorsCommandRemovesFactorsAndEndsSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		app := b.Proof()
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": b.internal.Config.JWTSecrets[0], "BCRYPT_COST": "10"}
		newUser := func() *servertest.User {
			p := app.Enrol("USER")
			app.Prove(p, policytest.SessionProof{Enrolled: true, Second: true})
			return p.Data.(*servertest.User)
		}
		p, other := newUser(), newUser()
		for _, row := range []struct {
			name   string
			args   []string
			status int
			stdout string // with constants for ids and times
			stderr string // contained
		}{
			{"an account with a second factor", []string{p.Email}, 0, "removed the second factors of " + p.Email + " (role USER) and revoked its sessions\n", ""},
			{"an account without one, as JSON", []string{p.Email, "--json"}, 0, `{"id":"ID","name":"Somebody","createdAt":"TIME","email":"` + p.Email + `","emailVerified":false,"role":"USER","disabledAt":null}` + "\n", ""},
			{"an unknown address", []string{"nobody@example.com"}, 3, "", `no account has the address "nobody@example.com". Hint: run fieldgate user list`},
			{"no address", nil, 2, "", "expected: fieldgate user reset-factors EMAIL"},
			{"two addresses", []string{p.Email, other.Email}, 2, "", "expected: fieldgate user reset-factors EMAIL"},
		} {
			status, stdout, stderr := servertest.RunCLI(t, env, "", append([]string{"user", "reset-factors"}, row.args...)...)
			if slices.Contains(row.args, "--json") {
				stdout = maskIDsAndTimes(t, strings.TrimSuffix(stdout, "\n")) + "\n"
			}
			if status != row.status || stdout != row.stdout || !strings.Contains(stderr, row.stderr) {
				t.Errorf("%s: got status %d\n%s%s\nwant %d %q %q", row.name, status, stdout, stderr, row.status, row.stdout, row.stderr)
			}
		}
		if mails := b.Mails(p.Email); len(mails) == 0 || !strings.Contains(mails[0].Subject, "second factor") {
			t.Errorf("got the mails %+v, want one about the second factor", mails)
		}
		if b.isSignedIn(p) {
			t.Error("the session of the account was not ended")
		}
		if got := b.Query(b.Login(p), `{ factors { factor } }`).Must(); got.JSON() != `{"factors":[]}` {
			t.Errorf("after the reset: %s", got.Body)
		}
		if got := b.Query(other, `{ factors { factor } }`).Must(); got.JSON() != `{"factors":[{"factor":"TOTP"}]}` {
			t.Errorf("another account: %s", got.Body)
		}
	})
}

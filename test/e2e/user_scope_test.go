package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// loggedStatements returns the SQL statements that the server has sent, as logged at level debug.
func (b *testServer) loggedStatements() []string {
	texts := map[string]bool{}
	for line := range strings.Lines(b.Log.String()) {
		if !strings.Contains(line, `"msg":"sql"`) {
			continue
		}
		var record struct{ Statement string }
		if json.Unmarshal([]byte(line), &record) == nil {
			texts[record.Statement] = true
		}
	}
	return slices.Sorted(maps.Keys(texts))
}

// checkStatements fails the test if the server sent a statement that a database sharded by user
// could not run. Each test server is checked at its end.
func (b *testServer) checkStatements(t testing.TB) {
	t.Helper()
	for _, statement := range b.loggedStatements() {
		if err := dbtest.CheckStatement(statement); err != nil {
			t.Errorf("a statement has no user ID and is not in dbtest.Lookups: %v", err)
		}
	}
}

// TestStatementsOfUserTablesAreLogged checks that checkStatements sees statements of each table,
// including those in transactions.
func TestStatementsOfUserTablesAreLogged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		strict := boot(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		wantCodes(t, strict.Query(nil, `mutation($input: RegisterInput!) { register(input: $input) { tokenType } }`, "input", registerInput()),
			"register EMAIL_NOT_VERIFIED")
		b := bootWithSMTP(t, databaseURL, "LIMITS", "on")
		d := b.newUserDevice()
		for range 3 {
			b.Clock.Advance(6 * time.Second)
			d.refresh = b.mustRefresh(d.refresh)
		}
		b.Query(nil, resetPassword, "t", b.resetToken(d.User), "p", servertest.Password+"!").Must()
		b.Clock.Advance(365 * 24 * time.Hour)
		if _, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); err != nil {
			t.Fatal(err)
		}
		statements := strings.ReplaceAll(strings.Join(append(b.loggedStatements(), strict.loggedStatements()...), "\n"), "`", "")
		for _, want := range []string{
			"FROM sessions INNER JOIN users", "INSERT INTO sessions", "UPDATE sessions", "DELETE FROM sessions",
			"INSERT INTO tickets", "FROM tickets WHERE hash", "DELETE FROM tickets",
			"INSERT INTO spent_tokens", "DELETE FROM spent_tokens", "INSERT INTO trusted_places", "DELETE FROM trusted_places",
			"INSERT INTO pending_registrations", "DELETE FROM pending_registrations", "INTO limits",
		} {
			if !strings.Contains(statements, want) {
				t.Errorf("no logged statement contains %q", want)
			}
		}
	})
}

// TestTokenWithAnotherUsersSessionIsRejected checks that a token is valid only with a session of
// its own user. The query of every request checks that, without another one.
func TestTokenWithAnotherUsersSessionIsRejected(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, recheck := range []string{"0s", "1m"} {
			t.Run("with SESSION_RECHECK="+recheck, func(t *testing.T) {
				b := boot(t, databaseURL, "SESSION_RECHECK", recheck)
				ada, bob := b.NewUser("ADMIN"), b.NewUser("USER")
				for _, p := range []*servertest.User{ada, bob} { // cached from here on if recheck is not 0
					b.Query(p, `{ me { id } }`).Must()
				}
				sessionOf := newForgery(t, ada.Token).claims["sid"]
				crossed := &servertest.User{Token: newForgery(t, bob.Token).sign(nil, map[string]any{"sid": sessionOf})}
				before := b.internal.Store.Queries()
				got := b.Query(crossed, `{ me { id } }`)
				wantCodes(t, got, "me UNAUTHENTICATED")
				if reason := got.Errors[0].Extensions["reason"]; reason != "revoked" {
					t.Errorf("the reason is %v, want revoked", reason)
				}
				if n := b.internal.Store.Queries() - before; n != 1 {
					t.Errorf("%d queries, want 1", n)
				}
				wantCodes(t, b.Query(crossed, fmt.Sprintf(`{ user(id: %q) { id } }`, ada.ID)), "user UNAUTHENTICATED")
				b.Query(crossed, `mutation { logout }`).Must()
				for _, p := range []*servertest.User{ada, bob} {
					if !b.isSignedIn(p) {
						t.Error("the token with the wrong session revoked a session")
					}
				}
			})
		}
	})
}

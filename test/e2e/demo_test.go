package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/playground"
	"fieldgate/servertest"
)

// signInDemoUser signs in as a demo user, and checks that the account has its original values.
func (b *testServer) signInDemoUser(t *testing.T, p playground.DemoUser) *servertest.User {
	t.Helper()
	got := b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) {
		accessToken user { id name email role emailVerified } } }`, "e", p.Email, "p", p.Password).Must()
	for path, want := range map[string]any{"name": p.Name, "email": p.Email, "role": p.Role, "emailVerified": true} {
		if got.At("login.user."+path) != want {
			t.Errorf("%s: got %s %v, want %v", p.Email, path, got.At("login.user."+path), want)
		}
	}
	return &servertest.User{ID: got.Text("login.user.id"), Email: p.Email, Password: p.Password, Token: got.Text("login.accessToken")}
}

func (b *testServer) restartDemo(t *testing.T) {
	t.Helper()
	if err := b.internal.StartDemo(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("the demo does not restart: %v", err)
	}
}

// The next start undoes every change that a visitor can make to the demo users with the
// playground's examples.
func TestDemoIsResetAtEveryStart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		margaret, grace, ada := server.DemoUsers[0], server.DemoUsers[1], server.DemoUsers[2]
		b := bootWithSMTP(t, databaseURL, "LIMITS", "on", "FACTOR_KEYS", auth.NewSecret())
		b.restartDemo(t)
		for _, row := range []struct {
			name   string
			change func()
			reset  string // logged for one of the demo users
		}{
			{"no change", func() {}, "nothing"},
			{"a changed password", func() {
				p := b.signInDemoUser(t, ada)
				b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
			}, "password"},
			{"a second factor", func() { b.enrol(b.signInDemoUser(t, ada)) }, "second factors"},
			{"a changed name", func() {
				b.Query(b.signInDemoUser(t, ada), `mutation { updateProfile(input: {name: "Eve"}) { id } }`).Must()
			}, "name"},
			{"changed roles", func() {
				admin := b.signInDemoUser(t, margaret)
				b.Query(admin, `mutation($u: ID!) { setUserRole(userId: $u, role: ADMIN) { id } }`, "u", b.signInDemoUser(t, ada).ID).Must()
				b.Query(b.newDevice(&servertest.User{Email: ada.Email, Password: ada.Password}, false).User, `mutation($u: ID!) { setUserRole(userId: $u, role: USER) { id } }`, "u", admin.ID).Must()
			}, "role"},
			{"a disabled account", func() {
				b.Query(b.signInDemoUser(t, margaret), `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", b.signInDemoUser(t, grace).ID).Must()
			}, "disabled"},
			{"an account deleted by its owner", func() {
				p := b.signInDemoUser(t, ada)
				b.Query(p, deleteAccount, "p", p.Password).Must()
			}, "created"},
			{"an account deleted by an ADMIN", func() {
				admin := b.signInDemoUser(t, margaret)
				b.Query(admin, deleteUser, "u", b.signInDemoUser(t, grace).ID, "p", admin.Password).Must()
			}, "created"},
			{"a changed address", func() {
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(b.signInDemoUser(t, grace), newAddress()), "p", grace.Password).Must()
			}, "created"},
			{"the oldest account under another address, and another ADMIN", func() {
				admin := b.signInDemoUser(t, margaret)
				stranger := b.NewUser("ADMIN")
				b.Query(admin, verifyEmail, "t", b.emailChangeToken(admin, newAddress())).Must()
				for _, p := range []playground.DemoUser{grace, ada} {
					b.Query(stranger, deleteUser, "u", b.signInDemoUser(t, p).ID, "p", stranger.Password).Must()
				}
			}, "created"},
			{"too many wrong passwords", func() {
				for !slices.Equal(b.Query(nil, login, "e", ada.Email, "p", wrongPassword).Codes(), []string{"login RATE_LIMITED"}) {
				}
			}, "nothing"},
		} {
			row.change()
			before := len(b.Log.Records(b.t))
			b.restartDemo(t)
			var resets []string
			for _, line := range b.Log.Records(b.t)[before:] {
				if reset, ok := line["reset"].(string); ok {
					resets = append(resets, reset)
				}
			}
			if len(resets) != 3 || !slices.Contains(resets, row.reset) {
				t.Errorf("%s: got logged resets %q, want 3 with %q", row.name, resets, row.reset)
			}
			for _, p := range server.DemoUsers {
				b.signInDemoUser(t, p)
			}
		}
		admin := b.signInDemoUser(t, margaret)
		b.Query(admin, `mutation { updateProfile(input: {name: "Eve"}) { id } }`).Must()
		b.restartDemo(t)
		if got := b.auditEvents(admin, admin); got[0] != account.EventUserReset+" name" {
			t.Errorf("got audit events %q, want the reset of the name first", got)
		}
	})
}

// A registration with the address of a demo user does not mark the database as a demo, so
// production starts.
func TestDemoAddressRegistrationDoesNotStopProduction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.Query(nil, registerAs, "e", server.DemoUsers[0].Email).Must() // the oldest account
		b.NewUser("USER")
		b.Query(nil, registerAs, "e", server.DemoUsers[1].Email).Must()
		if err := b.internal.RejectDemo(t.Context()); err != nil {
			t.Errorf("production does not start: %v", err)
		}
		if err := b.internal.StartDemo(t.Context()); err == nil || !strings.Contains(err.Error(), "other users") {
			t.Errorf("got %v, want an error: a demo started in a database with other users", err)
		}
	})
}

// Production does not start on a demo database, even if demo users have changed their addresses.
func TestProductionRefusesADemoDatabaseWithChangedAddresses(t *testing.T) {
	t.Parallel()
	b := bootWithSMTP(t, dbtest.SQLite(t))
	b.restartDemo(t)
	margaret := b.signInDemoUser(t, server.DemoUsers[0])
	b.Query(margaret, verifyEmail, "t", b.emailChangeToken(margaret, newAddress())).Must()
	if err := b.internal.RejectDemo(t.Context()); err == nil {
		t.Error("production starts on a demo database")
	}
}

package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/playground"
)

// signInAs signs in as one of the demo's people, who must be as they were made.
func (b *booted) signInAs(t *testing.T, p playground.Person) *person {
	t.Helper()
	got := b.ask(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) {
		accessToken user { id name email role emailVerified } } }`, "e", p.Email, "p", p.Password).must()
	for path, want := range map[string]any{"name": p.Name, "email": p.Email, "role": p.Role, "emailVerified": true} {
		if got.at("login.user."+path) != want {
			t.Errorf("%s: %s is %v", p.Email, path, got.at("login.user."+path))
		}
	}
	return &person{id: got.text("login.user.id"), email: p.Email, password: p.Password, token: got.text("login.accessToken")}
}

func (b *booted) startDemoAgain(t *testing.T) {
	t.Helper()
	if err := b.startDemo(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("the demo does not start any more: %v", err)
	}
}

// What visitors can do to the demo's people, with the examples of the playground, is undone at the next start.
func TestDemoIsResetAtEveryStart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		margaret, grace, ada := demoPeople[0], demoPeople[1], demoPeople[2]
		b := bootMailing(t, databaseURL, "LIMITS", "on")
		b.startDemoAgain(t)
		for _, row := range []struct {
			name string
			do   func()
			did  string // logged of one of the people
		}{
			{"nothing", func() {}, "nothing"},
			{"a password", func() {
				p := b.signInAs(t, ada)
				b.ask(p, changePassword, "c", p.password, "n", anotherGood).must()
			}, "password"},
			{"a name", func() {
				b.ask(b.signInAs(t, ada), `mutation { updateProfile(input: {name: "Eve"}) { id } }`).must()
			}, "name"},
			{"roles", func() {
				admin := b.signInAs(t, margaret)
				b.ask(admin, `mutation($u: ID!) { setUserRole(userId: $u, role: ADMIN) { id } }`, "u", b.signInAs(t, ada).id).must()
				b.ask(b.newDevice(&person{email: ada.Email, password: ada.Password}, false).person, `mutation($u: ID!) { setUserRole(userId: $u, role: USER) { id } }`, "u", admin.id).must()
			}, "role"},
			{"a disabled account", func() {
				b.ask(b.signInAs(t, margaret), `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", b.signInAs(t, grace).id).must()
			}, "disabled"},
			{"an account that left", func() {
				p := b.signInAs(t, ada)
				b.ask(p, deleteAccount, "p", p.password).must()
			}, "created"},
			{"an account that an ADMIN deleted", func() {
				admin := b.signInAs(t, margaret)
				b.ask(admin, deleteUser, "u", b.signInAs(t, grace).id, "p", admin.password).must()
			}, "created"},
			{"another address", func() {
				b.ask(nil, verifyEmail, "t", b.changeToken(b.signInAs(t, grace), newAddress()), "p", grace.Password).must()
			}, "created"},
			{"the oldest account under another address, and another ADMIN", func() {
				admin := b.signInAs(t, margaret)
				stranger := b.newPerson("ADMIN")
				b.ask(admin, verifyEmail, "t", b.changeToken(admin, newAddress())).must()
				for _, p := range []playground.Person{grace, ada} {
					b.ask(stranger, deleteUser, "u", b.signInAs(t, p).id, "p", stranger.password).must()
				}
			}, "created"},
			{"too many wrong passwords", func() {
				for !slices.Equal(b.ask(nil, login, "e", ada.Email, "p", wrongPassword).codes(), []string{"login RATE_LIMITED"}) {
				}
			}, "nothing"},
		} {
			row.do()
			before := len(b.logged())
			b.startDemoAgain(t)
			var did []string
			for _, line := range b.logged()[before:] {
				if reset, ok := line["reset"].(string); ok {
					did = append(did, reset)
				}
			}
			if len(did) != 3 || !slices.Contains(did, row.did) {
				t.Errorf("%s: logged %q, want %q", row.name, did, row.did)
			}
			for _, p := range demoPeople {
				b.signInAs(t, p)
			}
		}
		admin := b.signInAs(t, margaret)
		b.ask(admin, `mutation { updateProfile(input: {name: "Eve"}) { id } }`).must()
		b.startDemoAgain(t)
		if got := b.audited(admin, admin); got[0] != account.EventUserReset+" name" {
			t.Errorf("the audit log says %q", got)
		}
	})
}

// A registration with an address of the demo does not make a database a demo's, and production starts.
func TestRegisteringWithAnAddressOfTheDemoStopsNoServer(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.ask(nil, registerAs, "e", demoPeople[0].Email).must() // the oldest account
		b.newPerson("USER")
		b.ask(nil, registerAs, "e", demoPeople[1].Email).must()
		if err := b.refuseDemo(t.Context()); err != nil {
			t.Errorf("production does not start: %v", err)
		}
		if err := b.startDemo(t.Context()); err == nil || !strings.Contains(err.Error(), "other people") {
			t.Errorf("a demo among other people: %v", err)
		}
	})
}

// Production does not start on a database in which the demo's people have changed their addresses.
func TestProductionRefusesADemoWhosePeopleMovedAway(t *testing.T) {
	t.Parallel()
	b := bootMailing(t, dbtest.SQLite(t))
	b.startDemoAgain(t)
	margaret := b.signInAs(t, demoPeople[0])
	b.ask(margaret, verifyEmail, "t", b.changeToken(margaret, newAddress())).must()
	if err := b.refuseDemo(t.Context()); err == nil {
		t.Error("production starts")
	}
}

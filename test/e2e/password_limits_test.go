package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/limit"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// guesses are the fields at which a password can be guessed, with a wrong one.
var guesses = []struct{ field, query string }{
	{"login", `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { tokenType } }`},
	{"changePassword", `mutation($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "another good password"}) }`},
	{"requestEmailChange", `mutation($p: String!) { requestEmailChange(input: {newEmail: "new@example.com", password: $p}) }`},
	{"deleteAccount", `mutation($p: String!) { deleteAccount(password: $p) }`},
	{"deleteUser", `mutation($p: String!) { deleteUser(userId: "0196f0a0-0000-7000-8000-000000000000", password: $p) }`},
}

// guess tries a password at one of them, signed in as p.
func (b *booted) guess(i int, ip string, p *person, password string) *answer {
	b.t.Helper()
	header := from(ip)
	header.Set("Authorization", "Bearer "+p.token)
	variables := []any{"p", password}
	if guesses[i].field == "login" {
		variables = append(variables, "e", p.email)
	}
	return b.askWith(header, guesses[i].query, variables...)
}

// A stolen session gives no more guesses by going from field to field.
func TestGuessesOfAllFieldsShareOneCount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		t.Run("from one address", func(t *testing.T) {
			for first := range guesses {
				p := b.admin(home)
				for n := range 5 {
					i := (first + n) % len(guesses)
					wantCodes(t, b.guess(i, elsewhere, p, wrongPassword), guesses[i].field+" INVALID_CREDENTIALS")
				}
				for i, guess := range guesses {
					wantLimited(t, b.guess(i, elsewhere, p, p.password), guess.field)
				}
			}
		})
		t.Run("from many addresses, with a session", func(t *testing.T) {
			p := b.admin(home)
			for n := range 20 {
				i := 1 + n%(len(guesses)-1)
				wantCodes(t, b.guess(i, fmt.Sprintf("203.0.113.%d", n), p, wrongPassword), guesses[i].field+" INVALID_CREDENTIALS")
			}
			for i, guess := range guesses[1:] {
				wantLimited(t, b.guess(i+1, "203.0.113.99", p, p.password), guess.field)
			}
			b.login("203.0.113.99", p.email, p.password).must() // attempts without a session are counted by login's own limit
		})
	})
}

// admin is an ADMIN who has registered at an address.
func (b *booted) admin(ip string) *person {
	b.t.Helper()
	p := b.registered(ip)
	if _, err := b.accounts.AsOperator().SetRoleByEmail(b.t.Context(), p.email, "ADMIN"); err != nil {
		b.t.Fatal(err)
	}
	return p
}

func TestSuccessfulSignInsOfAnAccountAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		t.Run("one after the other", func(t *testing.T) {
			p, other := b.registered(home), b.registered(home)
			for range 3 { // failures are not counted
				b.fail(1, elsewhere, p.email)
			}
			for range 60 {
				b.login(home, p.email, p.password).must()
			}
			b.login(home, other.email, other.password).must()
			before := b.store.Queries()
			wait := wantLimited(t, b.login(home, p.email, p.password), "login") // also where the account is known
			if n := b.store.Queries() - before; n > 4 {
				t.Errorf("%d queries: it was hashed before", n)
			}
			wantLimited(t, b.login(elsewhere, p.email, p.password), "login")
			if wait != time.Minute {
				t.Errorf("the wait is %s", wait)
			}
			b.clock.advance(wait)
			b.login(home, p.email, p.password).must()
			wantLimited(t, b.login(home, p.email, p.password), "login")
		})
		t.Run("at once", func(t *testing.T) {
			p := b.registered(home)
			answers := make(chan *answer)
			for i := range 80 {
				go func() { answers <- b.login(fmt.Sprintf("203.0.113.%d", i), p.email, p.password) }()
			}
			codes := map[string]int{}
			for range 80 {
				codes[fmt.Sprint((<-answers).codes())]++
			}
			if codes["[]"] != 60 || codes["[login RATE_LIMITED]"] != 20 {
				t.Errorf("got %v", codes)
			}
		})
		t.Run("failures keep no success out", func(t *testing.T) {
			p := b.registered(home)
			for i := range 70 {
				b.fail(1, fmt.Sprintf("203.0.113.%d", i), p.email)
			}
			b.login(home, p.email, p.password).must()
		})
	})
}

// 600 hashes in 15 minutes for one network, whichever fields cause them, and whether or not they succeed.
func TestHashesOfANetworkAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		p := b.admin(elsewhere)
		slot := models.Slot{
			Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 15 * time.Minute},
			ID: limit.Key("shared", "password hash", "successes", policy.ByAddress, limit.Network(home)),
		}
		for range 600 - 4 {
			if _, err := b.store.Take(t.Context(), []models.Slot{slot}); err != nil {
				t.Fatal(err)
			}
		}
		b.login(home, p.email, p.password).must()
		wantCodes(t, b.guess(1, home, p, wrongPassword), "changePassword INVALID_CREDENTIALS")
		b.guess(2, home, p, p.password).must()
		wantCodes(t, b.askWith(from(home), registerQuery, "e", newAddress(), "p", "short"), "register BAD_USER_INPUT") // hashes nothing
		b.askWith(from(home), registerQuery, "e", newAddress(), "p", goodPassword).must()
		for i, guess := range guesses {
			wantLimited(t, b.guess(i, home, p, p.password), guess.field)
		}
		wantLimited(t, b.askWith(from(home), registerQuery, "e", newAddress(), "p", goodPassword), "register")
		wantLimited(t, b.askWith(from(home), resetPassword, "t", "x", "p", anotherGood), "resetPassword")
		b.login(elsewhere, p.email, p.password).must()
		b.clock.advance(1500 * time.Millisecond)
		b.login(home, p.email, p.password).must()
	})
}

// Every field that hashes has that limit.
func TestEveryFieldThatHashesIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	hashes := []string{"register", "login", "changePassword", "requestEmailChange", "verifyEmail", "resetPassword", "deleteAccount", "deleteUser"}
	for _, rule := range b.policy.Rules() {
		has := slices.ContainsFunc(b.policy.Limits(rule.Type, rule.Field), func(l policy.Limit) bool {
			return l.By == policy.ByAddress && l.Successes && l.Shared == "password hash"
		})
		if has != slices.Contains(hashes, rule.Field) {
			t.Errorf("%s: %v", rule.Coordinate(), has)
		}
	}
}

// The 978 refreshes of one client leave two rows and not 977.
func TestRefreshesWithoutAPauseLeaveNoRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		d := b.newDevice(b.registered(home), false)
		other := b.newDevice(d.person, false)
		spent := func() (rows int) {
			t.Helper()
			if err := openDatabase(t, databaseURL).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM spent_tokens").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			return rows
		}
		refused := 0
		for i := range 978 {
			if i == 200 || i == 400 { // six seconds in all, and the limit has given some back
				b.clock.advance(3 * time.Second)
			}
			got := b.askWith(from(home), refreshInBody, "t", d.refresh)
			if got.at("refresh.refreshToken") == nil {
				wantLimited(t, got, "refresh")
				refused++
				continue
			}
			d.refresh = got.text("refresh.refreshToken")
		}
		if rows := spent(); rows > 2 || refused != 978-306 {
			t.Errorf("%d rows, %d refused", rows, refused)
		}
		b.askWith(from(home), refreshInBody, "t", other.refresh).must() // another session of the same client
		b.clock.advance(time.Second)
		d.refresh = b.askWith(from(home), refreshInBody, "t", d.refresh).must().text("refresh.refreshToken")
	})
}

func TestAFreshRefreshTokenComesBackItself(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.clock.stop()
		d := b.newDevice(b.newPerson("USER"), false)
		t.Run("right after the sign-in", func(t *testing.T) {
			b.clock.advance(4999 * time.Millisecond)
			got := b.ask(nil, refreshInBody, "t", d.refresh).must()
			if got.text("refresh.refreshToken") != d.refresh || got.text("refresh.accessToken") == d.token {
				t.Error(got.body)
			}
			if !b.signedIn(&person{id: d.id, token: got.text("refresh.accessToken")}) {
				t.Error("the access token is good for nothing")
			}
		})
		t.Run("right after a refresh, whose grace goes on as it was", func(t *testing.T) {
			b.clock.advance(time.Millisecond)
			next := b.ask(nil, refreshInBody, "t", d.refresh).must().text("refresh.refreshToken")
			if next == d.refresh {
				t.Fatal("a token of 5 seconds was not replaced")
			}
			b.clock.advance(4 * time.Second)
			if got := b.ask(nil, refreshInBody, "t", next).must().text("refresh.refreshToken"); got != next {
				t.Errorf("replaced after 4 seconds by %s", got)
			}
			b.clock.advance(6 * time.Second) // ten after the replacement
			if got := b.ask(nil, refreshInBody, "t", d.refresh).must().text("refresh.refreshToken"); got != next {
				t.Error("another successor")
			}
			b.clock.advance(time.Millisecond)
			wantCodes(t, b.ask(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
			wantCodes(t, b.ask(nil, refreshInBody, "t", next), "refresh INVALID_TOKEN")
		})
		t.Run("in the cookie", func(t *testing.T) {
			p := b.newPerson("USER")
			login := b.ask(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`, "e", p.email, "p", p.password).must()
			cookie := login.refreshCookie()
			value, _, _ := strings.Cut(cookie, ";")
			b.clock.advance(2 * time.Second)
			got := b.askWith(http.Header{"Cookie": {value}}, refreshInBody).must()
			again, attributes, _ := strings.Cut(got.refreshCookie(), ";")
			if again != value || attributes != " Path=/; Max-Age=604800; HttpOnly; SameSite=Strict" || got.at("refresh.refreshToken") != nil {
				t.Errorf("%q after %q", got.refreshCookie(), cookie)
			}
			b.clock.advance(500 * time.Millisecond)
			if got := b.askWith(http.Header{"Cookie": {value}}, refreshInBody).must().refreshCookie(); got != "" {
				t.Errorf("an answer that another tab's may overtake sets %q", got)
			}
		})
		t.Run("of a session that has ended", func(t *testing.T) {
			d := b.newDevice(b.newPerson("USER"), false)
			b.ask(d.person, `mutation { logout }`).must()
			wantCodes(t, b.ask(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		})
	})
}

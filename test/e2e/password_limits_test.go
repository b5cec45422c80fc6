package e2e

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
	"fieldgate/servertest"
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
func (b *booted) guess(i int, ip string, p *servertest.User, password string) *servertest.Response {
	b.t.Helper()
	header := from(ip)
	header.Set("Authorization", "Bearer "+p.Token)
	variables := []any{"p", password}
	if guesses[i].field == "login" {
		variables = append(variables, "e", p.Email)
	}
	return b.QueryWith(header, guesses[i].query, variables...)
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
					wantLimited(t, b.guess(i, elsewhere, p, p.Password), guess.field)
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
				wantLimited(t, b.guess(i+1, "203.0.113.99", p, p.Password), guess.field)
			}
			b.login("203.0.113.99", p.Email, p.Password).Must() // attempts without a session are counted by login's own limit
		})
	})
}

// admin is an ADMIN who has registered at an address.
func (b *booted) admin(ip string) *servertest.User {
	b.t.Helper()
	p := b.registered(ip)
	if _, err := b.in.Accounts.AsOperator().SetRoleByEmail(b.t.Context(), p.Email, "ADMIN"); err != nil {
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
				b.fail(1, elsewhere, p.Email)
			}
			for range 60 {
				b.login(home, p.Email, p.Password).Must()
			}
			b.login(home, other.Email, other.Password).Must()
			before := b.in.Store.Queries()
			wait := wantLimited(t, b.login(home, p.Email, p.Password), "login") // also where the account is known
			if n := b.in.Store.Queries() - before; n > 4 {
				t.Errorf("%d queries: it was hashed before", n)
			}
			wantLimited(t, b.login(elsewhere, p.Email, p.Password), "login")
			if wait != time.Minute {
				t.Errorf("the wait is %s", wait)
			}
			b.Clock.Advance(wait)
			b.login(home, p.Email, p.Password).Must()
			wantLimited(t, b.login(home, p.Email, p.Password), "login")
		})
		t.Run("at once", func(t *testing.T) {
			p := b.registered(home)
			answers := make(chan *servertest.Response)
			for i := range 80 {
				go func() { answers <- b.login(fmt.Sprintf("203.0.113.%d", i), p.Email, p.Password) }()
			}
			codes := map[string]int{}
			for range 80 {
				codes[fmt.Sprint((<-answers).Codes())]++
			}
			if codes["[]"] != 60 || codes["[login RATE_LIMITED]"] != 20 {
				t.Errorf("got %v", codes)
			}
		})
		t.Run("failures keep no success out", func(t *testing.T) {
			p := b.registered(home)
			for i := range 70 {
				b.fail(1, fmt.Sprintf("203.0.113.%d", i), p.Email)
			}
			b.login(home, p.Email, p.Password).Must()
		})
	})
}

// 600 hashes in 15 minutes for one network, whichever fields cause them, and whether or not they succeed.
func TestHashesOfANetworkAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		p := b.admin(elsewhere)
		slot := models.Reservation{
			Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 15 * time.Minute},
			ID: limit.Key("shared", "password hash", "successes", policy.ByAddress, limit.Network(home)),
		}
		for range 600 - 4 {
			if _, err := b.in.Store.Acquire(t.Context(), []models.Reservation{slot}); err != nil {
				t.Fatal(err)
			}
		}
		b.login(home, p.Email, p.Password).Must()
		wantCodes(t, b.guess(1, home, p, wrongPassword), "changePassword INVALID_CREDENTIALS")
		b.guess(2, home, p, p.Password).Must()
		wantCodes(t, b.QueryWith(from(home), registerQuery, "e", newAddress(), "p", "short"), "register BAD_USER_INPUT") // hashes nothing
		b.QueryWith(from(home), registerQuery, "e", newAddress(), "p", servertest.Password).Must()
		for i, guess := range guesses {
			wantLimited(t, b.guess(i, home, p, p.Password), guess.field)
		}
		wantLimited(t, b.QueryWith(from(home), registerQuery, "e", newAddress(), "p", servertest.Password), "register")
		wantLimited(t, b.QueryWith(from(home), resetPassword, "t", "x", "p", anotherGood), "resetPassword")
		b.login(elsewhere, p.Email, p.Password).Must()
		b.Clock.Advance(1500 * time.Millisecond)
		b.login(home, p.Email, p.Password).Must()
	})
}

// Every field that hashes has that limit.
func TestEveryFieldThatHashesIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	hashes := []string{"register", "login", "changePassword", "requestEmailChange", "verifyEmail", "resetPassword", "deleteAccount", "deleteUser"}
	for _, rule := range b.in.Policy.Rules() {
		has := slices.ContainsFunc(b.in.Policy.Limits(rule.Type, rule.Field), func(l policy.Limit) bool {
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
		other := b.newDevice(d.User, false)
		spent := func() (rows int) {
			t.Helper()
			if err := servertest.OpenDatabase(t, databaseURL).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM spent_tokens").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			return rows
		}
		refused := 0
		for i := range 978 {
			if i == 200 || i == 400 { // six seconds in all, and the limit has given some back
				b.Clock.Advance(3 * time.Second)
			}
			got := b.QueryWith(from(home), refreshInBody, "t", d.refresh)
			if got.At("refresh.refreshToken") == nil {
				wantLimited(t, got, "refresh")
				refused++
				continue
			}
			d.refresh = got.Text("refresh.refreshToken")
		}
		if rows := spent(); rows > 2 || refused != 978-306 {
			t.Errorf("%d rows, %d refused", rows, refused)
		}
		b.QueryWith(from(home), refreshInBody, "t", other.refresh).Must() // another session of the same client
		b.Clock.Advance(time.Second)
		d.refresh = b.QueryWith(from(home), refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
	})
}

func TestAFreshRefreshTokenComesBackItself(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.Clock.Stop()
		d := b.newDevice(b.NewUser("USER"), false)
		t.Run("right after the sign-in", func(t *testing.T) {
			b.Clock.Advance(4999 * time.Millisecond)
			got := b.Query(nil, refreshInBody, "t", d.refresh).Must()
			if got.Text("refresh.refreshToken") != d.refresh || got.Text("refresh.accessToken") == d.Token {
				t.Error(got.Body)
			}
			if !b.signedIn(&servertest.User{ID: d.ID, Token: got.Text("refresh.accessToken")}) {
				t.Error("the access token is good for nothing")
			}
		})
		t.Run("right after a refresh, whose grace goes on as it was", func(t *testing.T) {
			b.Clock.Advance(time.Millisecond)
			next := b.Query(nil, refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
			if next == d.refresh {
				t.Fatal("a token of 5 seconds was not replaced")
			}
			b.Clock.Advance(4 * time.Second)
			if got := b.Query(nil, refreshInBody, "t", next).Must().Text("refresh.refreshToken"); got != next {
				t.Errorf("replaced after 4 seconds by %s", got)
			}
			b.Clock.Advance(6 * time.Second) // ten after the replacement
			if got := b.Query(nil, refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken"); got != next {
				t.Error("another successor")
			}
			b.Clock.Advance(time.Millisecond)
			wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
			wantCodes(t, b.Query(nil, refreshInBody, "t", next), "refresh INVALID_TOKEN")
		})
		t.Run("in the cookie", func(t *testing.T) {
			p := b.NewUser("USER")
			login := b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`, "e", p.Email, "p", p.Password).Must()
			cookie := refreshCookie(login)
			value, _, _ := strings.Cut(cookie, ";")
			b.Clock.Advance(2 * time.Second)
			got := b.QueryWith(http.Header{"Cookie": {value}}, refreshInBody).Must()
			again, attributes, _ := strings.Cut(refreshCookie(got), ";")
			if again != value || attributes != " Path=/; Max-Age=604800; HttpOnly; SameSite=Strict" || got.At("refresh.refreshToken") != nil {
				t.Errorf("%q after %q", refreshCookie(got), cookie)
			}
			b.Clock.Advance(500 * time.Millisecond)
			if got := refreshCookie(b.QueryWith(http.Header{"Cookie": {value}}, refreshInBody).Must()); got != "" {
				t.Errorf("an answer that another tab's may overtake sets %q", got)
			}
		})
		t.Run("of a session that has ended", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			b.Query(d.User, `mutation { logout }`).Must()
			wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		})
	})
}

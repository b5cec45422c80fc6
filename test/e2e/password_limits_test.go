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

// passwordFields are the fields that check a password, with a document for each.
var passwordFields = []struct{ field, query string }{
	{"login", `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { tokenType } }`},
	{"changePassword", `mutation($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "another good password"}) }`},
	{"requestEmailChange", `mutation($p: String!) { requestEmailChange(input: {newEmail: "new@example.com", password: $p}) }`},
	{"deleteAccount", `mutation($p: String!) { deleteAccount(password: $p) }`},
	{"deleteUser", `mutation($p: String!) { deleteUser(userId: "0196f0a0-0000-7000-8000-000000000000", password: $p) }`},
}

// guessPassword sends a password to passwordFields[i], signed in as p.
func (b *testServer) guessPassword(i int, ip string, p *servertest.User, password string) *servertest.Response {
	b.t.Helper()
	header := fromIP(ip)
	header.Set("Authorization", "Bearer "+p.Token)
	variables := []any{"p", password}
	if passwordFields[i].field == "login" {
		variables = append(variables, "e", p.Email)
	}
	return b.QueryWith(header, passwordFields[i].query, variables...)
}

// TestPasswordFieldsShareOneLimit checks that a stolen session gets no additional guesses from
// other fields.
func TestPasswordFieldsShareOneLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		t.Run("from one address", func(t *testing.T) {
			for first := range passwordFields {
				p := b.registerAdminFrom(homeIP)
				for n := range 5 {
					i := (first + n) % len(passwordFields)
					wantCodes(t, b.guessPassword(i, otherIP, p, wrongPassword), passwordFields[i].field+" INVALID_CREDENTIALS")
				}
				for i, guess := range passwordFields {
					wantRateLimited(t, b.guessPassword(i, otherIP, p, p.Password), guess.field)
				}
			}
		})
		t.Run("from many addresses, with a session", func(t *testing.T) {
			p := b.registerAdminFrom(homeIP)
			for n := range 20 {
				i := 1 + n%(len(passwordFields)-1)
				wantCodes(t, b.guessPassword(i, fmt.Sprintf("203.0.113.%d", n), p, wrongPassword), passwordFields[i].field+" INVALID_CREDENTIALS")
			}
			for i, guess := range passwordFields[1:] {
				wantRateLimited(t, b.guessPassword(i+1, "203.0.113.99", p, p.Password), guess.field)
			}
			// Attempts without a session are counted by login's own limit.
			b.login("203.0.113.99", p.Email, p.Password).Must()
		})
	})
}

// registerAdminFrom returns an ADMIN that registered from an IP address.
func (b *testServer) registerAdminFrom(ip string) *servertest.User {
	b.t.Helper()
	p := b.registerFrom(ip)
	if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(b.t.Context(), p.Email, "ADMIN"); err != nil {
		b.t.Fatal(err)
	}
	return p
}

func TestSuccessfulSignInsOfAnAccountAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		t.Run("sequentially", func(t *testing.T) {
			p, other := b.registerFrom(homeIP), b.registerFrom(homeIP)
			for range 3 { // failures are not counted
				b.failLogins(1, otherIP, p.Email)
			}
			for range 60 {
				b.login(homeIP, p.Email, p.Password).Must()
			}
			b.login(homeIP, other.Email, other.Password).Must()
			before := b.internal.Store.Queries()
			// The limit applies in a trusted place, too.
			wait := wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
			if n := b.internal.Store.Queries() - before; n > 4 {
				t.Errorf("%d queries, want at most 4: the limit applies before the hash", n)
			}
			wantRateLimited(t, b.login(otherIP, p.Email, p.Password), "login")
			if wait != time.Minute {
				t.Errorf("retry after %s, want a minute", wait)
			}
			b.Clock.Advance(wait)
			b.login(homeIP, p.Email, p.Password).Must()
			wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		})
		t.Run("concurrently", func(t *testing.T) {
			p := b.registerFrom(homeIP)
			answers := make(chan *servertest.Response)
			for i := range 80 {
				go func() { answers <- b.login(fmt.Sprintf("203.0.113.%d", i), p.Email, p.Password) }()
			}
			codes := map[string]int{}
			for range 80 {
				codes[fmt.Sprint((<-answers).Codes())]++
			}
			if codes["[]"] != 60 || codes["[login RATE_LIMITED]"] != 20 {
				t.Errorf("codes are %v, want 60 successes and 20 RATE_LIMITED", codes)
			}
		})
		t.Run("failures do not count", func(t *testing.T) {
			p := b.registerFrom(homeIP)
			for i := range 70 {
				b.failLogins(1, fmt.Sprintf("203.0.113.%d", i), p.Email)
			}
			b.login(homeIP, p.Email, p.Password).Must()
		})
	})
}

// TestPasswordHashesAreLimitedPerNetwork checks the limit of 600 hashes per 15 minutes and network.
// All hashing fields share it, and successes count.
func TestPasswordHashesAreLimitedPerNetwork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerAdminFrom(otherIP)
		slot := models.Reservation{
			Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 15 * time.Minute},
			ID: limit.Key("shared", "password hash", "successes", policy.ByAddress, limit.Network(homeIP)),
		}
		for range 600 - 4 {
			if _, err := b.internal.Store.Acquire(t.Context(), []models.Reservation{slot}); err != nil {
				t.Fatal(err)
			}
		}
		b.login(homeIP, p.Email, p.Password).Must()
		wantCodes(t, b.guessPassword(1, homeIP, p, wrongPassword), "changePassword INVALID_CREDENTIALS")
		b.guessPassword(2, homeIP, p, p.Password).Must()
		// A rejected password is not hashed.
		wantCodes(t, b.QueryWith(fromIP(homeIP), registerQuery, "e", newAddress(), "p", "short"), "register BAD_USER_INPUT")
		b.QueryWith(fromIP(homeIP), registerQuery, "e", newAddress(), "p", servertest.Password).Must()
		for i, guess := range passwordFields {
			wantRateLimited(t, b.guessPassword(i, homeIP, p, p.Password), guess.field)
		}
		wantRateLimited(t, b.QueryWith(fromIP(homeIP), registerQuery, "e", newAddress(), "p", servertest.Password), "register")
		wantRateLimited(t, b.QueryWith(fromIP(homeIP), resetPassword, "t", "x", "p", newPassword), "resetPassword")
		b.login(otherIP, p.Email, p.Password).Must()
		b.Clock.Advance(1500 * time.Millisecond)
		b.login(homeIP, p.Email, p.Password).Must()
	})
}

func TestEveryHashingFieldIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	hashes := []string{"register", "login", "changePassword", "requestEmailChange", "verifyEmail", "resetPassword", "deleteAccount", "deleteUser", "confirmIdentity"}
	for _, rule := range b.internal.Policy.Rules() {
		has := slices.ContainsFunc(b.internal.Policy.Limits(rule.Type, rule.Field), func(l policy.Limit) bool {
			return l.By == policy.ByAddress && l.Successes && l.Shared == "password hash"
		})
		if has != slices.Contains(hashes, rule.Field) {
			t.Errorf("%s: limited by address: %v, want %v", rule.Coordinate(), has, !has)
		}
	}
}

// TestRapidRefreshesLeaveNoRows checks that 978 refreshes of one client leave two rows instead of
// 977: a fresh token is not rotated, and the rest are limited.
func TestRapidRefreshesLeaveNoRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		d := b.newDevice(b.registerFrom(homeIP), false)
		other := b.newDevice(d.User, false)
		countSpentTokens := func() (rows int) {
			t.Helper()
			if err := servertest.OpenDatabase(t, databaseURL).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM spent_tokens").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			return rows
		}
		limited := 0
		for i := range 978 {
			if i == 200 || i == 400 { // six seconds in all refill the limit
				b.Clock.Advance(3 * time.Second)
			}
			got := b.QueryWith(fromIP(homeIP), refreshInBody, "t", d.refresh)
			if got.At("refresh.refreshToken") == nil {
				wantRateLimited(t, got, "refresh")
				limited++
				continue
			}
			d.refresh = got.Text("refresh.refreshToken")
		}
		if rows := countSpentTokens(); rows > 2 || limited != 978-306 {
			t.Errorf("%d rows and %d limited refreshes, want at most 2 and %d", rows, limited, 978-306)
		}
		// Another session of the same client.
		b.QueryWith(fromIP(homeIP), refreshInBody, "t", other.refresh).Must()
		b.Clock.Advance(time.Second)
		d.refresh = b.QueryWith(fromIP(homeIP), refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
	})
}

func TestFreshRefreshTokenIsNotRotated(t *testing.T) {
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
			if !b.isSignedIn(&servertest.User{ID: d.ID, Token: got.Text("refresh.accessToken")}) {
				t.Error("the new access token is invalid")
			}
		})
		t.Run("right after a refresh, without a longer grace period", func(t *testing.T) {
			b.Clock.Advance(time.Millisecond)
			next := b.Query(nil, refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
			if next == d.refresh {
				t.Fatal("a token of 5 seconds was not rotated")
			}
			b.Clock.Advance(4 * time.Second)
			if got := b.Query(nil, refreshInBody, "t", next).Must().Text("refresh.refreshToken"); got != next {
				t.Errorf("rotated after 4 seconds to %s", got)
			}
			b.Clock.Advance(6 * time.Second) // ten after the rotation
			if got := b.Query(nil, refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken"); got != next {
				t.Error("the parent token got another successor")
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
				t.Errorf("the refresh cookie is %q, want the same as %q", refreshCookie(got), cookie)
			}
			b.Clock.Advance(500 * time.Millisecond)
			if got := refreshCookie(b.QueryWith(http.Header{"Cookie": {value}}, refreshInBody).Must()); got != "" {
				t.Errorf("a refresh of a fresh token sets the cookie %q: a delayed response would restore an old token", got)
			}
		})
		t.Run("in a revoked session", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			b.Query(d.User, `mutation { logout }`).Must()
			wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		})
	})
}

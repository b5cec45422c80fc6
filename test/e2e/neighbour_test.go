package main

import (
	"net/http"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/limit"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// A neighbour behind the same NAT guesses at an account, five times in 15 minutes. Its owner's browser still signs in and
// changes the password; the same guesses with that browser are bounded as before.
func TestGuessesOfANeighbourDoNotLockTheOwnersDeviceOut(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		w := b.newBrowser(home)
		p := w.registers()
		w.asks(browserRefresh).must() // the browser returns its cookies
		stranger := b.newBrowser(home)
		stranger.registers()

		b.fail(5, home, p.email)
		wantLimited(t, b.login(home, p.email, p.password), "login")
		wantLimited(t, stranger.asks(browserLogin, "e", p.email, "p", p.password), "login")
		p.token = w.asks(`mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`, "e", p.email, "p", p.password).must().text("login.accessToken")
		header := from(home)
		header.Set("Authorization", "Bearer "+p.token)
		header.Set("Cookie", "device="+w.cookies["device"])
		b.askWith(header, `mutation($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "another good password"}) }`, "p", p.password).must()
		p.password = "another good password"

		for range 5 {
			wantCodes(t, w.asks(browserLogin, "e", p.email, "p", wrongPassword), "login INVALID_CREDENTIALS")
		}
		wantLimited(t, w.asks(browserLogin, "e", p.email, "p", p.password), "login")
		for range 5 { // as with an account that is not there
			wantCodes(t, b.askWith(http.Header{"X-Forwarded-For": {home}, "Cookie": {"device=" + w.cookies["device"]}}, loginQuery, "e", "nobody-here@example.com", "p", wrongPassword), "login INVALID_CREDENTIALS")
		}
		wantLimited(t, w.asks(browserLogin, "e", "nobody-here@example.com", "p", wrongPassword), "login")
	})
}

// The same with links of mails: a client that sends bad tokens without a pause keeps no neighbour from using a good one.
func TestBadTokensOfANeighbourKeepNoLinkFromWorking(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p, stranger := b.newPerson("USER"), b.newPerson("USER")
		verify, disown := b.tokenOf(p.email, "/verify-email"), b.tokenOf(stranger.email, "/verify-email")
		b.asks(nil, home, requestReset, "e", p.email).must()
		reset := b.tokenOf(p.email, "/reset-password")
		for _, row := range []struct {
			field, query, token string
			more                []any
		}{
			{"verifyEmail", verifyEmail, verify, []any{"p", p.password}},
			{"disownEmail", disownEmail, disown, nil},
			{"resetPassword", resetPassword, reset, []any{"p", anotherGood}},
		} {
			slot := models.Slot{
				Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 5 * time.Minute},
				ID: limit.Key("Mutation."+row.field, policy.ByAddress, limit.Network(home)),
			}
			for range 600 {
				if _, err := b.store.Take(t.Context(), []models.Slot{slot}); err != nil {
					t.Fatal(err)
				}
			}
			wantLimited(t, b.asks(nil, home, row.query, append([]any{"t", "x"}, row.more...)...), row.field)
			b.asks(nil, home, row.query, append([]any{"t", row.token}, row.more...)...).must()
			wantLimited(t, b.asks(nil, home, row.query, append([]any{"t", "x"}, row.more...)...), row.field)
		}
	})
}

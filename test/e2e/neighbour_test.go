package e2e

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
		w.asks(browserRefresh).Must() // the browser returns its cookies
		stranger := b.newBrowser(home)
		stranger.registers()

		b.fail(5, home, p.Email)
		wantLimited(t, b.login(home, p.Email, p.Password), "login")
		wantLimited(t, stranger.asks(browserLogin, "e", p.Email, "p", p.Password), "login")
		p.Token = w.asks(`mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`, "e", p.Email, "p", p.Password).Must().Text("login.accessToken")
		header := from(home)
		header.Set("Authorization", "Bearer "+p.Token)
		header.Set("Cookie", "device="+w.cookies["device"])
		b.QueryWith(header, `mutation($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "another good password"}) }`, "p", p.Password).Must()
		p.Password = "another good password"

		for range 5 {
			wantCodes(t, w.asks(browserLogin, "e", p.Email, "p", wrongPassword), "login INVALID_CREDENTIALS")
		}
		wantLimited(t, w.asks(browserLogin, "e", p.Email, "p", p.Password), "login")
		for range 5 { // as with an account that is not there
			wantCodes(t, b.QueryWith(http.Header{"X-Forwarded-For": {home}, "Cookie": {"device=" + w.cookies["device"]}}, loginQuery, "e", "nobody-here@example.com", "p", wrongPassword), "login INVALID_CREDENTIALS")
		}
		wantLimited(t, w.asks(browserLogin, "e", "nobody-here@example.com", "p", wrongPassword), "login")
	})
}

// The same with links of mails: a client that sends bad tokens without a pause keeps no neighbour from using a good one.
func TestBadTokensOfANeighbourKeepNoLinkFromWorking(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p, stranger := b.NewUser("USER"), b.NewUser("USER")
		verify, disown := b.tokenOf(p.Email, "/verify-email"), b.tokenOf(stranger.Email, "/verify-email")
		b.asks(nil, home, requestReset, "e", p.Email).Must()
		reset := b.tokenOf(p.Email, "/reset-password")
		for _, row := range []struct {
			field, query, token string
			more                []any
		}{
			{"verifyEmail", verifyEmail, verify, []any{"p", p.Password}},
			{"disownEmail", disownEmail, disown, nil},
			{"resetPassword", resetPassword, reset, []any{"p", anotherGood}},
		} {
			slot := models.Reservation{
				Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 5 * time.Minute},
				ID: limit.Key("Mutation."+row.field, policy.ByAddress, limit.Network(home)),
			}
			for range 600 {
				if _, err := b.in.Store.Acquire(t.Context(), []models.Reservation{slot}); err != nil {
					t.Fatal(err)
				}
			}
			wantLimited(t, b.asks(nil, home, row.query, append([]any{"t", "x"}, row.more...)...), row.field)
			b.asks(nil, home, row.query, append([]any{"t", row.token}, row.more...)...).Must()
			wantLimited(t, b.asks(nil, home, row.query, append([]any{"t", "x"}, row.more...)...), row.field)
		}
	})
}

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

// TestGuessesBehindTheSameNATDoNotLockOutTheOwnersDevice checks that five guesses from the owner's
// network lock out other clients there, but not the owner's browser. Guesses with that browser have
// a limit of their own.
func TestGuessesBehindTheSameNATDoNotLockOutTheOwnersDevice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		w := b.newBrowser(homeIP)
		p := w.register()
		w.send(browserRefresh).Must() // the browser returns its cookies
		stranger := b.newBrowser(homeIP)
		stranger.register()

		b.failLogins(5, homeIP, p.Email)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		wantRateLimited(t, stranger.send(browserLogin, "e", p.Email, "p", p.Password), "login")
		p.Token = w.send(`mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`, "e", p.Email, "p", p.Password).Must().Text("login.accessToken")
		header := fromIP(homeIP)
		header.Set("Authorization", "Bearer "+p.Token)
		header.Set("Cookie", "device="+w.cookies["device"])
		b.QueryWith(header, `mutation($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "another good password"}) }`, "p", p.Password).Must()
		p.Password = "another good password"

		for range 5 {
			wantCodes(t, w.send(browserLogin, "e", p.Email, "p", wrongPassword), "login INVALID_CREDENTIALS")
		}
		wantRateLimited(t, w.send(browserLogin, "e", p.Email, "p", p.Password), "login")
		for range 5 { // the same as for an unknown address
			wantCodes(t, b.QueryWith(http.Header{"X-Forwarded-For": {homeIP}, "Cookie": {"device=" + w.cookies["device"]}}, loginQuery, "e", "nobody-here@example.com", "p", wrongPassword), "login INVALID_CREDENTIALS")
		}
		wantRateLimited(t, w.send(browserLogin, "e", "nobody-here@example.com", "p", wrongPassword), "login")
	})
}

// TestInvalidTokensDoNotBlockLinksBehindTheSameNAT checks that a flood of invalid tokens does not
// prevent a valid one from the same network from being used.
func TestInvalidTokensDoNotBlockLinksBehindTheSameNAT(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		p, stranger := b.NewUser("USER"), b.NewUser("USER")
		verify, disown := b.tokenOf(p.Email, "/verify-email"), b.tokenOf(stranger.Email, "/verify-email")
		b.queryFrom(nil, homeIP, requestReset, "e", p.Email).Must()
		reset := b.tokenOf(p.Email, "/reset-password")
		for _, row := range []struct {
			field, query, token string
			more                []any
		}{
			{"verifyEmail", verifyEmail, verify, []any{"p", p.Password}},
			{"disownEmail", disownEmail, disown, nil},
			{"resetPassword", resetPassword, reset, []any{"p", newPassword}},
		} {
			slot := models.Reservation{
				Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 5 * time.Minute},
				ID: limit.Key("Mutation."+row.field, policy.ByAddress, limit.Network(homeIP)),
			}
			for range 600 {
				if _, err := b.internal.Store.Acquire(t.Context(), []models.Reservation{slot}); err != nil {
					t.Fatal(err)
				}
			}
			wantRateLimited(t, b.queryFrom(nil, homeIP, row.query, append([]any{"t", "x"}, row.more...)...), row.field)
			b.queryFrom(nil, homeIP, row.query, append([]any{"t", row.token}, row.more...)...).Must()
			wantRateLimited(t, b.queryFrom(nil, homeIP, row.query, append([]any{"t", "x"}, row.more...)...), row.field)
		}
	})
}

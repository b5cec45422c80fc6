package main

import (
	"net/http"
	"testing"

	"fieldgate/internal/dbtest"
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

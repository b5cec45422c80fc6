package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// browser is a client that keeps its cookies.
type browser struct {
	*testServer
	ip      string
	cookies map[string]string
}

func (b *testServer) newBrowser(ip string) *browser {
	return &browser{b, ip, map[string]string{}}
}

func (w *browser) send(query string, variables ...any) *servertest.Response {
	w.t.Helper()
	header := fromIP(w.ip)
	for name, value := range w.cookies {
		header.Add("Cookie", name+"="+value)
	}
	got := w.QueryWith(header, query, variables...)
	for _, line := range got.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			w.t.Fatal(err)
		}
		w.cookies[cookie.Name] = cookie.Value
		if cookie.MaxAge < 0 {
			delete(w.cookies, cookie.Name)
		}
	}
	return got
}

const (
	browserLogin    = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`
	browserRegister = `mutation($e: String!, $p: String!) { register(input: {name: "X", email: $e, password: $p}) { user { id } } }`
	browserRefresh  = `mutation { refresh { user { id } } }`
)

func (w *browser) register() *servertest.User {
	w.t.Helper()
	p := &servertest.User{Email: newAddress(), Password: servertest.Password}
	p.ID = w.send(browserRegister, "e", p.Email, "p", p.Password).Must().Text("register.user.id")
	return p
}

func (w *browser) signIn(p *servertest.User) *servertest.Response {
	w.t.Helper()
	return w.send(browserLogin, "e", p.Email, "p", p.Password)
}

func TestDeviceCookieIsHttpOnlyAndOutlivesTheSession(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://localhost:8080":   "device=…; Path=/; Max-Age=7776000; HttpOnly; SameSite=Strict",
		"https://api.example.com": "__Host-device=…; Path=/; Max-Age=7776000; HttpOnly; Secure; SameSite=Strict",
	} {
		b := boot(t, dbtest.SQLite(t), "PUBLIC_URL", url)
		got := b.Query(nil, registerAs, "e", newAddress()).Must().Header.Values("Set-Cookie")
		if len(got) != 2 {
			t.Fatalf("got the cookies %q, want 2", got)
		}
		name, rest, _ := strings.Cut(got[1], "=")
		value, attributes, _ := strings.Cut(rest, ";")
		if name+"=…;"+attributes != want || len(value) != 43 {
			t.Errorf("got %q\nwant %q", got[1], want)
		}
	}
}

func TestDeviceCookieIsKeptBySignInsAndNotSetForBodyClients(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	w := b.newBrowser(homeIP)
	p := w.register()
	device := w.cookies["device"]
	w.signIn(p).Must()
	w.signIn(&servertest.User{Email: b.registerFrom(homeIP).Email, Password: servertest.Password}).Must()
	if device == "" || w.cookies["device"] != device {
		t.Errorf("the device cookie was %q and is %q after sign-ins", device, w.cookies["device"])
	}
	if got := b.login(homeIP, p.Email, p.Password).Must(); got.Header.Get("Set-Cookie") != "" {
		t.Errorf("a client with delivery BODY gets the cookie %q", got.Header.Get("Set-Cookie"))
	}
	for _, forged := range []string{"x", strings.Repeat("A", 44), strings.Repeat("=", 43), device + "\"", strings.Repeat("!", 43)} {
		w.cookies["device"] = forged
		w.signIn(p).Must()
		if w.cookies["device"] == forged {
			t.Errorf("the invalid device cookie %q was accepted", forged)
		}
	}
}

func TestExhaustedAccountLimitDoesNotLockOutATrustedDevice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		w := b.newBrowser(homeIP)
		p := w.register()
		b.exhaustAccountLimit(p.Email)
		wantRateLimited(t, b.login(otherIP, p.Email, p.Password), "login")
		w.signIn(p).Must()
		w.ip = otherIP // the device is the same in another network
		w.signIn(p).Must()
	})
}

// TestTrustedDeviceExemptionDoesNotRevealAccounts checks that, after an account's limit is
// exhausted, responses in the owner's network without the owner's device are the same whether or
// not the account exists, and whether or not its owner was there.
func TestTrustedDeviceExemptionDoesNotRevealAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		w := b.newBrowser(homeIP)
		p := w.register()
		w.send(browserRefresh).Must() // the browser returns its cookies
		stranger := b.newBrowser(homeIP)
		stranger.register()
		for _, email := range []string{p.Email, "nobody@example.com"} {
			b.exhaustAccountLimit(email)
			wantRateLimited(t, b.login(homeIP, email, wrongPassword), "login")
			// With another device.
			wantRateLimited(t, stranger.send(browserLogin, "e", email, "p", wrongPassword), "login")
		}
		w.signIn(p).Must()
	})
}

func TestExhaustedAddressLimitDoesNotLockOutOwners(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		w := b.newBrowser(homeIP)
		p, phone, stranger := w.register(), b.registerFrom(homeIP), b.registerFrom(otherIP)
		for i := range 6 {
			b.failLogins(5, homeIP, fmt.Sprintf("nobody%d@example.com", i))
		}
		// Has never signed in from homeIP.
		wantRateLimited(t, b.login(homeIP, stranger.Email, stranger.Password), "login")
		w.signIn(p).Must()
		b.login(homeIP, phone.Email, phone.Password).Must()
		b.failLogins(5, homeIP, phone.Email)
		// Guesses are limited there, too.
		wantRateLimited(t, b.login(homeIP, phone.Email, phone.Password), "login")
	})
}

// TestGuessesFromATrustedDeviceAreLimited checks that a stolen device cookie allows no more guesses
// from many addresses than the account's limit.
func TestGuessesFromATrustedDeviceAreLimited(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	w := b.newBrowser(homeIP)
	p := w.register()
	checked := 0
	for i := range 300 {
		w.ip = fmt.Sprintf("203.0.%d.%d", 113+i/200, i%200)
		if slices.Equal(w.send(browserLogin, "e", p.Email, "p", wrongPassword).Codes(), []string{"login INVALID_CREDENTIALS"}) {
			checked++
		}
	}
	if checked != 200 { // the limits of the account and the device
		t.Errorf("%d guesses were checked, want 200", checked)
	}
}

func TestResetAndUndoDeleteTrustedPlaces(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name    string
			recover func(b *testServer, p *servertest.User)
		}{
			{"a reset", func(b *testServer, p *servertest.User) {
				b.Query(nil, resetPassword, "t", b.resetToken(p), "p", newPassword).Must()
			}},
			{"an undo", func(b *testServer, p *servertest.User) {
				b.Query(p, requestChange, "e", newAddress(), "p", p.Password).Must()
				b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
				b.Clock.Stop()
				p := b.registerFrom(homeIP) // by an attacker
				former := b.newBrowser(homeIP)
				former.signIn(p).Must()
				row.recover(b, p)
				if n := b.countTrustedIPs(databaseURL, p); n != 0 {
					t.Errorf("%d trusted places, want 0", n)
				}
				b.exhaustAccountLimit(p.Email)
				for range 3 {
					wantRateLimited(t, b.login(homeIP, p.Email, wrongPassword), "login")
					wantRateLimited(t, former.send(browserLogin, "e", p.Email, "p", wrongPassword), "login")
				}
			})
		}
	})
}

func TestAccountTrustsAtMostTwentyPlaces(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		for i := range 25 {
			b.Clock.Advance(time.Minute)
			b.login(fmt.Sprintf("192.0.2.%d", 100+i), p.Email, p.Password).Must()
		}
		if n := b.countTrustedIPs(databaseURL, p); n != 20 {
			t.Errorf("%d trusted places, want 20", n)
		}
		b.failUntilLimited(t, p.Email)
		// The oldest place is no longer trusted.
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		b.login("192.0.2.124", p.Email, p.Password).Must()
	})
}

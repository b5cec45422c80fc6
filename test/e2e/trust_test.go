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

// browser is a client that keeps the cookies that it gets.
type browser struct {
	*booted
	ip      string
	cookies map[string]string
}

func (b *booted) newBrowser(ip string) *browser {
	return &browser{b, ip, map[string]string{}}
}

func (w *browser) asks(query string, variables ...any) *servertest.Response {
	w.t.Helper()
	header := from(w.ip)
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

func (w *browser) registers() *servertest.User {
	w.t.Helper()
	p := &servertest.User{Email: newAddress(), Password: servertest.Password}
	p.ID = w.asks(browserRegister, "e", p.Email, "p", p.Password).Must().Text("register.user.id")
	return p
}

func (w *browser) signsIn(p *servertest.User) *servertest.Response {
	w.t.Helper()
	return w.asks(browserLogin, "e", p.Email, "p", p.Password)
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
			t.Fatalf("cookies %q", got)
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
	b := bootLimited(t, dbtest.SQLite(t))
	w := b.newBrowser(home)
	p := w.registers()
	device := w.cookies["device"]
	w.signsIn(p).Must()
	w.signsIn(&servertest.User{Email: b.registered(home).Email, Password: servertest.Password}).Must()
	if device == "" || w.cookies["device"] != device {
		t.Errorf("device %q, then %q", device, w.cookies["device"])
	}
	if got := b.login(home, p.Email, p.Password).Must(); got.Header.Get("Set-Cookie") != "" {
		t.Errorf("a client that takes its token in the body gets %q", got.Header.Get("Set-Cookie"))
	}
	for _, forged := range []string{"x", strings.Repeat("A", 44), strings.Repeat("=", 43), device + "\"", strings.Repeat("!", 43)} {
		w.cookies["device"] = forged
		w.signsIn(p).Must()
		if w.cookies["device"] == forged {
			t.Errorf("%q was taken for a device", forged)
		}
	}
}

func TestFillingAnAccountsLimitDoesNotLockOutItsOwnersDevice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		w := b.newBrowser(home)
		p := w.registers()
		b.failFromEverywhere(p.Email)
		wantLimited(t, b.login(elsewhere, p.Email, p.Password), "login")
		w.signsIn(p).Must()
		w.ip = elsewhere // the device is the same in another network
		w.signsIn(p).Must()
	})
}

// The account's limit is used up. What an answer says in the owner's network, without the owner's device, is the same
// whether or not there is an account, and whether or not its owner has been there.
func TestExemptionTellsNeighboursNothingAboutAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		w := b.newBrowser(home)
		p := w.registers()
		w.asks(browserRefresh).Must() // the browser returns its cookies
		stranger := b.newBrowser(home)
		stranger.registers()
		for _, email := range []string{p.Email, "nobody@example.com"} {
			b.failFromEverywhere(email)
			wantLimited(t, b.login(home, email, wrongPassword), "login")
			wantLimited(t, stranger.asks(browserLogin, "e", email, "p", wrongPassword), "login") // with a device of its own
		}
		w.signsIn(p).Must()
	})
}

func TestNeighboursDoNotLockOwnersOutByTheLimitOfTheirAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		w := b.newBrowser(home)
		p, phone, stranger := w.registers(), b.registered(home), b.registered(elsewhere)
		for i := range 6 {
			b.fail(5, home, fmt.Sprintf("nobody%d@example.com", i))
		}
		wantLimited(t, b.login(home, stranger.Email, stranger.Password), "login") // never signed in from here
		w.signsIn(p).Must()
		b.login(home, phone.Email, phone.Password).Must()
		b.fail(5, home, phone.Email)
		wantLimited(t, b.login(home, phone.Email, phone.Password), "login") // guesses are bounded there too
	})
}

// A stolen device cookie helps to guess from many addresses no more than the account's own limit does.
func TestGuessesFromATrustedDeviceAreBounded(t *testing.T) {
	t.Parallel()
	b := bootLimited(t, dbtest.SQLite(t))
	w := b.newBrowser(home)
	p := w.registers()
	heard := 0
	for i := range 300 {
		w.ip = fmt.Sprintf("203.0.%d.%d", 113+i/200, i%200)
		if slices.Equal(w.asks(browserLogin, "e", p.Email, "p", wrongPassword).Codes(), []string{"login INVALID_CREDENTIALS"}) {
			heard++
		}
	}
	if heard != 200 { // the account's and the device's
		t.Errorf("%d guesses were heard", heard)
	}
}

func TestResetAndUndoForgetTrustedPlaces(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			regain func(b *booted, p *servertest.User)
		}{
			{"a reset", func(b *booted, p *servertest.User) {
				b.Query(nil, resetPassword, "t", b.resetToken(p), "p", anotherGood).Must()
			}},
			{"an undo", func(b *booted, p *servertest.User) {
				b.Query(p, requestChange, "e", newAddress(), "p", p.Password).Must()
				b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
				b.Clock.Stop()
				p := b.registered(home) // of another owner
				former := b.newBrowser(home)
				former.signsIn(p).Must()
				row.regain(b, p)
				if n := b.trustedPlaces(databaseURL, p); n != 0 {
					t.Errorf("%d places are still trusted", n)
				}
				b.failFromEverywhere(p.Email)
				for range 3 {
					wantLimited(t, b.login(home, p.Email, wrongPassword), "login")
					wantLimited(t, former.asks(browserLogin, "e", p.Email, "p", wrongPassword), "login")
				}
			})
		}
	})
}

func TestAnAccountTrustsALimitedNumberOfPlaces(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		p := b.registered(home)
		for i := range 25 {
			b.Clock.Advance(time.Minute)
			b.login(fmt.Sprintf("192.0.2.%d", 100+i), p.Email, p.Password).Must()
		}
		if n := b.trustedPlaces(databaseURL, p); n != 20 {
			t.Errorf("%d trusted places, want 20", n)
		}
		b.failSome(t, p.Email)
		wantLimited(t, b.login(home, p.Email, p.Password), "login") // the oldest was dropped
		b.login("192.0.2.124", p.Email, p.Password).Must()
	})
}

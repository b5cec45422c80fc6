package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
)

const accessToken = `mutation { accessToken { accessToken expiresAt tokenType } }`

// visitor is what a server that renders a page forwards.
func visitor(refreshToken string) http.Header {
	return http.Header{"Cookie": {"refresh=" + refreshToken}}
}

func with(h http.Header, pairs ...string) http.Header {
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestAccessTokenLeavesTheSessionAsItIs(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		d := b.newDevice(p, false) // delivered in the body: the cookie holds the same token
		const ofDevice = `{ sessions { id lastUsedAt expiresAt } }`
		before := b.ask(d.person, ofDevice).must().json()
		b.clock.advance(time.Minute)
		for range 3 {
			got := b.askWith(visitor(d.refresh), accessToken).must()
			if len(got.header.Values("Set-Cookie")) > 0 || got.text("accessToken.tokenType") != "Bearer" {
				t.Errorf("%s %v", got.body, got.header)
			}
			expires, err := time.Parse(time.RFC3339, got.text("accessToken.expiresAt"))
			if life := expires.Sub(b.clock.now()); err != nil || life > 5*time.Minute || life < 4*time.Minute+58*time.Second {
				t.Errorf("it lives for %v, %v", life, err)
			}
			render := &person{id: p.id, token: got.text("accessToken.accessToken")}
			if after := b.ask(render, ofDevice).must(); after.json() != before {
				t.Errorf("%s\nwas %s", after.body, before)
			}
			if got := b.ask(render, `{ sessions { id current } }`).must(); !strings.Contains(got.body, d.session) {
				t.Error(got.body)
			}
			b.clock.advance(5*time.Minute + time.Second)
			if got := b.ask(render, `{ me { id } }`); got.errors[0].Extensions["reason"] != "expired" {
				t.Error(got.body)
			}
		}
		b.refreshed(d.refresh) // the token was not replaced
	})
}

func TestAccessTokenMakesTheRestOfTheRequestThatPersons(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p, other := b.newPerson("USER"), b.newPerson("STAFF")
	d := b.newDevice(p, false)
	got := b.askWith(with(visitor(d.refresh), "Authorization", "Bearer "+other.token), `mutation { accessToken { tokenType } updateProfile(input: {name: "Ada"}) { email name } }`).must()
	if got.at("updateProfile.email") != p.email || got.at("updateProfile.name") != "Ada" {
		t.Error(got.body)
	}
	wantCodes(t, b.askWith(visitor(d.refresh), `mutation { accessToken { tokenType } refresh { tokenType } }`), "QUERY_TOO_COMPLEX")
	wantCodes(t, b.askWith(visitor(d.refresh), `mutation($t: String) { accessToken(refreshToken: $t) { tokenType } }`, "t", d.refresh), "GRAPHQL_VALIDATION_FAILED")
}

// No page can have a browser call it, not even one of the server's own origin, and a call that is refused judges no token.
func TestAccessTokenIsRefusedToBrowsers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "CORS_ORIGINS", "https://app.example.com")
		d := b.newPersonsDevice()
		old := d.refresh
		d.refresh = b.refreshed(b.refreshed(old))
		for _, header := range [][]string{
			{"Origin", b.url},
			{"Origin", "https://app.example.com"},
			{"Sec-Fetch-Site", "same-origin"},
			{"Sec-Fetch-Site", "none"},
			{"Origin", b.url, "Sec-Fetch-Site", "same-origin"},
			{"Origin", ""},
			{"Sec-Fetch-Site", ""},
		} {
			for _, token := range []string{d.refresh, old} {
				got := b.askWith(with(visitor(token), header...), accessToken)
				wantCodes(t, got, "accessToken BAD_USER_INPUT")
				if fields, _ := got.errors[0].Extensions["fields"].([]any); len(fields) != 1 || fields[0].(map[string]any)["name"] != header[0] {
					t.Errorf("%q: %s", header, got.body)
				}
			}
		}
		for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
			if got := b.askWith(with(visitor(d.refresh), header...), accessToken); got.status != http.StatusForbidden {
				t.Errorf("%q: %d %s", header, got.status, got.body)
			}
		}
		if !b.signedIn(d.person) {
			t.Error("an old token from a browser ended the session")
		}
		// What fetch of Node.js adds.
		b.askWith(with(visitor(d.refresh), "Sec-Fetch-Mode", "cors", "Accept-Language", "*"), accessToken).must()
	})
}

func TestAccessTokenOfATokenThatIsNoMore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			make func(*booted) (cookie string, d *device)
			ends bool // the session ends
		}{
			{"an older token", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				b.refreshed(b.refreshed(d.refresh))
				return d.refresh, d
			}, true},
			{"the parent after more than ten seconds", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				b.refreshed(d.refresh)
				b.clock.advance(11 * time.Second)
				return d.refresh, d
			}, true},
			{"a logout", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				b.ask(nil, `mutation($t: String) { logout(refreshToken: $t) }`, "t", d.refresh).must()
				return d.refresh, d
			}, true},
			{"a disabled account", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				if _, err := b.accounts.AsOperator().Disable(b.t.Context(), d.id); err != nil {
					b.t.Fatal(err)
				}
				return d.refresh, d
			}, true},
			{"a disabled account, by the parent", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				b.refreshed(d.refresh)
				if _, err := b.accounts.AsOperator().Disable(b.t.Context(), d.id); err != nil {
					b.t.Fatal(err)
				}
				return d.refresh, d
			}, true},
			{"a session past its idle limit", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				for range 8 { // each day; nothing of it extends the session
					b.askWith(visitor(d.refresh), accessToken)
					b.clock.advance(24 * time.Hour)
				}
				return d.refresh, nil
			}, true},
			{"an access token in the cookie", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				return d.token, d
			}, false},
			{"no cookie", func(*booted) (string, *device) { return "", nil }, false},
			{"a token that never was", func(*booted) (string, *device) { return strings.Repeat("A", 43), nil }, false},
			{"a token with a character more", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				return d.refresh + "A", d
			}, false},
			{"two cookies", func(b *booted) (string, *device) {
				d := b.newPersonsDevice()
				return d.refresh + "; refresh=" + d.refresh, d
			}, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := boot(t, databaseURL)
				cookie, d := row.make(b)
				wantCodes(t, b.askWith(visitor(cookie), accessToken), "accessToken INVALID_TOKEN")
				if d != nil && b.signedIn(d.person) == row.ends {
					t.Errorf("the session has ended: %t", !row.ends)
				}
			})
		}
	})
}

func TestAccessTokenOfTheImmediateParent(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newPersonsDevice()
		next := b.refreshed(d.refresh)
		b.clock.advance(9 * time.Second)
		for _, token := range []string{d.refresh, next} {
			d.token = b.askWith(visitor(token), accessToken).must().text("accessToken.accessToken")
			if !b.signedIn(d.person) {
				t.Error("the access token is good for nothing")
			}
		}
		b.refreshed(next)
	})
}

// A page is rendered while the browser refreshes: neither gets in the other's way.
func TestAccessTokenWhileTheBrowserRefreshes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newPersonsDevice()
		for range 5 {
			const n = 8
			answers := make(chan *answer, 2*n)
			for range n {
				go func() { answers <- b.ask(nil, refreshInBody, "t", d.refresh) }()
				go func() { answers <- b.askWith(visitor(d.refresh), accessToken) }()
			}
			next := d.refresh
			for range 2 * n {
				got := (<-answers).must()
				if token, ok := got.at("refresh.refreshToken").(string); ok {
					next = token
				}
			}
			d.refresh = next
		}
		if !b.signedIn(d.person) {
			t.Error("the session has ended")
		}
	})
}

func TestAccessTokenIsAuditedOncePerSessionAndHour(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
		phone, laptop := b.newDevice(p, false), b.newDevice(p, false)
		entries := func() (n int) {
			for _, entry := range b.audited(b.newDevice(admin, false).person, p) {
				if entry == account.EventAccessTokenIssued {
					n++
				}
			}
			return n
		}
		answers := make(chan *answer, 10)
		for range cap(answers) {
			go func() { answers <- b.askWith(visitor(phone.refresh), accessToken) }()
		}
		for range cap(answers) {
			(<-answers).must()
		}
		if n := entries(); n != 1 {
			t.Errorf("%d entries of one session, want 1", n)
		}
		b.askWith(visitor(laptop.refresh), accessToken).must()
		if n := entries(); n != 2 {
			t.Errorf("%d entries of two sessions, want 2", n)
		}
		b.clock.advance(59 * time.Minute)
		b.askWith(visitor(phone.refresh), accessToken).must()
		if n := entries(); n != 2 {
			t.Errorf("%d entries within the hour, want 2", n)
		}
		b.clock.advance(2 * time.Minute)
		b.askWith(visitor(phone.refresh), accessToken).must()
		if n := entries(); n != 3 {
			t.Errorf("%d entries after the hour, want 3", n)
		}
		got := b.ask(b.newDevice(admin, false).person, auditLog, "n", 1, "u", p.id).must()
		if got.at("auditLog.edges.0.node.sessionId") != phone.session || got.at("auditLog.edges.0.node.actorId") != p.id || got.at("auditLog.edges.0.node.ip") != "127.0.0.1" {
			t.Error(got.body)
		}
		if n := strings.Count(b.log.String(), `"msg":"access token issued"`); n != 3 || strings.Contains(b.log.String(), phone.refresh) {
			t.Errorf("%d lines in the log, or a token", n)
		}
	})
}

// A server that renders the pages of all visitors has one address. No visitor uses up its limit, with good tokens or bad ones.
func TestAccessTokenIsCountedPerSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		one, other := b.newDevice(b.registered(home), false), b.newDevice(b.registered(home), false)
		ask := func(ip, token string) *answer {
			return b.askWith(with(visitor(token), "X-Forwarded-For", ip), accessToken)
		}
		for range 600 {
			ask(elsewhere, one.refresh).must()
		}
		wantLimited(t, ask(elsewhere, one.refresh), "accessToken")
		next := b.refreshed(one.refresh)
		for range 10 { // have come back in the 5 seconds until the token can be replaced
			ask(home, next).must()
		}
		wantLimited(t, ask(home, next), "accessToken") // the session, whatever its token and address
		ask(elsewhere, other.refresh).must()
		for i := range 600 {
			wantCodes(t, ask(elsewhere, fmt.Sprintf("%043d", i)), "accessToken INVALID_TOKEN")
		}
		wantLimited(t, ask(elsewhere, strings.Repeat("A", 43)), "accessToken")
		before := b.store.Queries()
		wantLimited(t, ask(elsewhere, strings.Repeat("A", 42)), "accessToken")
		if n := b.store.Queries() - before; n != 1 {
			t.Errorf("%d queries for a text without the form of a token, want the limit's one", n)
		}
		ask(elsewhere, other.refresh).must()
		wantCodes(t, ask(home, strings.Repeat("A", 43)), "accessToken INVALID_TOKEN")
		b.clock.advance(time.Second)
		ask(elsewhere, other.refresh).must()
	})
}

// The address of the server that renders the pages is no place from which the owner signed in.
func TestAccessTokenMakesNoPlaceTrusted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootLimited(t, databaseURL)
		p := b.registered(home)
		d := b.newDevice(p, false)
		before := b.trustedPlaces(databaseURL, p)
		b.askWith(with(http.Header{"Cookie": {"refresh=" + d.refresh + "; device=" + strings.Repeat("d", 43)}}, "X-Forwarded-For", elsewhere), accessToken).must()
		if after := b.trustedPlaces(databaseURL, p); after != before {
			t.Errorf("%d trusted places, were %d", after, before)
		}
		b.failFromEverywhere(p.email)
		wantLimited(t, b.login(elsewhere, p.email, p.password), "login")
	})
}

// As refresh, it does not sign out who was signed in when verified addresses became required.
func TestAccessTokenAgreesWithRefreshOnAnUnverifiedAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		d := boot(t, databaseURL).newPersonsDevice()
		strict := boot(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		strict.askWith(visitor(d.refresh), accessToken).must()
		strict.askWith(visitor(d.refresh), `mutation { refresh { tokenType } }`).must()
	})
}

func (b *booted) newPersonsDevice() *device { return b.newDevice(b.newPerson("USER"), false) }

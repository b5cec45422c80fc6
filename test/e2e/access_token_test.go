package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

const accessToken = `mutation { accessToken { accessToken expiresAt tokenType } }`

// refreshCookieHeader returns the header that a server-side renderer forwards from the browser.
func refreshCookieHeader(refreshToken string) http.Header {
	return http.Header{"Cookie": {"refresh=" + refreshToken}}
}

func withHeaders(h http.Header, pairs ...string) http.Header {
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestAccessTokenDoesNotChangeTheSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		d := b.newDevice(p, false) // a token delivered in the body works in the cookie too
		const ofDevice = `{ sessions { id lastUsedAt expiresAt } }`
		before := b.Query(d.User, ofDevice).Must().JSON()
		b.Clock.Advance(time.Minute)
		for range 3 {
			got := b.QueryWith(refreshCookieHeader(d.refresh), accessToken).Must()
			if len(got.Header.Values("Set-Cookie")) > 0 || got.Text("accessToken.tokenType") != "Bearer" {
				t.Errorf("%s %v", got.Body, got.Header)
			}
			expires, err := time.Parse(time.RFC3339, got.Text("accessToken.expiresAt"))
			if life := expires.Sub(b.Clock.Now()); err != nil || life > 5*time.Minute || life < 4*time.Minute+58*time.Second {
				t.Errorf("got lifetime %v, %v, want 5 minutes", life, err)
			}
			render := &servertest.User{ID: p.ID, Token: got.Text("accessToken.accessToken")}
			if after := b.Query(render, ofDevice).Must(); after.JSON() != before {
				t.Errorf("got session %s\nwant unchanged %s", after.Body, before)
			}
			if got := b.Query(render, `{ sessions { id current } }`).Must(); !strings.Contains(got.Body, d.session) {
				t.Error(got.Body)
			}
			b.Clock.Advance(5*time.Minute + time.Second)
			if got := b.Query(render, `{ me { id } }`); got.Errors[0].Extensions["reason"] != "expired" {
				t.Error(got.Body)
			}
		}
		b.mustRefresh(d.refresh) // the refresh token was not rotated
	})
}

func TestAccessTokenAuthenticatesTheRestOfTheRequest(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p, other := b.NewUser("USER"), b.NewUser("STAFF")
	d := b.newDevice(p, false)
	got := b.QueryWith(withHeaders(refreshCookieHeader(d.refresh), "Authorization", "Bearer "+other.Token), `mutation { accessToken { tokenType } updateProfile(input: {name: "Ada"}) { email name } }`).Must()
	if got.At("updateProfile.email") != p.Email || got.At("updateProfile.name") != "Ada" {
		t.Error(got.Body)
	}
	wantCodes(t, b.QueryWith(refreshCookieHeader(d.refresh), `mutation { accessToken { tokenType } refresh { tokenType } }`), "QUERY_TOO_COMPLEX")
	wantCodes(t, b.QueryWith(refreshCookieHeader(d.refresh), `mutation($t: String) { accessToken(refreshToken: $t) { tokenType } }`, "t", d.refresh), "GRAPHQL_VALIDATION_FAILED")
}

// The mutation rejects requests from browsers, even from the server's own origin. A rejected call
// does not check the token, so it cannot revoke the session.
func TestAccessTokenRejectsBrowsers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "CORS_ORIGINS", "https://app.example.com")
		d := b.newUserDevice()
		old := d.refresh
		d.refresh = b.mustRefresh(b.mustRefresh(old))
		for _, header := range [][]string{
			{"Origin", b.URL},
			{"Origin", "https://app.example.com"},
			{"Sec-Fetch-Site", "same-origin"},
			{"Sec-Fetch-Site", "none"},
			{"Origin", b.URL, "Sec-Fetch-Site", "same-origin"},
			{"Origin", ""},
			{"Sec-Fetch-Site", ""},
		} {
			for _, token := range []string{d.refresh, old} {
				got := b.QueryWith(withHeaders(refreshCookieHeader(token), header...), accessToken)
				wantCodes(t, got, "accessToken BAD_USER_INPUT")
				if fields, _ := got.Errors[0].Extensions["fields"].([]any); len(fields) != 1 || fields[0].(map[string]any)["name"] != header[0] {
					t.Errorf("%q: %s", header, got.Body)
				}
			}
		}
		for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
			if got := b.QueryWith(withHeaders(refreshCookieHeader(d.refresh), header...), accessToken); got.Status != http.StatusForbidden {
				t.Errorf("%q: %d %s", header, got.Status, got.Body)
			}
		}
		if !b.isSignedIn(d.User) {
			t.Error("an old token from a browser revoked the session")
		}
		// The headers that fetch of Node.js adds are accepted.
		b.QueryWith(withHeaders(refreshCookieHeader(d.refresh), "Sec-Fetch-Mode", "cors", "Accept-Language", "*"), accessToken).Must()
	})
}

func TestAccessTokenRejectsInvalidRefreshTokens(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			make func(*testServer) (cookie string, d *device)
			ends bool // whether the session ends
		}{
			{"an older token", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				b.mustRefresh(b.mustRefresh(d.refresh))
				return d.refresh, d
			}, true},
			{"the parent after more than ten seconds", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				b.mustRefresh(d.refresh)
				b.Clock.Advance(11 * time.Second)
				return d.refresh, d
			}, true},
			{"a logout", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				b.Query(nil, `mutation($t: String) { logout(refreshToken: $t) }`, "t", d.refresh).Must()
				return d.refresh, d
			}, true},
			{"a disabled account", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				if _, err := b.internal.Accounts.AsOperator().Disable(b.t.Context(), d.ID); err != nil {
					b.t.Fatal(err)
				}
				return d.refresh, d
			}, true},
			{"a disabled account, by the parent", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				b.mustRefresh(d.refresh)
				if _, err := b.internal.Accounts.AsOperator().Disable(b.t.Context(), d.ID); err != nil {
					b.t.Fatal(err)
				}
				return d.refresh, d
			}, true},
			{"a session past its idle limit", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				for range 8 { // daily calls do not extend the session
					b.QueryWith(refreshCookieHeader(d.refresh), accessToken)
					b.Clock.Advance(24 * time.Hour)
				}
				return d.refresh, nil
			}, true},
			{"an access token in the cookie", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				return d.Token, d
			}, false},
			{"no cookie", func(*testServer) (string, *device) { return "", nil }, false},
			{"an unknown token", func(*testServer) (string, *device) { return strings.Repeat("A", 43), nil }, false},
			{"a token with a trailing character", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				return d.refresh + "A", d
			}, false},
			{"two cookies", func(b *testServer) (string, *device) {
				d := b.newUserDevice()
				return d.refresh + "; refresh=" + d.refresh, d
			}, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := boot(t, databaseURL)
				cookie, d := row.make(b)
				wantCodes(t, b.QueryWith(refreshCookieHeader(cookie), accessToken), "accessToken INVALID_TOKEN")
				if d != nil && b.isSignedIn(d.User) == row.ends {
					t.Errorf("got session ended %t, want %t", !row.ends, row.ends)
				}
			})
		}
	})
}

func TestAccessTokenAcceptsTheParentTokenInTheGracePeriod(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newUserDevice()
		next := b.mustRefresh(d.refresh)
		b.Clock.Advance(9 * time.Second)
		for _, token := range []string{d.refresh, next} {
			d.Token = b.QueryWith(refreshCookieHeader(token), accessToken).Must().Text("accessToken.accessToken")
			if !b.isSignedIn(d.User) {
				t.Error("the access token is rejected")
			}
		}
		b.mustRefresh(next)
	})
}

// A page rendered on the server while the browser refreshes does not disturb the refresh, and the
// reverse.
func TestAccessTokenAndRefreshRunConcurrently(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newUserDevice()
		for range 5 {
			const n = 8
			answers := make(chan *servertest.Response, 2*n)
			for range n {
				go func() { answers <- b.Query(nil, refreshInBody, "t", d.refresh) }()
				go func() { answers <- b.QueryWith(refreshCookieHeader(d.refresh), accessToken) }()
			}
			next := d.refresh
			for range 2 * n {
				got := (<-answers).Must()
				if token, ok := got.At("refresh.refreshToken").(string); ok {
					next = token
				}
			}
			d.refresh = next
		}
		if !b.isSignedIn(d.User) {
			t.Error("the session was revoked")
		}
	})
}

func TestAccessTokenIsAuditedOncePerSessionAndHour(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		phone, laptop := b.newDevice(p, false), b.newDevice(p, false)
		entries := func() (n int) {
			for _, entry := range b.auditEvents(b.newDevice(admin, false).User, p) {
				if entry == account.EventAccessTokenIssued {
					n++
				}
			}
			return n
		}
		answers := make(chan *servertest.Response, 10)
		for range cap(answers) {
			go func() { answers <- b.QueryWith(refreshCookieHeader(phone.refresh), accessToken) }()
		}
		for range cap(answers) {
			(<-answers).Must()
		}
		if n := entries(); n != 1 {
			t.Errorf("got %d entries for one session, want 1", n)
		}
		b.QueryWith(refreshCookieHeader(laptop.refresh), accessToken).Must()
		if n := entries(); n != 2 {
			t.Errorf("got %d entries for two sessions, want 2", n)
		}
		b.Clock.Advance(59 * time.Minute)
		b.QueryWith(refreshCookieHeader(phone.refresh), accessToken).Must()
		if n := entries(); n != 2 {
			t.Errorf("got %d entries within the hour, want 2", n)
		}
		b.Clock.Advance(2 * time.Minute)
		b.QueryWith(refreshCookieHeader(phone.refresh), accessToken).Must()
		if n := entries(); n != 3 {
			t.Errorf("got %d entries after the hour, want 3", n)
		}
		got := b.Query(b.newDevice(admin, false).User, auditLog, "n", 1, "u", p.ID).Must()
		if got.At("auditLog.edges.0.node.sessionId") != phone.session || got.At("auditLog.edges.0.node.actorId") != p.ID || got.At("auditLog.edges.0.node.ip") != "127.0.0.1" {
			t.Error(got.Body)
		}
		if n := strings.Count(b.Log.String(), `"msg":"access token issued"`); n != 3 || strings.Contains(b.Log.String(), phone.refresh) {
			t.Errorf("got %d log lines, want 3 without the token", n)
		}
	})
}

// A server-side renderer sends the requests of all visitors from one IP. No visitor can exhaust the
// limit of the others, with valid or invalid tokens.
func TestAccessTokenIsLimitedPerSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		one, other := b.newDevice(b.registerFrom(homeIP), false), b.newDevice(b.registerFrom(homeIP), false)
		ask := func(ip, token string) *servertest.Response {
			return b.QueryWith(withHeaders(refreshCookieHeader(token), "X-Forwarded-For", ip), accessToken)
		}
		for range 600 {
			ask(otherIP, one.refresh).Must()
		}
		wantRateLimited(t, ask(otherIP, one.refresh), "accessToken")
		next := b.mustRefresh(one.refresh)
		for range 10 { // refilled until the token can be rotated
			ask(homeIP, next).Must()
		}
		// The limit is that of the session, with any token and IP.
		wantRateLimited(t, ask(homeIP, next), "accessToken")
		ask(otherIP, other.refresh).Must()
		for i := range 600 {
			wantCodes(t, ask(otherIP, fmt.Sprintf("%043d", i)), "accessToken INVALID_TOKEN")
		}
		wantRateLimited(t, ask(otherIP, strings.Repeat("A", 43)), "accessToken")
		before := b.internal.Store.Queries()
		wantRateLimited(t, ask(otherIP, strings.Repeat("A", 42)), "accessToken")
		if n := b.internal.Store.Queries() - before; n != 1 {
			t.Errorf("got %d queries for a malformed token, want 1 for the limit", n)
		}
		ask(otherIP, other.refresh).Must()
		wantCodes(t, ask(homeIP, strings.Repeat("A", 43)), "accessToken INVALID_TOKEN")
		b.Clock.Advance(time.Second)
		ask(otherIP, other.refresh).Must()
	})
}

// The IP of a server-side renderer does not become a trusted IP of the account.
func TestAccessTokenTrustsNoIP(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		d := b.newDevice(p, false)
		before := b.countTrustedIPs(databaseURL, p)
		b.QueryWith(withHeaders(http.Header{"Cookie": {"refresh=" + d.refresh + "; device=" + strings.Repeat("d", 43)}}, "X-Forwarded-For", otherIP), accessToken).Must()
		if after := b.countTrustedIPs(databaseURL, p); after != before {
			t.Errorf("got %d trusted IPs, want unchanged %d", after, before)
		}
		b.exhaustAccountLimit(p.Email)
		wantRateLimited(t, b.login(otherIP, p.Email, p.Password), "login")
	})
}

// Like refresh, it accepts sessions that were opened before verified addresses became required.
func TestAccessTokenAndRefreshAcceptUnverifiedEmail(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		d := boot(t, databaseURL).newUserDevice()
		strict := boot(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		strict.QueryWith(refreshCookieHeader(d.refresh), accessToken).Must()
		strict.QueryWith(refreshCookieHeader(d.refresh), `mutation { refresh { tokenType } }`).Must()
	})
}

func (b *testServer) newUserDevice() *device { return b.newDevice(b.NewUser("USER"), false) }

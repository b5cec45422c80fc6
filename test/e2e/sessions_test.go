package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

// device is one sign-in of a user with a client that stores the refresh token itself.
type device struct {
	*servertest.User
	session, refresh string
}

// newDevice signs a user in again.
func (b *testServer) newDevice(p *servertest.User, rememberMe bool) *device {
	b.t.Helper()
	got := b.Query(nil, `mutation($e: String!, $p: String!, $r: Boolean!) { login(input: {email: $e, password: $p, rememberMe: $r, delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`,
		"e", p.Email, "p", p.Password, "r", rememberMe).Must()
	return &device{
		User:    &servertest.User{ID: p.ID, Email: p.Email, Password: p.Password, Token: got.Text("login.accessToken")},
		session: got.Text("login.session.id"), refresh: got.Text("login.refreshToken"),
	}
}

const refreshInBody = `mutation($t: String) { refresh(refreshToken: $t) { accessToken refreshToken expiresAt user { email } session { id current expiresAt } } }`

// mustRefresh refreshes with a token that must be valid, and returns its successor. It first
// advances the clock so that the token is rotated.
func (b *testServer) mustRefresh(token string) string {
	b.t.Helper()
	if b.Clock != nil { // a separate process has no test clock
		b.Clock.Advance(5 * time.Second)
	}
	return b.Query(nil, refreshInBody, "t", token).Must().Text("refresh.refreshToken")
}

// isSignedIn reports whether a user's access token is accepted. Any answer other than "revoked"
// fails the test.
func (b *testServer) isSignedIn(p *servertest.User) bool {
	b.t.Helper()
	got := b.Query(p, `{ me { id } }`)
	if got.At("me.id") == p.ID {
		return true
	}
	if e := got.Errors[0].Extensions; e["code"] != "UNAUTHENTICATED" || e["reason"] != "revoked" {
		b.t.Errorf("got %s, want the user or UNAUTHENTICATED with the reason revoked", got.Body)
	}
	return false
}

func wantCodes(t *testing.T, got *servertest.Response, want ...string) {
	t.Helper()
	if !slices.Equal(got.Codes(), want) {
		t.Errorf("got %s\nwant %q", got.Body, want)
	}
}

func TestRefreshRotatesTheToken(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newDevice(b.NewUser("USER"), false)
		b.Clock.Advance(16 * time.Minute) // the access token has expired
		got := b.QueryWith(http.Header{"Authorization": {"Bearer " + d.Token}}, refreshInBody, "t", d.refresh).Must()
		if got.Text("refresh.refreshToken") == d.refresh || got.Text("refresh.session.id") != d.session || got.At("refresh.session.current") != true || got.Text("refresh.user.email") != d.Email {
			t.Error(got.Body)
		}
		if len(got.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("a client without a refresh cookie got one: %q", got.Header)
		}
		d.Token = got.Text("refresh.accessToken")
		if !b.isSignedIn(d.User) {
			t.Error("the new access token is invalid")
		}
	})
}

// TestParentTokenRefreshesInTheGracePeriod checks that the parent of the current token gets the
// same successor for ten seconds: for tabs that refresh at once, and for clients whose response was
// lost.
func TestParentTokenRefreshesInTheGracePeriod(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name  string
			waits []time.Duration // before each use of the first token
			last  []string
		}{
			{"immediately", []time.Duration{0}, []string{}},
			{"within ten seconds", []time.Duration{9 * time.Second}, []string{}},
			{"after more than ten seconds", []time.Duration{11 * time.Second}, []string{"refresh INVALID_TOKEN"}},
			{"repeated use does not extend the ten seconds", []time.Duration{6 * time.Second, 6 * time.Second}, []string{"refresh INVALID_TOKEN"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := boot(t, databaseURL)
				d := b.newDevice(b.NewUser("USER"), false)
				next := b.mustRefresh(d.refresh)
				var got *servertest.Response
				for _, wait := range row.waits {
					b.Clock.Advance(wait)
					got = b.Query(nil, refreshInBody, "t", d.refresh)
				}
				wantCodes(t, got, row.last...)
				if len(row.last) == 0 {
					if got.Text("refresh.refreshToken") != next {
						t.Error("the parent token got another successor")
					}
					b.mustRefresh(next)
				}
				if b.isSignedIn(d.User) != (len(row.last) == 0) {
					t.Error("the session is valid after a reuse, or revoked without one")
				}
			})
		}
	})
}

// TestRefreshReuseRevokesSession checks that the use of an older token revokes the session with all
// its tokens, and no other session. A reused token was stolen from or by one of two clients.
func TestRefreshReuseRevokesSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, generations := range []int{2, 3, 5} {
			t.Run(fmt.Sprintf("%d generations old", generations), func(t *testing.T) {
				b := boot(t, databaseURL)
				p := b.NewUser("USER")
				stolen, other := b.newDevice(p, false), b.newDevice(p, false)
				chain := []string{stolen.refresh}
				for range generations {
					chain = append(chain, b.mustRefresh(chain[len(chain)-1]))
				}
				wantCodes(t, b.Query(nil, refreshInBody, "t", chain[0]), "refresh INVALID_TOKEN")
				if b.isSignedIn(stolen.User) {
					t.Error("an access token of the session is still valid")
				}
				for i, token := range chain {
					if got := b.Query(nil, refreshInBody, "t", token); !slices.Equal(got.Codes(), []string{"refresh INVALID_TOKEN"}) {
						t.Errorf("refresh token %d of the session: %s", i, got.Body)
					}
				}
				if !b.isSignedIn(other.User) || !b.isSignedIn(p) {
					t.Error("another session was revoked")
				}
				b.mustRefresh(other.refresh)
				if log := b.Log.String(); strings.Count(log, "refresh token reused") != 1 || strings.Contains(log, chain[0]) {
					t.Error("the log must have one line about the reuse, without the token")
				}
			})
		}
	})
}

// TestRefreshReuseIsDetectedAfterWeeks checks that a rotated token is recognized for as long as it
// could have been valid, although an attacker has refreshed daily.
func TestRefreshReuseIsDetectedAfterWeeks(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		phone := b.newDevice(b.NewUser("USER"), true)
		attacker := phone.refresh
		for range 29 { // every day
			attacker = b.mustRefresh(attacker)
			b.Clock.Advance(24 * time.Hour)
			if _, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); err != nil {
				t.Fatal(err)
			}
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.Query(nil, refreshInBody, "t", attacker), "refresh INVALID_TOKEN")
	})
}

func TestConcurrentRefreshesGetOneSuccessor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newDevice(b.NewUser("USER"), false)
		token := d.refresh
		rounds, n := 10, 20
		if dbtest.Exhaustive() {
			rounds, n = 100, 200
		}
		for range rounds {
			b.Clock.Advance(5 * time.Second) // a younger token is not rotated
			answers := make(chan *servertest.Response, n)
			for range n {
				go func() { answers <- b.Query(nil, refreshInBody, "t", token) }()
			}
			successors := map[any]int{}
			for range n {
				got := <-answers
				successors[got.At("refresh.refreshToken")]++
				if len(got.Errors) > 0 {
					t.Fatal(got.Body)
				}
			}
			if len(successors) != 1 || successors[token] > 0 {
				t.Fatalf("%d successors, want 1; the token itself was returned %d times", len(successors), successors[token])
			}
			for next := range successors {
				token = next.(string)
			}
		}
		if !b.isSignedIn(d.User) {
			t.Error("the session was revoked")
		}
	})
}

func TestInvalidRefreshTokensAreRejected(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newDevice(b.NewUser("USER"), false)
		for _, row := range []struct {
			name   string
			token  any
			header http.Header
		}{
			{"an unknown token", "70hx98RDLwtzv4kkP2mgxM-VmeaQJpe1gBZ0DHFXROg", http.Header{}},
			{"an empty token", "", http.Header{}},
			{"no token and no cookie", nil, http.Header{}},
			{"an access token", d.Token, http.Header{}},
			{"an access token in the cookie", nil, http.Header{"Cookie": {"refresh=" + d.Token}}},
			{"SQL", "' OR 1=1 --", http.Header{}},
			{"a NUL", "\x00", http.Header{}},
			{"a very long token", strings.Repeat("x", 100_000), http.Header{}},
			{"two refresh cookies", nil, http.Header{"Cookie": {"refresh=" + d.refresh + "; refresh=x"}}},
			{"the https cookie over http", nil, http.Header{"Cookie": {"__Host-refresh=" + d.refresh}}},
			{"the refresh token as a Bearer token", nil, http.Header{"Authorization": {"Bearer " + d.refresh}}},
		} {
			t.Run(row.name, func(t *testing.T) {
				got := b.QueryWith(row.header, refreshInBody, "t", row.token)
				wantCodes(t, got, "refresh INVALID_TOKEN")
				if len(got.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("the response sets a cookie: %q", got.Header)
				}
			})
		}
		b.mustRefresh(d.refresh)
		if !b.isSignedIn(d.User) {
			t.Error("an invalid token revoked the session")
		}
	})
}

// TestSessionsExpireByIdleAndAbsoluteLimit checks both limits. A refresh extends the idle limit
// only.
func TestSessionsExpireByIdleAndAbsoluteLimit(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		remember bool
		// Waits before each refresh; the last refresh fails if fails is true.
		refresh []time.Duration
		fails   bool
	}{
		{"idle for less than a week", false, []time.Duration{167 * time.Hour}, false},
		{"idle for a week", false, []time.Duration{168 * time.Hour}, true},
		{"idle for less than a month, remembered", true, []time.Duration{719 * time.Hour}, false},
		{"idle for a month, remembered", true, []time.Duration{720 * time.Hour}, true},
		{"used all the time for less than 30 days", false, []time.Duration{160 * time.Hour, 160 * time.Hour, 160 * time.Hour, 160 * time.Hour, 79 * time.Hour}, false},
		{"used all the time for 30 days", false, []time.Duration{160 * time.Hour, 160 * time.Hour, 160 * time.Hour, 160 * time.Hour, 80 * time.Hour}, true},
		{"used all the time for 30 days, remembered", true, []time.Duration{700 * time.Hour, 20 * time.Hour}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t))
			d := b.newDevice(b.NewUser("USER"), row.remember)
			token := d.refresh
			for i, wait := range row.refresh {
				b.Clock.Advance(wait)
				got := b.Query(nil, refreshInBody, "t", token)
				if row.fails && i == len(row.refresh)-1 {
					wantCodes(t, got, "refresh INVALID_TOKEN")
					return
				}
				token = got.Must().Text("refresh.refreshToken")
			}
		})
	}
}

func TestRefreshByCookieRotatesTheCookie(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	login := b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { id } } }`, "e", p.Email, "p", p.Password).Must()
	cookie, _, _ := strings.Cut(login.Header.Get("Set-Cookie"), ";")

	b.Clock.Advance(5 * time.Second)
	got := b.QueryWith(http.Header{"Cookie": {cookie}}, refreshInBody).Must()
	next, attributes, _ := strings.Cut(got.Header.Get("Set-Cookie"), ";")
	if got.At("refresh.refreshToken") != nil || next == cookie || !strings.HasPrefix(next, "refresh=") || attributes != " Path=/; Max-Age=604800; HttpOnly; SameSite=Strict" {
		t.Errorf("%s %q", got.Body, got.Header)
	}
	t.Run("an argument takes precedence over the cookie and sets none", func(t *testing.T) {
		d := b.newDevice(p, false)
		got := b.QueryWith(http.Header{"Cookie": {next}}, refreshInBody, "t", d.refresh).Must()
		if got.Text("refresh.session.id") != d.session || got.At("refresh.refreshToken") == nil || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %q", got.Body, got.Header)
		}
	})
	t.Run("a login replaces the session in the cookie", func(t *testing.T) {
		got := b.QueryWith(http.Header{"Cookie": {next}}, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { id } } }`, "e", p.Email, "p", p.Password).Must()
		if got.Text("login.session.id") == login.Text("login.session.id") {
			t.Error("the login continues the old session")
		}
		wantCodes(t, b.QueryWith(http.Header{"Cookie": {next}}, refreshInBody), "refresh INVALID_TOKEN")
	})
	t.Run("a failed login keeps the session in the cookie", func(t *testing.T) {
		d := b.newDevice(p, false)
		b.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, `mutation($e: String!) { login(input: {email: $e, password: "wrong password"}) { session { id } } }`, "e", p.Email)
		b.mustRefresh(d.refresh)
	})
}

func TestLogoutRevokesTheSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		const logout = `mutation($t: String) { logout(refreshToken: $t) }`
		bearer := func(d *device) http.Header { return http.Header{"Authorization": {"Bearer " + d.Token}} }
		for _, row := range []struct {
			name string
			send func(d *device) *servertest.Response
			want bool
		}{
			{"by the access token", func(d *device) *servertest.Response { return b.QueryWith(bearer(d), logout) }, true},
			{"by the refresh token", func(d *device) *servertest.Response { return b.Query(nil, logout, "t", d.refresh) }, true},
			{"by the cookie", func(d *device) *servertest.Response {
				return b.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, logout)
			}, true},
			{"by a refresh token that was rotated", func(d *device) *servertest.Response {
				b.mustRefresh(d.refresh)
				return b.Query(nil, logout, "t", d.refresh)
			}, true},
			{"by a refresh token that was rotated twice", func(d *device) *servertest.Response {
				b.mustRefresh(b.mustRefresh(d.refresh))
				return b.Query(nil, logout, "t", d.refresh)
			}, true},
			{"by the access token, with an invalid refresh token", func(d *device) *servertest.Response { return b.QueryWith(bearer(d), logout, "t", "x") }, true},
			{"a second time", func(d *device) *servertest.Response {
				b.QueryWith(bearer(d), logout).Must()
				return b.QueryWith(bearer(d), logout)
			}, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := b.newDevice(p, false)
				if got := row.send(d).Must(); got.At("logout") != row.want {
					t.Error(got.Body)
				}
				if b.isSignedIn(d.User) {
					t.Error("the session is still valid")
				}
				wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
			})
		}
		t.Run("without a token", func(t *testing.T) {
			if got := b.Query(nil, logout).Must(); got.At("logout") != false {
				t.Error(got.Body)
			}
		})
		t.Run("the cookie is deleted", func(t *testing.T) {
			d := b.newDevice(p, false)
			got := b.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, logout).Must()
			if want := "refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"; got.Header.Get("Set-Cookie") != want {
				t.Errorf("got %q, want %q", got.Header.Get("Set-Cookie"), want)
			}
		})
		t.Run("with an expired access token", func(t *testing.T) {
			d := b.newDevice(p, false)
			b.Clock.Advance(time.Hour)
			if got := b.QueryWith(bearer(d), logout).Must(); got.At("logout") != true {
				t.Error(got.Body)
			}
			wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		})
		if !b.isSignedIn(b.newDevice(p, false).User) {
			t.Error("other sessions were revoked")
		}
	})
}

// TestIdentityFollowsChangesWithinARequest checks that later fields of an operation run as the
// viewer that the earlier ones left.
func TestIdentityFollowsChangesWithinARequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.NewUser("ADMIN") // so that the others are not the last ADMIN
		const update = ` updateProfile(input: {name: "changed"}) { role }`
		for _, row := range []struct {
			name  string
			role  string
			query func(d *device) string
			codes []string
		}{
			{"no viewer after logout", "USER", func(*device) string { return `logout` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"no viewer after logoutEverywhere", "USER", func(*device) string { return `logoutEverywhere` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"the session's user after refresh", "USER", func(d *device) string {
				return `logout refresh(refreshToken: "` + b.newDevice(d.User, false).refresh + `") { session { current } user { role } }` + update
			}, []string{}},
			{"the same viewer after revoking another session", "USER", func(d *device) string {
				return `revokeSession(id: "` + b.newDevice(d.User, false).session + `")` + update
			}, []string{}},
			{"no viewer after revoking the current session", "USER", func(d *device) string { return `revokeSession(id: "` + d.session + `")` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"the same viewer after a password change", "USER", func(d *device) string {
				return `changePassword(input: {currentPassword: "` + d.Password + `", newPassword: "another good password"})` + update
			}, []string{}},
			{"a lower role after demotion", "ADMIN", func(d *device) string {
				return `a: setUserRole(userId: "` + d.ID + `", role: USER) { role } b: setUserRole(userId: "` + d.ID + `", role: ADMIN) { role }`
			}, []string{"b FORBIDDEN"}},
			{"no viewer after disabling the account", "ADMIN", func(d *device) string { return `disableUser(userId: "` + d.ID + `") { id }` + update }, []string{"updateProfile UNAUTHENTICATED"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := b.newDevice(b.NewUser(row.role), false)
				wantCodes(t, b.Query(d.User, `mutation { `+row.query(d)+` }`), row.codes...)
			})
		}
	})
}

func TestSessionsAreListedAndRevoked(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, other := b.NewUser("USER"), b.NewUser("ADMIN")
		first, second := b.newDevice(p, false), b.newDevice(p, false)
		list := func(as *servertest.User) (ids []string) {
			t.Helper()
			got := b.Query(as, `{ sessions { id current ip userAgent createdAt lastUsedAt expiresAt } }`).Must()
			for i := range got.At("sessions").([]any) {
				if current := got.At(fmt.Sprintf("sessions.%d.current", i)); current == true {
					ids = append(ids, "current")
				} else {
					ids = append(ids, got.Text(fmt.Sprintf("sessions.%d.id", i)))
				}
			}
			return ids
		}
		b.Clock.Advance(time.Second)
		b.mustRefresh(first.refresh)
		if got := list(first.User); len(got) != 3 || got[0] != "current" || got[1] != second.session {
			t.Errorf("got the sessions %q, want the most recently used first", got)
		}
		for _, row := range []struct {
			name string
			as   *servertest.User
			id   string
			want []string
		}{
			{"another user's session", other, first.session, []string{"revokeSession NOT_FOUND"}},
			{"an invalid id", first.User, "x", []string{"revokeSession NOT_FOUND"}},
			{"another session of the user", first.User, second.session, []string{}},
			{"the same session again", first.User, second.session, []string{"revokeSession NOT_FOUND"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				wantCodes(t, b.Query(row.as, `mutation($id: ID!) { revokeSession(id: $id) }`, "id", row.id), row.want...)
			})
		}
		if b.isSignedIn(second.User) || !b.isSignedIn(first.User) {
			t.Error("the wrong session was revoked")
		}
		if got := list(first.User); len(got) != 2 {
			t.Errorf("%d sessions, want 2", len(got))
		}
		third := b.newDevice(p, false)
		if got := b.Query(third.User, `mutation { logoutEverywhere }`).Must(); got.At("logoutEverywhere") != float64(3) {
			t.Error(got.Body)
		}
		for _, d := range []*servertest.User{p, first.User, third.User} {
			if b.isSignedIn(d) {
				t.Error("the session is still valid")
			}
		}
		if !b.isSignedIn(other) {
			t.Error("another user's session was revoked")
		}
	})
}

func TestChangePasswordRevokesOtherSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		current, other := b.newDevice(p, false), b.newDevice(p, false)
		const change = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`
		wantCodes(t, b.Query(current.User, change, "c", "wrong password", "n", "another good password"), "changePassword INVALID_CREDENTIALS")
		wantCodes(t, b.Query(current.User, change, "c", p.Password, "n", "short"), "changePassword BAD_USER_INPUT")
		wantCodes(t, b.Query(nil, change, "c", p.Password, "n", "another good password"), "changePassword UNAUTHENTICATED")
		if !b.isSignedIn(other.User) {
			t.Error("a failed change revoked a session")
		}
		if got := b.Query(current.User, change, "c", p.Password, "n", "another good password").Must(); got.At("changePassword") != true {
			t.Error(got.Body)
		}
		if !b.isSignedIn(current.User) || b.isSignedIn(other.User) {
			t.Error("changePassword must revoke the other sessions only")
		}
		b.mustRefresh(current.refresh)
		wantCodes(t, b.Query(nil, refreshInBody, "t", other.refresh), "refresh INVALID_TOKEN")
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		b.Query(nil, login, "e", p.Email, "p", "another good password").Must()
	})
}

// TestAdminChangesApplyToTheNextRequest checks that changes by an ADMIN apply to the next request
// with any of the user's tokens.
func TestAdminChangesApplyToTheNextRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		change := func(query string) *servertest.Response { t.Helper(); return b.Query(admin, query, "id", p.ID).Must() }
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`

		if got := change(`mutation($id: ID!) { setUserRole(userId: $id, role: STAFF) { role } }`); got.At("setUserRole.role") != "STAFF" {
			t.Error(got.Body)
		}
		b.Query(p, `{ users { edges { cursor } } }`).Must()
		change(`mutation($id: ID!) { setUserRole(userId: $id, role: USER) { role } }`)
		wantCodes(t, b.Query(p, `{ users { edges { cursor } } }`), "users FORBIDDEN")

		d := b.newDevice(p, false)
		if got := change(`mutation($id: ID!) { endUserSessions(userId: $id) }`); got.At("endUserSessions") != float64(2) {
			t.Error(got.Body)
		}
		if b.isSignedIn(d.User) || b.isSignedIn(p) {
			t.Error("a session is valid after endUserSessions")
		}

		d = b.newDevice(p, false)
		since := change(`mutation($id: ID!) { disableUser(userId: $id) { disabledAt } }`).Text("disableUser.disabledAt")
		if b.isSignedIn(d.User) {
			t.Error("a session of a disabled account is valid")
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		b.Clock.Advance(time.Second)
		if again := change(`mutation($id: ID!) { disableUser(userId: $id) { disabledAt } }`); again.Text("disableUser.disabledAt") != since {
			t.Errorf("disabled since %s, and after a second disableUser %s", since, again.Body)
		}
		if got := change(`mutation($id: ID!) { enableUser(userId: $id) { disabledAt } }`); got.At("enableUser.disabledAt") != nil {
			t.Error(got.Body)
		}
		if b.isSignedIn(d.User) {
			t.Error("enableUser restored a revoked session")
		}
		b.Query(nil, login, "e", p.Email, "p", p.Password).Must()
		for _, field := range []string{"disableUser(userId: $id) { id }", "enableUser(userId: $id) { id }", "endUserSessions(userId: $id)", "setUserRole(userId: $id, role: STAFF) { id }"} {
			name, _, _ := strings.Cut(field, "(")
			for _, id := range []string{"x", "01a2027b-72e4-7b47-a427-0cc080f605d1"} {
				wantCodes(t, b.Query(admin, `mutation($id: ID!) { `+field+` }`, "id", id), name+" NOT_FOUND")
			}
			wantCodes(t, b.Query(b.NewUser("STAFF"), `mutation($id: ID!) { `+field+` }`, "id", p.ID), name+" FORBIDDEN")
		}
		wantCodes(t, b.Query(admin, `mutation($id: ID!, $r: Role!) { setUserRole(userId: $id, role: $r) { id } }`, "id", p.ID, "r", "admin"), "setUserRole BAD_USER_INPUT")
	})
}

func TestLastAdminCannotBeDemotedOrDisabled(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		last := b.NewUser("ADMIN")
		wantCodes(t, b.Query(last, `mutation($id: ID!) { setUserRole(userId: $id, role: STAFF) { id } }`, "id", last.ID), "setUserRole CONFLICT")
		wantCodes(t, b.Query(last, `mutation($id: ID!) { disableUser(userId: $id) { id } }`, "id", last.ID), "disableUser CONFLICT")
		if !b.isSignedIn(last) {
			t.Error("the rejected change revoked the session")
		}
		t.Run("two ADMINs demote each other concurrently", func(t *testing.T) {
			other := b.NewUser("ADMIN")
			rounds := 10
			if dbtest.Exhaustive() {
				rounds = 100
			}
			for range rounds {
				done := make(chan *servertest.Response, 2)
				for as, target := range map[*servertest.User]*servertest.User{last: other, other: last} {
					go func() {
						done <- b.Query(as, `mutation($id: ID!) { setUserRole(userId: $id, role: USER) { id } }`, "id", target.ID)
					}()
				}
				<-done
				<-done
				admins, err := b.internal.Store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 3})
				if err != nil || len(admins.Users) != 1 {
					t.Fatalf("got the ADMINs %+v, %v, want one", admins, err)
				}
				for _, p := range []*servertest.User{last, other} {
					if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), p.Email, "ADMIN"); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	})
}

// TestConcurrentAdminChangesLeaveOne checks each pair of changes by which the last two ADMINs lose
// the role at once, over the API and on the command line.
func TestConcurrentAdminChangesLeaveOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		one, two := b.NewUser("ADMIN"), b.NewUser("ADMIN")
		b.disableUser(b.newPolicyUser("ADMIN")) // disabled ADMINs do not count
		changes := []struct {
			name string
			make func(p *servertest.User) (done bool)
		}{
			{"demote", func(p *servertest.User) bool {
				return b.succeededOrConflict(b.Query(p, `mutation($u: ID!) { setUserRole(userId: $u, role: USER) { id } }`, "u", p.ID))
			}},
			{"disable", func(p *servertest.User) bool {
				return b.succeededOrConflict(b.Query(p, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", p.ID))
			}},
			{"delete", func(p *servertest.User) bool {
				return b.succeededOrConflict(b.Query(p, deleteAccount, "p", p.Password))
			}},
			{"delete by command", func(p *servertest.User) bool {
				_, err := b.internal.Accounts.AsOperator().Delete(t.Context(), p.ID, nil)
				return err == nil
			}},
			{"demote by command", func(p *servertest.User) bool {
				_, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), p.Email, "USER")
				return err == nil
			}},
		}
		for i, first := range changes {
			for _, second := range changes[i:] {
				done := make(chan bool, 1)
				go func() { done <- first.make(one) }()
				secondDone := second.make(two)
				if firstDone := <-done; firstDone == secondDone {
					t.Fatalf("concurrent %s and %s: done %v and %v, want one of them", first.name, second.name, firstDone, secondDone)
				}
				page, err := b.internal.Store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				active := slices.DeleteFunc(page.Users, func(u *models.User) bool { return u.DisabledAt != nil })
				if len(active) != 1 || active[0].ID != one.ID && active[0].ID != two.ID {
					t.Fatalf("concurrent %s and %s: %d active ADMINs are left, want 1", first.name, second.name, len(active))
				}
				if secondDone {
					two = b.NewUser("ADMIN")
				} else {
					one = b.NewUser("ADMIN")
				}
			}
		}
	})
}

// succeededOrConflict reports whether a change succeeded. It may fail only because the account is
// the last ADMIN.
func (b *testServer) succeededOrConflict(got *servertest.Response) bool {
	b.t.Helper()
	if len(got.Errors) > 0 && got.Errors[0].Extensions["code"] != "CONFLICT" {
		b.t.Errorf("got %s, want success or CONFLICT", got.Body)
	}
	return len(got.Errors) == 0
}

// TestLoginRacingAPasswordChangeOpensNoSession checks a login that verified the old password just
// before a password change: its session is invalid from the start.
func TestLoginRacingAPasswordChangeOpensNoSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		old, err := b.internal.Store.UserByID(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		b.Query(p, `mutation($c: String!) { changePassword(input: {currentPassword: $c, newPassword: "another good password"}) }`, "c", p.Password).Must()
		now := b.internal.Store.Now()
		late := &models.Session{ID: "01a2027b-72e4-7b47-a427-0cc080f605d1", UserID: p.ID, Epoch: old.SessionEpoch, RefreshHash: make([]byte, 32), CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := b.internal.Store.CreateSession(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		late.User = old
		token, _, err := b.internal.Tokens.Issue(late)
		if err != nil {
			t.Fatal(err)
		}
		if b.isSignedIn(&servertest.User{ID: p.ID, Token: token}) {
			t.Error("the old password opened a valid session")
		}
		if got := b.Query(p, `{ sessions { id } }`).Must(); len(got.At("sessions").([]any)) != 1 {
			t.Error(got.Body)
		}
	})
}

// TestServersShareSessions checks that two servers of one database see each other's changes at the
// next request.
func TestServersShareSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one, two := boot(t, databaseURL), boot(t, databaseURL)
		p := one.NewUser("USER")
		d := one.newDevice(p, false)
		if !two.isSignedIn(d.User) {
			t.Fatal("the second server does not know the session")
		}
		one.Query(d.User, `mutation { logout }`).Must()
		if two.isSignedIn(d.User) || !two.isSignedIn(p) {
			t.Error("a logout on one server must revoke exactly that session on the other")
		}
		d = two.newDevice(p, false)
		if next := one.mustRefresh(d.refresh); two.mustRefresh(d.refresh) != next {
			t.Error("the servers return different successors of one token")
		}
	})
}

// TestSessionRecheckCachesSessions checks that SESSION_RECHECK caches a session for its duration,
// and that changes by the same server invalidate the cache.
func TestSessionRecheckCachesSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		here, elsewhere := boot(t, databaseURL, "SESSION_RECHECK", "5s"), boot(t, databaseURL)
		p, admin := here.NewUser("USER"), here.NewUser("ADMIN")
		queries := func(as *servertest.User) uint64 {
			before := here.internal.Store.Queries()
			here.Query(as, `{ me { id } }`)
			return here.internal.Store.Queries() - before
		}
		if first, second := queries(p), queries(p); first != 1 || second != 0 {
			t.Errorf("%d and %d queries, want 1 and 0", first, second)
		}
		here.Clock.Advance(5 * time.Second)
		if again := queries(p); again != 1 {
			t.Errorf("%d queries after the time, want 1", again)
		}
		for name, end := range map[string]func(d *device){
			"logout": func(d *device) { here.Query(d.User, `mutation { logout }`).Must() },
			"revokeSession": func(d *device) {
				here.Query(p, `mutation($id: ID!) { revokeSession(id: $id) }`, "id", d.session).Must()
			},
			"reuse": func(d *device) {
				here.mustRefresh(here.mustRefresh(d.refresh))
				here.Query(nil, refreshInBody, "t", d.refresh)
			},
			"logout by cookie": func(d *device) {
				here.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, `mutation { logout }`).Must()
			},
			"changePassword": func(d *device) {
				here.Query(p, `mutation($c: String!) { changePassword(input: {currentPassword: $c, newPassword: $c}) }`, "c", p.Password).Must()
			},
		} {
			t.Run("revoked by the same server with "+name, func(t *testing.T) {
				d := here.newDevice(p, false)
				if !here.isSignedIn(d.User) {
					t.Fatal("the new session is invalid")
				}
				end(d)
				if here.isSignedIn(d.User) {
					t.Error("the cache serves a session that this server revoked")
				}
			})
		}
		t.Run("demoted by the same server", func(t *testing.T) {
			staff := here.NewUser("STAFF")
			here.Query(staff, `{ users { edges { cursor } } }`).Must()
			here.Query(admin, `mutation($id: ID!) { setUserRole(userId: $id, role: USER) { id } }`, "id", staff.ID).Must()
			wantCodes(t, here.Query(staff, `{ users { edges { cursor } } }`), "users FORBIDDEN")
		})
		t.Run("revoked by another server, it is rejected after the duration at the latest", func(t *testing.T) {
			d := here.newDevice(p, false)
			here.Query(d.User, `{ me { id } }`).Must()
			elsewhere.Clock.Follow(here.Clock)
			elsewhere.Query(d.User, `mutation { logout }`).Must()
			here.Clock.Advance(5 * time.Second)
			if here.isSignedIn(d.User) {
				t.Error("the session is still accepted after the duration")
			}
		})
	})
}

func TestSweepDeletesExpiredRowsOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		short, long := b.newDevice(p, false), b.newDevice(p, true)
		next := b.mustRefresh(b.mustRefresh(long.refresh))
		for range 450 { // more than two batches
			session := b.sessionRow(t.Context(), short)
			session.ID, session.RefreshHash = newRowID(), []byte(newRowID()[:32])
			if err := b.internal.Store.CreateSession(t.Context(), session); err != nil {
				t.Fatal(err)
			}
		}
		if rows, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); rows != 0 || err != nil {
			t.Errorf("%d rows, %v", rows, err)
		}
		b.Clock.Advance(169 * time.Hour)
		// Includes the session and mail of the registration.
		if rows, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); rows != 453 || err != nil {
			t.Errorf("%d rows, %v", rows, err)
		}
		b.mustRefresh(next)
	})
}

func (b *testServer) sessionRow(ctx context.Context, d *device) *models.Session {
	b.t.Helper()
	s, err := b.internal.Store.SessionWithUser(ctx, d.session, d.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

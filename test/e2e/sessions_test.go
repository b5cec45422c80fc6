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

// device is one sign-in of a person: a client that keeps the refresh token itself.
type device struct {
	*servertest.User
	session, refresh string
}

// newDevice signs a person in once more.
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

// mustRefresh brings a token, which must be good, and returns its successor. It is old enough by then to be replaced.
func (b *testServer) mustRefresh(token string) string {
	b.t.Helper()
	if b.Clock != nil { // a process of its own has none
		b.Clock.Advance(5 * time.Second)
	}
	return b.Query(nil, refreshInBody, "t", token).Must().Text("refresh.refreshToken")
}

// isSignedIn reports whether an access token is good for something.
func (b *testServer) isSignedIn(p *servertest.User) bool {
	b.t.Helper()
	got := b.Query(p, `{ me { id } }`)
	if got.At("me.id") == p.ID {
		return true
	}
	if e := got.Errors[0].Extensions; e["code"] != "UNAUTHENTICATED" || e["reason"] != "revoked" {
		b.t.Errorf("not signed in, but: %s", got.Body)
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
		b.Clock.Advance(16 * time.Minute) // the access token has expired, as it has when one refreshes
		got := b.QueryWith(http.Header{"Authorization": {"Bearer " + d.Token}}, refreshInBody, "t", d.refresh).Must()
		if got.Text("refresh.refreshToken") == d.refresh || got.Text("refresh.session.id") != d.session || got.At("refresh.session.current") != true || got.Text("refresh.user.email") != d.Email {
			t.Error(got.Body)
		}
		if len(got.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("a cookie for a client that asked for none: %q", got.Header)
		}
		d.Token = got.Text("refresh.accessToken")
		if !b.isSignedIn(d.User) {
			t.Error("the new access token is good for nothing")
		}
	})
}

// The same successor for two tabs that refresh at once, or for a client whose answer was lost.
func TestParentTokenRefreshesInTheGracePeriod(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name  string
			waits []time.Duration // between one try of the first token and the next
			last  []string
		}{
			{"at once", []time.Duration{0}, []string{}},
			{"within ten seconds", []time.Duration{9 * time.Second}, []string{}},
			{"after more than ten seconds", []time.Duration{11 * time.Second}, []string{"refresh INVALID_TOKEN"}},
			{"again and again: bringing it does not prolong the ten seconds", []time.Duration{6 * time.Second, 6 * time.Second}, []string{"refresh INVALID_TOKEN"}},
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
						t.Error("another successor")
					}
					b.mustRefresh(next)
				}
				if b.isSignedIn(d.User) != (len(row.last) == 0) {
					t.Error("the session lives on after a reuse, or has ended without one")
				}
			})
		}
	})
}

// Old tokens: one of the two who had it has stolen it. The family ends with all that came of it, and nothing else.
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
					t.Error("an access token of the family is still good")
				}
				for i, token := range chain {
					if got := b.Query(nil, refreshInBody, "t", token); !slices.Equal(got.Codes(), []string{"refresh INVALID_TOKEN"}) {
						t.Errorf("token %d of the family: %s", i, got.Body)
					}
				}
				if !b.isSignedIn(other.User) || !b.isSignedIn(p) {
					t.Error("another device was signed out")
				}
				b.mustRefresh(other.refresh)
				if log := b.Log.String(); strings.Count(log, "refresh token reused") != 1 || strings.Contains(log, chain[0]) {
					t.Error("the log has no line of the reuse, or more than one, or the token")
				}
			})
		}
	})
}

// A phone that slept through the thief's refreshes wakes up: its token is known as spent for as long as it could
// have been good.
func TestRefreshReuseIsDetectedAfterWeeks(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		phone := b.newDevice(b.NewUser("USER"), true)
		thief := phone.refresh
		for range 29 { // every day
			thief = b.mustRefresh(thief)
			b.Clock.Advance(24 * time.Hour)
			if _, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); err != nil {
				t.Fatal(err)
			}
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.Query(nil, refreshInBody, "t", thief), "refresh INVALID_TOKEN")
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
			b.Clock.Advance(5 * time.Second) // a younger token comes back itself
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
				t.Fatalf("%d successors, the token itself %d times", len(successors), successors[token])
			}
			for next := range successors {
				token = next.(string)
			}
		}
		if !b.isSignedIn(d.User) {
			t.Error("the session has ended")
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
			{"a very long one", strings.Repeat("x", 100_000), http.Header{}},
			{"two cookies, one of which somebody else has set", nil, http.Header{"Cookie": {"refresh=" + d.refresh + "; refresh=x"}}},
			{"the cookie of https, over http", nil, http.Header{"Cookie": {"__Host-refresh=" + d.refresh}}},
			{"the token in the header of access tokens", nil, http.Header{"Authorization": {"Bearer " + d.refresh}}},
		} {
			t.Run(row.name, func(t *testing.T) {
				got := b.QueryWith(row.header, refreshInBody, "t", row.token)
				wantCodes(t, got, "refresh INVALID_TOKEN")
				if len(got.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("a cookie: %q", got.Header)
				}
			})
		}
		b.mustRefresh(d.refresh)
		if !b.isSignedIn(d.User) {
			t.Error("a wrong token ended the session")
		}
	})
}

// Idle and absolute limits; refreshing prolongs the first and never the second.
func TestSessionsExpireByIdleAndAbsoluteLimit(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		remember bool
		refresh  []time.Duration // after these waits; the last one fails if fails is true
		fails    bool
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
	t.Run("an argument wins over the cookie, and nothing goes into the cookie", func(t *testing.T) {
		d := b.newDevice(p, false)
		got := b.QueryWith(http.Header{"Cookie": {next}}, refreshInBody, "t", d.refresh).Must()
		if got.Text("refresh.session.id") != d.session || got.At("refresh.refreshToken") == nil || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %q", got.Body, got.Header)
		}
	})
	t.Run("a login takes the place of the session in the cookie", func(t *testing.T) {
		got := b.QueryWith(http.Header{"Cookie": {next}}, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { id } } }`, "e", p.Email, "p", p.Password).Must()
		if got.Text("login.session.id") == login.Text("login.session.id") {
			t.Error("the old session goes on")
		}
		wantCodes(t, b.QueryWith(http.Header{"Cookie": {next}}, refreshInBody), "refresh INVALID_TOKEN")
	})
	t.Run("a login that fails leaves the session in the cookie alone", func(t *testing.T) {
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
			ask  func(d *device) *servertest.Response
			want bool
		}{
			{"by the access token", func(d *device) *servertest.Response { return b.QueryWith(bearer(d), logout) }, true},
			{"by the refresh token", func(d *device) *servertest.Response { return b.Query(nil, logout, "t", d.refresh) }, true},
			{"by the cookie", func(d *device) *servertest.Response {
				return b.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, logout)
			}, true},
			{"by a refresh token that was replaced meanwhile", func(d *device) *servertest.Response {
				b.mustRefresh(d.refresh)
				return b.Query(nil, logout, "t", d.refresh)
			}, true},
			{"by one that was replaced twice", func(d *device) *servertest.Response {
				b.mustRefresh(b.mustRefresh(d.refresh))
				return b.Query(nil, logout, "t", d.refresh)
			}, true},
			{"by the access token, beside a refresh token that is none", func(d *device) *servertest.Response { return b.QueryWith(bearer(d), logout, "t", "x") }, true},
			{"a second time", func(d *device) *servertest.Response {
				b.QueryWith(bearer(d), logout).Must()
				return b.QueryWith(bearer(d), logout)
			}, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := b.newDevice(p, false)
				if got := row.ask(d).Must(); got.At("logout") != row.want {
					t.Error(got.Body)
				}
				if b.isSignedIn(d.User) {
					t.Error("still signed in")
				}
				wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
			})
		}
		t.Run("of nobody", func(t *testing.T) {
			if got := b.Query(nil, logout).Must(); got.At("logout") != false {
				t.Error(got.Body)
			}
		})
		t.Run("the browser is told to forget the cookie", func(t *testing.T) {
			d := b.newDevice(p, false)
			got := b.QueryWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, logout).Must()
			if want := "refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"; got.Header.Get("Set-Cookie") != want {
				t.Errorf("got %q, want %q", got.Header.Get("Set-Cookie"), want)
			}
		})
		t.Run("with an access token that has expired", func(t *testing.T) {
			d := b.newDevice(p, false)
			b.Clock.Advance(time.Hour)
			if got := b.QueryWith(bearer(d), logout).Must(); got.At("logout") != true {
				t.Error(got.Body)
			}
			wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		})
		if !b.isSignedIn(b.newDevice(p, false).User) {
			t.Error("other devices were signed out")
		}
	})
}

// The request's identity follows what the request did.
func TestIdentityFollowsChangesWithinARequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.NewUser("ADMIN") // so that nobody below is the last one
		const update = ` updateProfile(input: {name: "changed"}) { role }`
		for _, row := range []struct {
			name  string
			role  string
			query func(d *device) string
			codes []string
		}{
			{"after logout nobody", "USER", func(*device) string { return `logout` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"after logoutEverywhere nobody", "USER", func(*device) string { return `logoutEverywhere` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"after refresh the session's person", "USER", func(d *device) string {
				return `logout refresh(refreshToken: "` + b.newDevice(d.User, false).refresh + `") { session { current } user { role } }` + update
			}, []string{}},
			{"after the end of another session oneself", "USER", func(d *device) string {
				return `revokeSession(id: "` + b.newDevice(d.User, false).session + `")` + update
			}, []string{}},
			{"after the end of one's own session nobody", "USER", func(d *device) string { return `revokeSession(id: "` + d.session + `")` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"after the change of the password oneself", "USER", func(d *device) string {
				return `changePassword(input: {currentPassword: "` + d.Password + `", newPassword: "another good password"})` + update
			}, []string{}},
			{"after the loss of one's role without it", "ADMIN", func(d *device) string {
				return `a: setUserRole(userId: "` + d.ID + `", role: USER) { role } b: setUserRole(userId: "` + d.ID + `", role: ADMIN) { role }`
			}, []string{"b FORBIDDEN"}},
			{"after the end of one's own account nobody", "ADMIN", func(d *device) string { return `disableUser(userId: "` + d.ID + `") { id }` + update }, []string{"updateProfile UNAUTHENTICATED"}},
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
		p, somebody := b.NewUser("USER"), b.NewUser("ADMIN")
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
			t.Errorf("the one that was used last is not the first: %q", got)
		}
		for _, row := range []struct {
			name string
			as   *servertest.User
			id   string
			want []string
		}{
			{"somebody else's session", somebody, first.session, []string{"revokeSession NOT_FOUND"}},
			{"an id that is none", first.User, "x", []string{"revokeSession NOT_FOUND"}},
			{"another of one's own", first.User, second.session, []string{}},
			{"the same again", first.User, second.session, []string{"revokeSession NOT_FOUND"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				wantCodes(t, b.Query(row.as, `mutation($id: ID!) { revokeSession(id: $id) }`, "id", row.id), row.want...)
			})
		}
		if b.isSignedIn(second.User) || !b.isSignedIn(first.User) {
			t.Error("the wrong session has ended")
		}
		if got := list(first.User); len(got) != 2 {
			t.Errorf("%d sessions", len(got))
		}
		third := b.newDevice(p, false)
		if got := b.Query(third.User, `mutation { logoutEverywhere }`).Must(); got.At("logoutEverywhere") != float64(3) {
			t.Error(got.Body)
		}
		for _, d := range []*servertest.User{p, first.User, third.User} {
			if b.isSignedIn(d) {
				t.Error("still signed in")
			}
		}
		if !b.isSignedIn(somebody) {
			t.Error("somebody else was signed out")
		}
	})
}

func TestChangePasswordRevokesOtherSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		mine, other := b.newDevice(p, false), b.newDevice(p, false)
		const change = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`
		wantCodes(t, b.Query(mine.User, change, "c", "wrong password", "n", "another good password"), "changePassword INVALID_CREDENTIALS")
		wantCodes(t, b.Query(mine.User, change, "c", p.Password, "n", "short"), "changePassword BAD_USER_INPUT")
		wantCodes(t, b.Query(nil, change, "c", p.Password, "n", "another good password"), "changePassword UNAUTHENTICATED")
		if !b.isSignedIn(other.User) {
			t.Error("a change that failed ended a session")
		}
		if got := b.Query(mine.User, change, "c", p.Password, "n", "another good password").Must(); got.At("changePassword") != true {
			t.Error(got.Body)
		}
		if !b.isSignedIn(mine.User) || b.isSignedIn(other.User) {
			t.Error("the wrong sessions have ended")
		}
		b.mustRefresh(mine.refresh)
		wantCodes(t, b.Query(nil, refreshInBody, "t", other.refresh), "refresh INVALID_TOKEN")
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		b.Query(nil, login, "e", p.Email, "p", "another good password").Must()
	})
}

// What an ADMIN does to somebody counts on the next request of any of their tokens.
func TestAdminChangesApplyToTheNextRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		ask := func(query string) *servertest.Response { t.Helper(); return b.Query(admin, query, "id", p.ID).Must() }
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`

		if got := ask(`mutation($id: ID!) { setUserRole(userId: $id, role: STAFF) { role } }`); got.At("setUserRole.role") != "STAFF" {
			t.Error(got.Body)
		}
		b.Query(p, `{ users { edges { cursor } } }`).Must()
		ask(`mutation($id: ID!) { setUserRole(userId: $id, role: USER) { role } }`)
		wantCodes(t, b.Query(p, `{ users { edges { cursor } } }`), "users FORBIDDEN")

		d := b.newDevice(p, false)
		if got := ask(`mutation($id: ID!) { endUserSessions(userId: $id) }`); got.At("endUserSessions") != float64(2) {
			t.Error(got.Body)
		}
		if b.isSignedIn(d.User) || b.isSignedIn(p) {
			t.Error("signed in after endUserSessions")
		}

		d = b.newDevice(p, false)
		since := ask(`mutation($id: ID!) { disableUser(userId: $id) { disabledAt } }`).Text("disableUser.disabledAt")
		if b.isSignedIn(d.User) {
			t.Error("signed in although disabled")
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		b.Clock.Advance(time.Second)
		if again := ask(`mutation($id: ID!) { disableUser(userId: $id) { disabledAt } }`); again.Text("disableUser.disabledAt") != since {
			t.Errorf("disabled since %s, and now %s", since, again.Body)
		}
		if got := ask(`mutation($id: ID!) { enableUser(userId: $id) { disabledAt } }`); got.At("enableUser.disabledAt") != nil {
			t.Error(got.Body)
		}
		if b.isSignedIn(d.User) {
			t.Error("a session from before came to life again")
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
			t.Error("what was refused was done")
		}
		t.Run("when two demote each other at once", func(t *testing.T) {
			other := b.NewUser("ADMIN")
			rounds := 10
			if dbtest.Exhaustive() {
				rounds = 100
			}
			for range rounds {
				done := make(chan *servertest.Response, 2)
				for as, whom := range map[*servertest.User]*servertest.User{last: other, other: last} {
					go func() {
						done <- b.Query(as, `mutation($id: ID!) { setUserRole(userId: $id, role: USER) { id } }`, "id", whom.ID)
					}()
				}
				<-done
				<-done
				admins, err := b.internal.Store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 3})
				if err != nil || len(admins.Users) != 1 {
					t.Fatalf("ADMINs are left: %+v, %v", admins, err)
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

// Two ADMINs give up at once what they are, each in any way that there is, or the one takes it from the other on the command line:
// one of them stays.
func TestConcurrentAdminChangesLeaveOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		one, two := b.NewUser("ADMIN"), b.NewUser("ADMIN")
		b.disableUser(b.newPolicyUser("ADMIN")) // who does not count
		ways := []struct {
			name string
			give func(p *servertest.User) (done bool)
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
			{"be deleted on the command line", func(p *servertest.User) bool {
				_, err := b.internal.Accounts.AsOperator().Delete(t.Context(), p.ID, nil)
				return err == nil
			}},
			{"be demoted on the command line", func(p *servertest.User) bool {
				_, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), p.Email, "USER")
				return err == nil
			}},
		}
		for i, first := range ways {
			for _, second := range ways[i:] {
				done := make(chan bool, 1)
				go func() { done <- first.give(one) }()
				secondDone := second.give(two)
				if firstDone := <-done; firstDone == secondDone {
					t.Fatalf("%s and %s at once: %v and %v", first.name, second.name, firstDone, secondDone)
				}
				page, err := b.internal.Store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				open := slices.DeleteFunc(page.Users, func(u *models.User) bool { return u.DisabledAt != nil })
				if len(open) != 1 || open[0].ID != one.ID && open[0].ID != two.ID {
					t.Fatalf("%s and %s at once: %d ADMINs are left", first.name, second.name, len(open))
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

// succeededOrConflict: it was done, or refused as the last ADMIN is.
func (b *testServer) succeededOrConflict(got *servertest.Response) bool {
	b.t.Helper()
	if len(got.Errors) > 0 && got.Errors[0].Extensions["code"] != "CONFLICT" {
		b.t.Errorf("neither done nor a CONFLICT: %s", got.Body)
	}
	return len(got.Errors) == 0
}

// A login that verified the old password just before it was changed opens a session that has ended.
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
		tokens, err := b.internal.Tokens, error(nil)
		if err != nil {
			t.Fatal(err)
		}
		late.User = old
		token, _, err := tokens.Issue(late)
		if err != nil {
			t.Fatal(err)
		}
		if b.isSignedIn(&servertest.User{ID: p.ID, Token: token}) {
			t.Error("the old password opened a session that outlived it")
		}
		if got := b.Query(p, `{ sessions { id } }`).Must(); len(got.At("sessions").([]any)) != 1 {
			t.Error(got.Body)
		}
	})
}

// Two servers of one database: what one ends, the other does not take any more at the next request.
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
			t.Error("a logout on one is no logout on the other, or of too much")
		}
		d = two.newDevice(p, false)
		if next := one.mustRefresh(d.refresh); two.mustRefresh(d.refresh) != next {
			t.Error("the two give the same token different successors")
		}
	})
}

// With SESSION_RECHECK a session is trusted for a while; what this server itself ends, it never trusts again.
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
			t.Run("ended here by "+name, func(t *testing.T) {
				d := here.newDevice(p, false)
				if !here.isSignedIn(d.User) {
					t.Fatal("not signed in")
				}
				end(d)
				if here.isSignedIn(d.User) {
					t.Error("trusted although it was ended here")
				}
			})
		}
		t.Run("a role taken here", func(t *testing.T) {
			staff := here.NewUser("STAFF")
			here.Query(staff, `{ users { edges { cursor } } }`).Must()
			here.Query(admin, `mutation($id: ID!) { setUserRole(userId: $id, role: USER) { id } }`, "id", staff.ID).Must()
			wantCodes(t, here.Query(staff, `{ users { edges { cursor } } }`), "users FORBIDDEN")
		})
		t.Run("ended elsewhere it counts after the time at the latest", func(t *testing.T) {
			d := here.newDevice(p, false)
			here.Query(d.User, `{ me { id } }`).Must()
			elsewhere.Clock.Follow(here.Clock)
			elsewhere.Query(d.User, `mutation { logout }`).Must()
			here.Clock.Advance(5 * time.Second)
			if here.isSignedIn(d.User) {
				t.Error("trusted for too long")
			}
		})
	})
}

// What has expired is swept away, and nothing else.
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
		if rows, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); rows != 453 || err != nil { // mailsWith the registration's session and mail
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

package main

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
)

// device is one sign-in of a person: a client that keeps the refresh token itself.
type device struct {
	*person
	session, refresh string
}

// newDevice signs a person in once more.
func (b *booted) newDevice(p *person, rememberMe bool) *device {
	b.t.Helper()
	got := b.ask(nil, `mutation($e: String!, $p: String!, $r: Boolean!) { login(input: {email: $e, password: $p, rememberMe: $r, delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`,
		"e", p.email, "p", p.password, "r", rememberMe).must()
	return &device{
		person:  &person{id: p.id, email: p.email, password: p.password, token: got.text("login.accessToken")},
		session: got.text("login.session.id"), refresh: got.text("login.refreshToken"),
	}
}

const refreshInBody = `mutation($t: String) { refresh(refreshToken: $t) { accessToken refreshToken expiresAt user { email } session { id current expiresAt } } }`

// refreshed brings a token, which must be good, and returns its successor. It is old enough by then to be replaced.
func (b *booted) refreshed(token string) string {
	b.t.Helper()
	if b.clock != nil { // a process of its own has none
		b.clock.advance(5 * time.Second)
	}
	return b.ask(nil, refreshInBody, "t", token).must().text("refresh.refreshToken")
}

// signedIn reports whether an access token is good for something.
func (b *booted) signedIn(p *person) bool {
	b.t.Helper()
	got := b.ask(p, `{ me { id } }`)
	if got.at("me.id") == p.id {
		return true
	}
	if e := got.errors[0].Extensions; e["code"] != "UNAUTHENTICATED" || e["reason"] != "revoked" {
		b.t.Errorf("not signed in, but: %s", got.body)
	}
	return false
}

func wantCodes(t *testing.T, got *answer, want ...string) {
	t.Helper()
	if !slices.Equal(got.codes(), want) {
		t.Errorf("got %s\nwant %q", got.body, want)
	}
}

func TestRefreshRotatesTheToken(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newDevice(b.newPerson("USER"), false)
		b.clock.advance(16 * time.Minute) // the access token has expired, as it has when one refreshes
		got := b.askWith(http.Header{"Authorization": {"Bearer " + d.token}}, refreshInBody, "t", d.refresh).must()
		if got.text("refresh.refreshToken") == d.refresh || got.text("refresh.session.id") != d.session || got.at("refresh.session.current") != true || got.text("refresh.user.email") != d.email {
			t.Error(got.body)
		}
		if len(got.header.Values("Set-Cookie")) > 0 {
			t.Errorf("a cookie for a client that asked for none: %q", got.header)
		}
		d.token = got.text("refresh.accessToken")
		if !b.signedIn(d.person) {
			t.Error("the new access token is good for nothing")
		}
	})
}

// The same successor for two tabs that refresh at once, or for a client whose answer was lost.
func TestRefreshOfTheImmediateParent(t *testing.T) {
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
				d := b.newDevice(b.newPerson("USER"), false)
				next := b.refreshed(d.refresh)
				var got *answer
				for _, wait := range row.waits {
					b.clock.advance(wait)
					got = b.ask(nil, refreshInBody, "t", d.refresh)
				}
				wantCodes(t, got, row.last...)
				if len(row.last) == 0 {
					if got.text("refresh.refreshToken") != next {
						t.Error("another successor")
					}
					b.refreshed(next)
				}
				if b.signedIn(d.person) != (len(row.last) == 0) {
					t.Error("the session lives on after a reuse, or has ended without one")
				}
			})
		}
	})
}

// Old tokens: one of the two who had it has stolen it. The family ends with all that came of it, and nothing else.
func TestReuseOfAnOldRefreshTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, generations := range []int{2, 3, 5} {
			t.Run(fmt.Sprintf("%d generations old", generations), func(t *testing.T) {
				b := boot(t, databaseURL)
				p := b.newPerson("USER")
				stolen, other := b.newDevice(p, false), b.newDevice(p, false)
				chain := []string{stolen.refresh}
				for range generations {
					chain = append(chain, b.refreshed(chain[len(chain)-1]))
				}
				wantCodes(t, b.ask(nil, refreshInBody, "t", chain[0]), "refresh INVALID_TOKEN")
				if b.signedIn(stolen.person) {
					t.Error("an access token of the family is still good")
				}
				for i, token := range chain {
					if got := b.ask(nil, refreshInBody, "t", token); !slices.Equal(got.codes(), []string{"refresh INVALID_TOKEN"}) {
						t.Errorf("token %d of the family: %s", i, got.body)
					}
				}
				if !b.signedIn(other.person) || !b.signedIn(p) {
					t.Error("another device was signed out")
				}
				b.refreshed(other.refresh)
				if log := b.log.String(); strings.Count(log, "refresh token reused") != 1 || strings.Contains(log, chain[0]) {
					t.Error("the log has no line of the reuse, or more than one, or the token")
				}
			})
		}
	})
}

// A phone that slept through the thief's refreshes wakes up: its token is known as spent for as long as it could
// have been good.
func TestReuseIsNoticedAfterWeeks(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		phone := b.newDevice(b.newPerson("USER"), true)
		thief := phone.refresh
		for range 29 { // every day
			thief = b.refreshed(thief)
			b.clock.advance(24 * time.Hour)
			if _, err := b.store.Sweep(t.Context(), b.store.Now()); err != nil {
				t.Fatal(err)
			}
		}
		wantCodes(t, b.ask(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.ask(nil, refreshInBody, "t", thief), "refresh INVALID_TOKEN")
	})
}

func TestManyRefreshesOfOneTokenAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newDevice(b.newPerson("USER"), false)
		token := d.refresh
		rounds, n := 10, 20
		if dbtest.Exhaustive() {
			rounds, n = 100, 200
		}
		for range rounds {
			b.clock.advance(5 * time.Second) // a younger token comes back itself
			answers := make(chan *answer, n)
			for range n {
				go func() { answers <- b.ask(nil, refreshInBody, "t", token) }()
			}
			successors := map[any]int{}
			for range n {
				got := <-answers
				successors[got.at("refresh.refreshToken")]++
				if len(got.errors) > 0 {
					t.Fatal(got.body)
				}
			}
			if len(successors) != 1 || successors[token] > 0 {
				t.Fatalf("%d successors, the token itself %d times", len(successors), successors[token])
			}
			for next := range successors {
				token = next.(string)
			}
		}
		if !b.signedIn(d.person) {
			t.Error("the session has ended")
		}
	})
}

func TestRefreshesThatAreGoodForNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		d := b.newDevice(b.newPerson("USER"), false)
		for _, row := range []struct {
			name   string
			token  any
			header http.Header
		}{
			{"an unknown token", "70hx98RDLwtzv4kkP2mgxM-VmeaQJpe1gBZ0DHFXROg", http.Header{}},
			{"an empty token", "", http.Header{}},
			{"no token and no cookie", nil, http.Header{}},
			{"an access token", d.token, http.Header{}},
			{"an access token in the cookie", nil, http.Header{"Cookie": {"refresh=" + d.token}}},
			{"SQL", "' OR 1=1 --", http.Header{}},
			{"a NUL", "\x00", http.Header{}},
			{"a very long one", strings.Repeat("x", 100_000), http.Header{}},
			{"two cookies, one of which somebody else has set", nil, http.Header{"Cookie": {"refresh=" + d.refresh + "; refresh=x"}}},
			{"the cookie of https, over http", nil, http.Header{"Cookie": {"__Host-refresh=" + d.refresh}}},
			{"the token in the header of access tokens", nil, http.Header{"Authorization": {"Bearer " + d.refresh}}},
		} {
			t.Run(row.name, func(t *testing.T) {
				got := b.askWith(row.header, refreshInBody, "t", row.token)
				wantCodes(t, got, "refresh INVALID_TOKEN")
				if len(got.header.Values("Set-Cookie")) > 0 {
					t.Errorf("a cookie: %q", got.header)
				}
			})
		}
		b.refreshed(d.refresh)
		if !b.signedIn(d.person) {
			t.Error("a wrong token ended the session")
		}
	})
}

// Idle and absolute limits; refreshing prolongs the first and never the second.
func TestSessionLimits(t *testing.T) {
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
			d := b.newDevice(b.newPerson("USER"), row.remember)
			token := d.refresh
			for i, wait := range row.refresh {
				b.clock.advance(wait)
				got := b.ask(nil, refreshInBody, "t", token)
				if row.fails && i == len(row.refresh)-1 {
					wantCodes(t, got, "refresh INVALID_TOKEN")
					return
				}
				token = got.must().text("refresh.refreshToken")
			}
		})
	}
}

func TestRefreshByCookie(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.newPerson("USER")
	login := b.ask(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { id } } }`, "e", p.email, "p", p.password).must()
	cookie, _, _ := strings.Cut(login.header.Get("Set-Cookie"), ";")

	b.clock.advance(5 * time.Second)
	got := b.askWith(http.Header{"Cookie": {cookie}}, refreshInBody).must()
	next, attributes, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.at("refresh.refreshToken") != nil || next == cookie || !strings.HasPrefix(next, "refresh=") || attributes != " Path=/; Max-Age=604800; HttpOnly; SameSite=Strict" {
		t.Errorf("%s %q", got.body, got.header)
	}
	t.Run("an argument wins over the cookie, and nothing goes into the cookie", func(t *testing.T) {
		d := b.newDevice(p, false)
		got := b.askWith(http.Header{"Cookie": {next}}, refreshInBody, "t", d.refresh).must()
		if got.text("refresh.session.id") != d.session || got.at("refresh.refreshToken") == nil || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s %q", got.body, got.header)
		}
	})
	t.Run("a login takes the place of the session in the cookie", func(t *testing.T) {
		got := b.askWith(http.Header{"Cookie": {next}}, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { session { id } } }`, "e", p.email, "p", p.password).must()
		if got.text("login.session.id") == login.text("login.session.id") {
			t.Error("the old session goes on")
		}
		wantCodes(t, b.askWith(http.Header{"Cookie": {next}}, refreshInBody), "refresh INVALID_TOKEN")
	})
	t.Run("a login that fails leaves the session in the cookie alone", func(t *testing.T) {
		d := b.newDevice(p, false)
		b.askWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, `mutation($e: String!) { login(input: {email: $e, password: "wrong password"}) { session { id } } }`, "e", p.email)
		b.refreshed(d.refresh)
	})
}

func TestLogout(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		const logout = `mutation($t: String) { logout(refreshToken: $t) }`
		bearer := func(d *device) http.Header { return http.Header{"Authorization": {"Bearer " + d.token}} }
		for _, row := range []struct {
			name string
			ask  func(d *device) *answer
			want bool
		}{
			{"by the access token", func(d *device) *answer { return b.askWith(bearer(d), logout) }, true},
			{"by the refresh token", func(d *device) *answer { return b.ask(nil, logout, "t", d.refresh) }, true},
			{"by the cookie", func(d *device) *answer { return b.askWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, logout) }, true},
			{"by a refresh token that was replaced meanwhile", func(d *device) *answer { b.refreshed(d.refresh); return b.ask(nil, logout, "t", d.refresh) }, true},
			{"by one that was replaced twice", func(d *device) *answer {
				b.refreshed(b.refreshed(d.refresh))
				return b.ask(nil, logout, "t", d.refresh)
			}, true},
			{"by the access token, beside a refresh token that is none", func(d *device) *answer { return b.askWith(bearer(d), logout, "t", "x") }, true},
			{"a second time", func(d *device) *answer { b.askWith(bearer(d), logout).must(); return b.askWith(bearer(d), logout) }, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := b.newDevice(p, false)
				if got := row.ask(d).must(); got.at("logout") != row.want {
					t.Error(got.body)
				}
				if b.signedIn(d.person) {
					t.Error("still signed in")
				}
				wantCodes(t, b.ask(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
			})
		}
		t.Run("of nobody", func(t *testing.T) {
			if got := b.ask(nil, logout).must(); got.at("logout") != false {
				t.Error(got.body)
			}
		})
		t.Run("the browser is told to forget the cookie", func(t *testing.T) {
			d := b.newDevice(p, false)
			got := b.askWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, logout).must()
			if want := "refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"; got.header.Get("Set-Cookie") != want {
				t.Errorf("got %q, want %q", got.header.Get("Set-Cookie"), want)
			}
		})
		t.Run("with an access token that has expired", func(t *testing.T) {
			d := b.newDevice(p, false)
			b.clock.advance(time.Hour)
			if got := b.askWith(bearer(d), logout).must(); got.at("logout") != true {
				t.Error(got.body)
			}
			wantCodes(t, b.ask(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		})
		if !b.signedIn(b.newDevice(p, false).person) {
			t.Error("other devices were signed out")
		}
	})
}

// The request's identity follows what the request did.
func TestIdentityWithinOneRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.newPerson("ADMIN") // so that nobody below is the last one
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
				return `logout refresh(refreshToken: "` + b.newDevice(d.person, false).refresh + `") { session { current } user { role } }` + update
			}, []string{}},
			{"after the end of another session oneself", "USER", func(d *device) string {
				return `revokeSession(id: "` + b.newDevice(d.person, false).session + `")` + update
			}, []string{}},
			{"after the end of one's own session nobody", "USER", func(d *device) string { return `revokeSession(id: "` + d.session + `")` + update }, []string{"updateProfile UNAUTHENTICATED"}},
			{"after the change of the password oneself", "USER", func(d *device) string {
				return `changePassword(input: {currentPassword: "` + d.password + `", newPassword: "another good password"})` + update
			}, []string{}},
			{"after the loss of one's role without it", "ADMIN", func(d *device) string {
				return `a: setUserRole(userId: "` + d.id + `", role: USER) { role } b: setUserRole(userId: "` + d.id + `", role: ADMIN) { role }`
			}, []string{"b FORBIDDEN"}},
			{"after the end of one's own account nobody", "ADMIN", func(d *device) string { return `disableUser(userId: "` + d.id + `") { id }` + update }, []string{"updateProfile UNAUTHENTICATED"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := b.newDevice(b.newPerson(row.role), false)
				wantCodes(t, b.ask(d.person, `mutation { `+row.query(d)+` }`), row.codes...)
			})
		}
	})
}

func TestDevices(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, somebody := b.newPerson("USER"), b.newPerson("ADMIN")
		first, second := b.newDevice(p, false), b.newDevice(p, false)
		list := func(as *person) (ids []string) {
			t.Helper()
			got := b.ask(as, `{ sessions { id current ip userAgent createdAt lastUsedAt expiresAt } }`).must()
			for i := range got.at("sessions").([]any) {
				if current := got.at(fmt.Sprintf("sessions.%d.current", i)); current == true {
					ids = append(ids, "current")
				} else {
					ids = append(ids, got.text(fmt.Sprintf("sessions.%d.id", i)))
				}
			}
			return ids
		}
		b.clock.advance(time.Second)
		b.refreshed(first.refresh)
		if got := list(first.person); len(got) != 3 || got[0] != "current" || got[1] != second.session {
			t.Errorf("the one that was used last is not the first: %q", got)
		}
		for _, row := range []struct {
			name string
			as   *person
			id   string
			want []string
		}{
			{"somebody else's session", somebody, first.session, []string{"revokeSession NOT_FOUND"}},
			{"an id that is none", first.person, "x", []string{"revokeSession NOT_FOUND"}},
			{"another of one's own", first.person, second.session, []string{}},
			{"the same again", first.person, second.session, []string{"revokeSession NOT_FOUND"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				wantCodes(t, b.ask(row.as, `mutation($id: ID!) { revokeSession(id: $id) }`, "id", row.id), row.want...)
			})
		}
		if b.signedIn(second.person) || !b.signedIn(first.person) {
			t.Error("the wrong session has ended")
		}
		if got := list(first.person); len(got) != 2 {
			t.Errorf("%d sessions", len(got))
		}
		third := b.newDevice(p, false)
		if got := b.ask(third.person, `mutation { logoutEverywhere }`).must(); got.at("logoutEverywhere") != float64(3) {
			t.Error(got.body)
		}
		for _, d := range []*person{p, first.person, third.person} {
			if b.signedIn(d) {
				t.Error("still signed in")
			}
		}
		if !b.signedIn(somebody) {
			t.Error("somebody else was signed out")
		}
	})
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		mine, other := b.newDevice(p, false), b.newDevice(p, false)
		const change = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`
		wantCodes(t, b.ask(mine.person, change, "c", "wrong password", "n", "another good password"), "changePassword INVALID_CREDENTIALS")
		wantCodes(t, b.ask(mine.person, change, "c", p.password, "n", "short"), "changePassword BAD_USER_INPUT")
		wantCodes(t, b.ask(nil, change, "c", p.password, "n", "another good password"), "changePassword UNAUTHENTICATED")
		if !b.signedIn(other.person) {
			t.Error("a change that failed ended a session")
		}
		if got := b.ask(mine.person, change, "c", p.password, "n", "another good password").must(); got.at("changePassword") != true {
			t.Error(got.body)
		}
		if !b.signedIn(mine.person) || b.signedIn(other.person) {
			t.Error("the wrong sessions have ended")
		}
		b.refreshed(mine.refresh)
		wantCodes(t, b.ask(nil, refreshInBody, "t", other.refresh), "refresh INVALID_TOKEN")
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		b.ask(nil, login, "e", p.email, "p", "another good password").must()
	})
}

// What an ADMIN does to somebody counts on the next request of any of their tokens.
func TestAdministrationIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
		ask := func(query string) *answer { t.Helper(); return b.ask(admin, query, "id", p.id).must() }
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`

		if got := ask(`mutation($id: ID!) { setUserRole(userId: $id, role: STAFF) { role } }`); got.at("setUserRole.role") != "STAFF" {
			t.Error(got.body)
		}
		b.ask(p, `{ users { edges { cursor } } }`).must()
		ask(`mutation($id: ID!) { setUserRole(userId: $id, role: USER) { role } }`)
		wantCodes(t, b.ask(p, `{ users { edges { cursor } } }`), "users FORBIDDEN")

		d := b.newDevice(p, false)
		if got := ask(`mutation($id: ID!) { endUserSessions(userId: $id) }`); got.at("endUserSessions") != float64(2) {
			t.Error(got.body)
		}
		if b.signedIn(d.person) || b.signedIn(p) {
			t.Error("signed in after endUserSessions")
		}

		d = b.newDevice(p, false)
		since := ask(`mutation($id: ID!) { disableUser(userId: $id) { disabledAt } }`).text("disableUser.disabledAt")
		if b.signedIn(d.person) {
			t.Error("signed in although disabled")
		}
		wantCodes(t, b.ask(nil, refreshInBody, "t", d.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		b.clock.advance(time.Second)
		if again := ask(`mutation($id: ID!) { disableUser(userId: $id) { disabledAt } }`); again.text("disableUser.disabledAt") != since {
			t.Errorf("disabled since %s, and now %s", since, again.body)
		}
		if got := ask(`mutation($id: ID!) { enableUser(userId: $id) { disabledAt } }`); got.at("enableUser.disabledAt") != nil {
			t.Error(got.body)
		}
		if b.signedIn(d.person) {
			t.Error("a session from before came to life again")
		}
		b.ask(nil, login, "e", p.email, "p", p.password).must()
		for _, field := range []string{"disableUser(userId: $id) { id }", "enableUser(userId: $id) { id }", "endUserSessions(userId: $id)", "setUserRole(userId: $id, role: STAFF) { id }"} {
			name, _, _ := strings.Cut(field, "(")
			for _, id := range []string{"x", "01a2027b-72e4-7b47-a427-0cc080f605d1"} {
				wantCodes(t, b.ask(admin, `mutation($id: ID!) { `+field+` }`, "id", id), name+" NOT_FOUND")
			}
			wantCodes(t, b.ask(b.newPerson("STAFF"), `mutation($id: ID!) { `+field+` }`, "id", p.id), name+" FORBIDDEN")
		}
		wantCodes(t, b.ask(admin, `mutation($id: ID!, $r: Role!) { setUserRole(userId: $id, role: $r) { id } }`, "id", p.id, "r", "admin"), "setUserRole BAD_USER_INPUT")
	})
}

func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		last := b.newPerson("ADMIN")
		wantCodes(t, b.ask(last, `mutation($id: ID!) { setUserRole(userId: $id, role: STAFF) { id } }`, "id", last.id), "setUserRole CONFLICT")
		wantCodes(t, b.ask(last, `mutation($id: ID!) { disableUser(userId: $id) { id } }`, "id", last.id), "disableUser CONFLICT")
		if !b.signedIn(last) {
			t.Error("what was refused was done")
		}
		t.Run("when two demote each other at once", func(t *testing.T) {
			other := b.newPerson("ADMIN")
			rounds := 10
			if dbtest.Exhaustive() {
				rounds = 100
			}
			for range rounds {
				done := make(chan *answer, 2)
				for as, whom := range map[*person]*person{last: other, other: last} {
					go func() {
						done <- b.ask(as, `mutation($id: ID!) { setUserRole(userId: $id, role: USER) { id } }`, "id", whom.id)
					}()
				}
				<-done
				<-done
				admins, err := b.store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 3})
				if err != nil || len(admins.Users) != 1 {
					t.Fatalf("ADMINs are left: %+v, %v", admins, err)
				}
				for _, p := range []*person{last, other} {
					if _, err := b.accounts.AsOperator().SetRoleByEmail(t.Context(), p.email, "ADMIN"); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	})
}

// Two ADMINs give up at once what they are, each in any way that there is, or the one takes it from the other on the command line:
// one of them stays.
func TestAnAdminStaysWhateverTwoDoAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		one, two := b.newPerson("ADMIN"), b.newPerson("ADMIN")
		b.disable(b.enrol("ADMIN")) // who does not count
		ways := []struct {
			name string
			give func(p *person) (done bool)
		}{
			{"demote", func(p *person) bool {
				return b.gaveUp(b.ask(p, `mutation($u: ID!) { setUserRole(userId: $u, role: USER) { id } }`, "u", p.id))
			}},
			{"disable", func(p *person) bool {
				return b.gaveUp(b.ask(p, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", p.id))
			}},
			{"delete", func(p *person) bool { return b.gaveUp(b.ask(p, deleteAccount, "p", p.password)) }},
			{"be deleted on the command line", func(p *person) bool {
				_, err := b.accounts.AsOperator().Delete(t.Context(), p.id, nil)
				return err == nil
			}},
			{"be demoted on the command line", func(p *person) bool {
				_, err := b.accounts.AsOperator().SetRoleByEmail(t.Context(), p.email, "USER")
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
				page, err := b.store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				open := slices.DeleteFunc(page.Users, func(u *models.User) bool { return u.DisabledAt != nil })
				if len(open) != 1 || open[0].ID != one.id && open[0].ID != two.id {
					t.Fatalf("%s and %s at once: %d ADMINs are left", first.name, second.name, len(open))
				}
				if secondDone {
					two = b.newPerson("ADMIN")
				} else {
					one = b.newPerson("ADMIN")
				}
			}
		}
	})
}

// gaveUp: it was done, or refused as the last ADMIN is.
func (b *booted) gaveUp(got *answer) bool {
	b.t.Helper()
	if len(got.errors) > 0 && got.errors[0].Extensions["code"] != "CONFLICT" {
		b.t.Errorf("neither done nor a CONFLICT: %s", got.body)
	}
	return len(got.errors) == 0
}

// A login that verified the old password just before it was changed opens a session that has ended.
func TestLoginDuringAPasswordChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		old, err := b.store.UserByID(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		b.ask(p, `mutation($c: String!) { changePassword(input: {currentPassword: $c, newPassword: "another good password"}) }`, "c", p.password).must()
		now := b.store.Now()
		late := &models.Session{ID: "01a2027b-72e4-7b47-a427-0cc080f605d1", UserID: p.id, Epoch: old.SessionEpoch, RefreshHash: make([]byte, 32), CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := b.store.CreateSession(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		tokens, err := b.newTokens()
		if err != nil {
			t.Fatal(err)
		}
		late.User = old
		token, _, err := tokens.Issue(late)
		if err != nil {
			t.Fatal(err)
		}
		if b.signedIn(&person{id: p.id, token: token}) {
			t.Error("the old password opened a session that outlived it")
		}
		if got := b.ask(p, `{ sessions { id } }`).must(); len(got.at("sessions").([]any)) != 1 {
			t.Error(got.body)
		}
	})
}

// Two servers of one database: what one ends, the other does not take any more at the next request.
func TestTwoServersOfOneDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one, two := boot(t, databaseURL), boot(t, databaseURL)
		p := one.newPerson("USER")
		d := one.newDevice(p, false)
		if !two.signedIn(d.person) {
			t.Fatal("the second server does not know the session")
		}
		one.ask(d.person, `mutation { logout }`).must()
		if two.signedIn(d.person) || !two.signedIn(p) {
			t.Error("a logout on one is no logout on the other, or of too much")
		}
		d = two.newDevice(p, false)
		if next := one.refreshed(d.refresh); two.refreshed(d.refresh) != next {
			t.Error("the two give the same token different successors")
		}
	})
}

// With SESSION_RECHECK a session is trusted for a while; what this server itself ends, it never trusts again.
func TestSessionRecheck(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		here, elsewhere := boot(t, databaseURL, "SESSION_RECHECK", "5s"), boot(t, databaseURL)
		p, admin := here.newPerson("USER"), here.newPerson("ADMIN")
		queries := func(as *person) uint64 {
			before := here.store.Queries()
			here.ask(as, `{ me { id } }`)
			return here.store.Queries() - before
		}
		if first, second := queries(p), queries(p); first != 1 || second != 0 {
			t.Errorf("%d and %d queries, want 1 and 0", first, second)
		}
		here.clock.advance(5 * time.Second)
		if again := queries(p); again != 1 {
			t.Errorf("%d queries after the time, want 1", again)
		}
		for name, end := range map[string]func(d *device){
			"logout":        func(d *device) { here.ask(d.person, `mutation { logout }`).must() },
			"revokeSession": func(d *device) { here.ask(p, `mutation($id: ID!) { revokeSession(id: $id) }`, "id", d.session).must() },
			"reuse": func(d *device) {
				here.refreshed(here.refreshed(d.refresh))
				here.ask(nil, refreshInBody, "t", d.refresh)
			},
			"logout by cookie": func(d *device) {
				here.askWith(http.Header{"Cookie": {"refresh=" + d.refresh}}, `mutation { logout }`).must()
			},
			"changePassword": func(d *device) {
				here.ask(p, `mutation($c: String!) { changePassword(input: {currentPassword: $c, newPassword: $c}) }`, "c", p.password).must()
			},
		} {
			t.Run("ended here by "+name, func(t *testing.T) {
				d := here.newDevice(p, false)
				if !here.signedIn(d.person) {
					t.Fatal("not signed in")
				}
				end(d)
				if here.signedIn(d.person) {
					t.Error("trusted although it was ended here")
				}
			})
		}
		t.Run("a role taken here", func(t *testing.T) {
			staff := here.newPerson("STAFF")
			here.ask(staff, `{ users { edges { cursor } } }`).must()
			here.ask(admin, `mutation($id: ID!) { setUserRole(userId: $id, role: USER) { id } }`, "id", staff.id).must()
			wantCodes(t, here.ask(staff, `{ users { edges { cursor } } }`), "users FORBIDDEN")
		})
		t.Run("ended elsewhere it counts after the time at the latest", func(t *testing.T) {
			d := here.newDevice(p, false)
			here.ask(d.person, `{ me { id } }`).must()
			elsewhere.clock.ahead.Store(here.clock.ahead.Load())
			elsewhere.ask(d.person, `mutation { logout }`).must()
			here.clock.advance(5 * time.Second)
			if here.signedIn(d.person) {
				t.Error("trusted for too long")
			}
		})
	})
}

// What has expired is swept away, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		short, long := b.newDevice(p, false), b.newDevice(p, true)
		next := b.refreshed(b.refreshed(long.refresh))
		for range 450 { // more than two batches
			session := b.rowOf(t.Context(), short)
			session.ID, session.RefreshHash = newRowID(), []byte(newRowID()[:32])
			if err := b.store.CreateSession(t.Context(), session); err != nil {
				t.Fatal(err)
			}
		}
		if rows, err := b.store.Sweep(t.Context(), b.store.Now()); rows != 0 || err != nil {
			t.Errorf("%d rows, %v", rows, err)
		}
		b.clock.advance(169 * time.Hour)
		if rows, err := b.store.Sweep(t.Context(), b.store.Now()); rows != 453 || err != nil { // with the registration's session and mail
			t.Errorf("%d rows, %v", rows, err)
		}
		b.refreshed(next)
	})
}

func (b *booted) rowOf(ctx context.Context, d *device) *models.Session {
	b.t.Helper()
	s, err := b.store.SessionWithUser(ctx, d.session, d.person.id)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

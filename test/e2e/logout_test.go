package e2e

import (
	"net/http"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// refreshCookie returns the Set-Cookie of the refresh token, or "".
func refreshCookie(a *servertest.Response) (set string) {
	for _, cookie := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(cookie, "refresh=") {
			set += cookie
		}
	}
	return set
}

// A logout after a sign-in in the same document ends the session that the sign-in opened.
func TestLogoutRevokesTheSessionOpenedByTheRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		const (
			inBody    = `login(input: {email: $e, password: $p, delivery: BODY}) { accessToken refreshToken }`
			inCookie  = `login(input: {email: $e, password: $p}) { accessToken }`
			cleared   = "refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
			signature = `mutation($e: String!, $p: String!) { `
		)
		bearer := func(d *device) http.Header { return http.Header{"Authorization": {"Bearer " + d.Token}} }
		cookie := func(d *device) http.Header { return http.Header{"Cookie": {"refresh=" + d.refresh}} }
		for _, row := range []struct {
			name   string
			header func(d *device) http.Header // d is an older session of the same account
			fields string
			cookie string // Set-Cookie
		}{
			{"login with the tokens in the body", nil, inBody + ` logout`, ""},
			{"login with the refresh token in the cookie", nil, inCookie + ` logout`, cleared},
			{"login with an older access token", bearer, inCookie + ` logout`, cleared},
			{"login with an older cookie", cookie, inCookie + ` logout`, cleared},
			{"login in the body with an older cookie", cookie, inBody + ` logout`, cleared},
			{"login, then logoutEverywhere", nil, inCookie + ` logoutEverywhere`, cleared},
			{"login, then logout of an unknown token", nil, inCookie + ` logout(refreshToken: "x")`, cleared},
			{"login, then two logouts", nil, inCookie + ` logout again: logout`, cleared},
		} {
			t.Run(row.name, func(t *testing.T) {
				p := b.NewUser("USER")
				header := http.Header{}
				if row.header != nil {
					header = row.header(b.newDevice(p, false))
				}
				got := b.QueryWith(header, signature+row.fields+` }`, "e", p.Email, "p", p.Password).Must()
				if v := got.At("logout"); v != nil && v != true {
					t.Errorf("got logout %v, want true: %s", v, got.Body)
				}
				opened := &servertest.User{ID: p.ID, Token: got.Text("login.accessToken")}
				if b.isSignedIn(opened) {
					t.Error("the session that the request opened was not revoked")
				}
				if token := got.At("login.refreshToken"); token != nil {
					wantCodes(t, b.Query(nil, refreshInBody, "t", token), "refresh INVALID_TOKEN")
				}
				if set := refreshCookie(got); set != row.cookie {
					t.Errorf("Set-Cookie %q, want %q", set, row.cookie)
				}
			})
		}
		t.Run("register, then logout", func(t *testing.T) {
			got := b.Query(nil, `mutation($e: String!, $p: String!) { register(input: {name: "X", email: $e, password: $p}) { accessToken user { id } } logout }`,
				"e", newAddress(), "p", servertest.Password).Must()
			if b.isSignedIn(&servertest.User{ID: got.Text("register.user.id"), Token: got.Text("register.accessToken")}) || refreshCookie(got) != cleared {
				t.Errorf("%s %q", got.Body, got.Header)
			}
		})
		t.Run("refresh of a token in the argument, then logout", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			got := b.Query(nil, `mutation($t: String) { refresh(refreshToken: $t) { accessToken } logout }`, "t", d.refresh).Must()
			if got.At("logout") != true || b.isSignedIn(d.User) {
				t.Error(got.Body)
			}
		})
		t.Run("a logout before the login ends the older session only", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			got := b.QueryWith(bearer(d), signature+`logout `+inBody+` }`, "e", d.Email, "p", d.Password).Must()
			if b.isSignedIn(d.User) || !b.isSignedIn(&servertest.User{ID: d.ID, Token: got.Text("login.accessToken")}) {
				t.Error(got.Body)
			}
		})
	})
}

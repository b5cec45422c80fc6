package main

import (
	"net/http"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// refreshCookie is the Set-Cookie of the refresh token, or "".
func (a *answer) refreshCookie() (set string) {
	for _, cookie := range a.header.Values("Set-Cookie") {
		if strings.HasPrefix(cookie, "refresh=") {
			set += cookie
		}
	}
	return set
}

// A logout behind a sign-in in the same document ends the session that the sign-in opened.
func TestLogoutEndsTheSessionThatTheRequestOpened(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		const (
			inBody    = `login(input: {email: $e, password: $p, delivery: BODY}) { accessToken refreshToken }`
			inCookie  = `login(input: {email: $e, password: $p}) { accessToken }`
			cleared   = "refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
			signature = `mutation($e: String!, $p: String!) { `
		)
		bearer := func(d *device) http.Header { return http.Header{"Authorization": {"Bearer " + d.token}} }
		cookie := func(d *device) http.Header { return http.Header{"Cookie": {"refresh=" + d.refresh}} }
		for _, row := range []struct {
			name   string
			header func(d *device) http.Header // d is an older session of the same account
			fields string
			cookie string // Set-Cookie
		}{
			{"login with the tokens in the body", nil, inBody + ` logout`, ""},
			{"login with the refresh token in the cookie", nil, inCookie + ` logout`, cleared},
			{"login beside an older access token", bearer, inCookie + ` logout`, cleared},
			{"login beside an older cookie", cookie, inCookie + ` logout`, cleared},
			{"login in the body beside an older cookie", cookie, inBody + ` logout`, cleared},
			{"login, then logoutEverywhere", nil, inCookie + ` logoutEverywhere`, cleared},
			{"login, then logout of a token that is unknown", nil, inCookie + ` logout(refreshToken: "x")`, cleared},
			{"login, then two logouts", nil, inCookie + ` logout again: logout`, cleared},
		} {
			t.Run(row.name, func(t *testing.T) {
				p := b.newPerson("USER")
				header := http.Header{}
				if row.header != nil {
					header = row.header(b.newDevice(p, false))
				}
				got := b.askWith(header, signature+row.fields+` }`, "e", p.email, "p", p.password).must()
				if v := got.at("logout"); v != nil && v != true {
					t.Errorf("there was no session: %s", got.body)
				}
				opened := &person{id: p.id, token: got.text("login.accessToken")}
				if b.signedIn(opened) {
					t.Error("the session that the request opened is alive")
				}
				if token := got.at("login.refreshToken"); token != nil {
					wantCodes(t, b.ask(nil, refreshInBody, "t", token), "refresh INVALID_TOKEN")
				}
				if set := got.refreshCookie(); set != row.cookie {
					t.Errorf("Set-Cookie %q, want %q", set, row.cookie)
				}
			})
		}
		t.Run("register, then logout", func(t *testing.T) {
			got := b.ask(nil, `mutation($e: String!, $p: String!) { register(input: {name: "X", email: $e, password: $p}) { accessToken user { id } } logout }`,
				"e", newAddress(), "p", goodPassword).must()
			if b.signedIn(&person{id: got.text("register.user.id"), token: got.text("register.accessToken")}) || got.refreshCookie() != cleared {
				t.Errorf("%s %q", got.body, got.header)
			}
		})
		t.Run("refresh of a token in the argument, then logout", func(t *testing.T) {
			d := b.newDevice(b.newPerson("USER"), false)
			got := b.ask(nil, `mutation($t: String) { refresh(refreshToken: $t) { accessToken } logout }`, "t", d.refresh).must()
			if got.at("logout") != true || b.signedIn(d.person) {
				t.Error(got.body)
			}
		})
		t.Run("a logout in front of the login ends only what was before", func(t *testing.T) {
			d := b.newDevice(b.newPerson("USER"), false)
			got := b.askWith(bearer(d), signature+`logout `+inBody+` }`, "e", d.email, "p", d.password).must()
			if b.signedIn(d.person) || !b.signedIn(&person{id: d.id, token: got.text("login.accessToken")}) {
				t.Error(got.body)
			}
		})
	})
}

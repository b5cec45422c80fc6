package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/guard"
	"fieldgate/servertest"
)

// marker is part of every secret that a client of this test sends. forged is part of every text
// that tries to begin a log line of its own.
const (
	marker = "mrkr7d1f"
	forged = "forged9c2e"
)

// TestNoSecretIsLogged checks that no secret is in the log at level debug, whatever clients do, and
// that clients cannot forge log lines.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "LOG_LEVEL", "debug", "PASSWORD_PEPPER", marker+"pepper-tV9bWc1Zq3Yx7Lr5Kd0p", "TRUSTED_PROXIES", "127.0.0.1")
		admin := b.NewUser("ADMIN")
		secrets := []string{marker, servertest.Password, admin.Token, servertest.Secret}
		requests := strings.Count(b.Log.String(), `"msg":"http request"`)
		post := func(header http.Header, body string) *servertest.Response { requests++; return b.Post(header, body) }
		do := func(header http.Header, query string, variables ...any) *servertest.Response {
			requests++
			return b.QueryWith(header, query, variables...)
		}
		bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

		noToken := http.Header{}
		const password = "a long " + marker + " password"
		const newLine = "\r\n\u2028{\"msg\":\"" + forged + "\"}\n"
		const register = `mutation($n: String!, $e: String!, $p: String!) { register(input: {name: $n, email: $e, password: $p, delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`
		const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { accessToken refreshToken } }`

		// Valid and invalid registrations and sign-ins.
		got := do(noToken, register, "n", "Ada", "e", "ada@example.com", "p", password).Must()
		token, refresh := got.Text("register.accessToken"), got.Text("register.refreshToken")
		id := got.Text("register.user.id")
		secrets = append(append(secrets, refresh), strings.Split(token, ".")[1:]...)
		do(noToken, register, "n", "Ada", "e", "ada@example.com", "p", password)
		do(noToken, register, "n", "", "e", password, "p", marker)
		do(noToken, register, "n", "Ada"+newLine, "e", "ada"+newLine+"@example.com", "p", password)
		do(http.Header{"User-Agent": {`"` + forged + `","msg":"` + "\u2028\u0085"}, "X-Forwarded-For": {`","msg":"` + forged}}, login, "e", "ada@example.com", "p", password).Must()
		do(noToken, login, "e", "ada@example.com", "p", "wrong "+password)
		do(noToken, login, "e", password, "p", password) // a password in the wrong field
		do(noToken, login, "e", "nobody"+newLine, "p", password+newLine)
		do(noToken, login, "e", "ada@example.com", "p", strings.Repeat(marker, 200))
		cookie := do(noToken, `mutation($p: String!) { login(input: {email: "ada@example.com", password: $p}) { tokenType } }`, "p", password).Must().Header.Get("Set-Cookie")
		_, inCookie, _ := strings.Cut(strings.Split(cookie, ";")[0], "=")
		secrets = append(secrets, inCookie)

		// Valid, old, damaged and missing tokens.
		next := do(noToken, refreshInBody, "t", refresh).Must().Text("refresh.refreshToken")
		last := do(noToken, refreshInBody, "t", next).Must().Text("refresh.refreshToken")
		secrets = append(secrets, next, last)
		do(noToken, refreshInBody, "t", refresh) // reuse of a rotated token
		do(noToken, refreshInBody, "t", marker)
		do(http.Header{"Cookie": {"refresh=" + inCookie + "; other=" + marker}}, `mutation { refresh { tokenType } }`).Must()
		do(http.Header{"Cookie": {"refresh=" + marker}}, `mutation { refresh { tokenType } }`)
		do(bearer(token+marker), `{ me { id } }`)
		do(bearer(marker), `{ me { id } }`)
		do(http.Header{"Authorization": {"Basic " + marker}}, `{ me { id } }`)
		token = do(noToken, login, "e", "ada@example.com", "p", password).Must().Text("login.accessToken")
		do(bearer(token), `{ me { id email role disabledAt } users { edges { cursor } } }`)

		// Changes by the user and by an ADMIN.
		const changePassword = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`
		do(bearer(token), changePassword, "c", "wrong "+password, "n", password)
		do(bearer(token), changePassword, "c", password, "n", marker[:4])
		do(bearer(token), changePassword, "c", password, "n", "another "+password).Must()
		do(bearer(token), `mutation($n: String!) { updateProfile(input: {name: $n}) { name } }`, "n", "Ada"+newLine)
		for _, query := range []string{`mutation { setUserRole(userId: $ID, role: STAFF) { id } }`, `mutation { endUserSessions(userId: $ID) }`, `mutation { disableUser(userId: $ID) { id } }`} {
			do(bearer(admin.Token), strings.ReplaceAll(query, "$ID", fmt.Sprintf("%q", id))).Must()
		}
		do(noToken, login, "e", "ada@example.com", "p", "another "+password)
		do(bearer(admin.Token), `mutation { enableUser(userId: "`+id+`") { id } }`).Must()
		do(bearer(admin.Token), `query($s: String) { users(search: $s) { edges { cursor } } user(id: "`+marker+`") { id } }`, "s", marker+newLine)

		// Malformed requests.
		for _, body := range []string{
			`{"query": "mutation { login(input: {email: \"x\", password: \"` + marker + `"`,
			`{"query": "mutation { login(input: {email: \"x\", password: \"` + marker + `\\q\"}) { tokenType } }"}`,
			`{"query": "mutation { login(input: {email: \"x\", passwort: \"` + marker + `\"}) { tokenType } }"}`,
			`{"query": "mutation { login(input: {email: \"x\", password: \"` + marker + `\"}) { nothing } }"}`,
			`{"query": "mutation { login(input: \"` + marker + `\") { tokenType } }"}`,
			`{"query": "query($p: Int) { __typename @skip(if: $p) }", "variables": {"p": "` + marker + `"}}`,
			`{"query": "{ __typename }", "operationName": "` + marker + `"}`,
			`{"query": "{ __typename }", "variables": "` + marker + `"}`,
			`[{"query": "` + marker + `"}]`, marker, `{"` + marker + `": 1}`, marker + strings.Repeat("x", guard.DefaultMaxBytes),
		} {
			post(http.Header{}, body)
			post(bearer(admin.Token), body)
		}
		post(http.Header{"Content-Type": {"text/plain; " + marker}, "Cookie": {marker}, "Referer": {"https://x/?" + marker}, "X-Api-Key": {marker}}, marker)
		for _, path := range []string{"/graphql?token=" + marker, "/?" + marker, "/" + url.PathEscape(newLine), "/nowhere?password=" + marker} {
			requests++
			b.get(path)
		}
		if err := b.internal.Store.Close(); err != nil {
			t.Fatal(err)
		}
		do(noToken, login, "e", password, "p", password)
		do(bearer(token), `{ me { id } }`)

		log := []byte(b.Log.String())
		for _, secret := range secrets {
			if i := bytes.Index(log, []byte(secret)); i >= 0 {
				t.Errorf("the log contains %.12s…: …%s…", secret, log[max(0, i-200):min(len(log), i+100)])
			}
		}
		answered := 0
		for _, line := range b.Log.Records(b.t) {
			msg := line["msg"].(string)
			if strings.Contains(msg, forged) || strings.ContainsAny(msg, "\n\r") {
				t.Errorf("a client forged a log line: %v", line)
			}
			if msg == "http request" {
				answered++
			}
		}
		if answered != requests {
			t.Errorf("%d log lines for %d requests", answered, requests)
		}
	})
}

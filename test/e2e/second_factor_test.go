package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/extend"
	"fieldgate/fgerr"
	"fieldgate/graph"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/totp"
	"fieldgate/models"
	"fieldgate/servertest"
)

const (
	factorKey    = "4vN0mZcVZb0h6Tq8sYx3kQ2LrJ7dWf1PaUe5gXiHoCs"
	newFactorKey = "9tGf3LqXw7RkZ1yBvN6sDj0HcMa8UeP4oTi2YbVxKzE"
)

const (
	beginTotp  = `mutation { beginTotp { uri secret } }`
	enableTotp = `mutation($c: String!) { enableTotp(code: $c) }`

	loginInBody = `mutation($e: String!, $p: String!) {
		login(input: {email: $e, password: $p, delivery: BODY}) {
			accessToken refreshToken user { id } session { id } } }`
	completeSignIn = `mutation($h: String, $f: Factor!, $c: String!) {
		completeSignIn(input: {challenge: $h, factor: $f, code: $c}) {
			accessToken refreshToken user { id } session { id } } }`
	completeByCookie = `mutation($f: Factor!, $c: String!) {
		completeSignIn(input: {factor: $f, code: $c}) {
			accessToken refreshToken user { id } session { id } } }`
	confirmIdentity = `mutation($f: Factor!, $p: String!) {
		confirmIdentity(input: {factor: $f, proof: $p}) { accessToken refreshToken session { id } } }`
	removeFactor     = `mutation($id: ID!) { removeFactor(id: $id) }`
	newRecoveryCodes = `mutation { newRecoveryCodes }`
	resetFactors     = `mutation($u: ID!) { resetFactors(userId: $u) { id } }`
)

// bootWithFactors starts a server that has a key for second factors, and whose clock stands still.
func bootWithFactors(t *testing.T, databaseURL string, env ...string) *testServer {
	t.Helper()
	b := boot(t, databaseURL, append([]string{"FACTOR_KEYS", factorKey}, env...)...)
	b.Clock.Stop()
	return b
}

// authenticator is an authenticator app that an account has enrolled, with its recovery codes.
type authenticator struct {
	secret   string
	recovery []string
}

// codeAt returns the code that the app shows at a time.
func (a *authenticator) codeAt(t testing.TB, at time.Time) string {
	t.Helper()
	code, err := hotp.GenerateCode(a.secret, uint64(at.Unix()/int64(totp.Period/time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// wrongCode returns a code that the app shows at no time that the server accepts.
func (a *authenticator) wrongCode(at time.Time) string {
	for i := 0; ; i++ {
		code := fmt.Sprintf("%06d", i)
		if _, ok := totp.Match(a.secret, code, at); !ok {
			return code
		}
	}
}

// nextCode advances the clock by one period, and returns the code of that time: it was never used.
func (b *testServer) nextCode(a *authenticator) string {
	b.t.Helper()
	b.Clock.Advance(totp.Period)
	return a.codeAt(b.t, b.Clock.Now())
}

// enrol enrols an authenticator app in the session of a user, which must have a fresh proof.
func (b *testServer) enrol(p *servertest.User) *authenticator {
	b.t.Helper()
	a := &authenticator{secret: b.Query(p, beginTotp).Must().Text("beginTotp.secret")}
	for _, code := range b.Query(p, enableTotp, "c", a.codeAt(b.t, b.Clock.Now())).Must().At("enableTotp").([]any) {
		a.recovery = append(a.recovery, code.(string))
	}
	return a
}

// newEnrolledUser registers a user who has an authenticator app.
func (b *testServer) newEnrolledUser() (*servertest.User, *authenticator) {
	b.t.Helper()
	p := b.NewUser("USER")
	return p, b.enrol(p)
}

// challenge signs a user in with the password, and returns the challenge of the second factor.
func (b *testServer) challenge(p *servertest.User) string {
	b.t.Helper()
	got := b.Query(nil, loginInBody, "e", p.Email, "p", p.Password)
	if !slices.Equal(got.Codes(), []string{"login SECOND_FACTOR_REQUIRED"}) || got.Data != nil {
		b.t.Fatalf("got %s, want SECOND_FACTOR_REQUIRED without data", got.Body)
	}
	challenge, _ := got.Errors[0].Extensions["challenge"].(string)
	return challenge
}

// complete completes a sign-in with a challenge from the body.
func (b *testServer) complete(challenge, factor, code string) *servertest.Response {
	b.t.Helper()
	return b.Query(nil, completeSignIn, "h", challenge, "f", factor, "c", code)
}

// signInWithCode signs a user in with the password and the next code of the app.
func (b *testServer) signInWithCode(p *servertest.User, a *authenticator) *device {
	b.t.Helper()
	got := b.complete(b.challenge(p), "TOTP", b.nextCode(a)).Must()
	return &device{
		User:    &servertest.User{ID: p.ID, Email: p.Email, Password: p.Password, Token: got.Text("completeSignIn.accessToken")},
		session: got.Text("completeSignIn.session.id"), refresh: got.Text("completeSignIn.refreshToken"),
	}
}

// subjects returns the subjects of the mails to an address that contain a text.
func (b *testServer) subjects(to, text string) (list []string) {
	b.t.Helper()
	for _, m := range b.Mails(to) {
		if strings.Contains(m.Subject, text) {
			list = append(list, m.Subject)
		}
	}
	return list
}

// hasCode reports whether a response has exactly one error, with this path and code.
func hasCode(got *servertest.Response, want string) bool {
	return slices.Equal(got.Codes(), []string{want})
}

func (b *testServer) sessionCount(t *testing.T, databaseURL string, p *servertest.User) int {
	t.Helper()
	return countRows(t, databaseURL, "sessions", "user_id = ?", p.ID)
}

func TestEnrolmentReturnsTenRecoveryCodes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		setup := b.Query(p, beginTotp).Must()
		a := &authenticator{secret: setup.Text("beginTotp.secret")}
		uri, err := url.Parse(setup.Text("beginTotp.uri"))
		if err != nil || uri.Scheme != "otpauth" || uri.Host != "totp" || uri.Query().Get("secret") != a.secret || !strings.HasSuffix(uri.Path, p.Email) {
			t.Errorf("got the URI %s, want one of the secret and the address: %v", uri, err)
		}
		if n := b.Query(p, `{ factors { id } }`).Must().At("factors").([]any); len(n) != 0 {
			t.Errorf("%d factors before enableTotp, want 0", len(n))
		}
		b.Query(nil, loginInBody, "e", p.Email, "p", p.Password).Must() // not in force yet

		wantCodes(t, b.Query(p, enableTotp, "c", a.wrongCode(b.Clock.Now())), "enableTotp BAD_USER_INPUT")
		code := a.codeAt(t, b.Clock.Now())
		var codes []string
		for _, c := range b.Query(p, enableTotp, "c", code[:3]+" "+code[3:]).Must().At("enableTotp").([]any) {
			codes = append(codes, c.(string))
		}
		if distinct := slices.Compact(sorted(slices.Clone(codes))); len(distinct) != 10 {
			t.Errorf("got %q, want ten different codes", codes)
		}
		for _, c := range codes {
			if !regexp.MustCompile(`^([a-km-np-z2-9]{4}-){3}[a-km-np-z2-9]{4}$`).MatchString(c) {
				t.Errorf("got the code %q, want four groups of four characters: 80 bits", c)
			}
		}
		wantCodes(t, b.Query(p, enableTotp, "c", code), "enableTotp INVALID_TOKEN") // in force

		factor := b.Query(p, `{ factors { id factor name createdAt lastUsedAt } }`).Must()
		if factor.Text("factors.0.factor") != "TOTP" || factor.At("factors.0.lastUsedAt") != nil || len(factor.At("factors").([]any)) != 1 {
			t.Errorf("got %s, want one factor that was not used", factor.Body)
		}
		if got := b.subjects(p.Email, "second factor was added"); len(got) != 1 {
			t.Errorf("got the mails %q, want one about the factor", got)
		}
		if got := b.auditEvents(admin, p); !slices.Contains(got, "factor added TOTP") {
			t.Errorf("got the audit entries %q, want \"factor added TOTP\"", got)
		}
		// The tables hold neither the secret nor a code.
		if n := countRows(t, databaseURL, "factors", "user_id = ? AND secret NOT LIKE ?", p.ID, "%"+a.secret+"%"); n != 1 {
			t.Error("the secret is in the database as clear text")
		}
		if n := countRows(t, databaseURL, "recovery_codes", "user_id = ? AND LENGTH(hash) = 32", p.ID); n != 10 {
			t.Errorf("%d hashes of recovery codes, want 10", n)
		}
	})
}

func TestEnrolmentExpiresAfterTenMinutes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p := b.NewUser("USER")
		wantCodes(t, b.Query(p, enableTotp, "c", "123456"), "enableTotp INVALID_TOKEN")
		a := &authenticator{secret: b.Query(p, beginTotp).Must().Text("beginTotp.secret")}
		b.Clock.Advance(10 * time.Minute)
		p.Token = b.Query(p, confirmIdentity, "f", "PASSWORD", "p", p.Password).Must().Text("confirmIdentity.accessToken")
		wantCodes(t, b.Query(p, enableTotp, "c", a.codeAt(t, b.Clock.Now())), "enableTotp INVALID_TOKEN")
		b.enrol(p)
	})
}

// TestStolenSessionCannotChangeFactors checks each field that changes factors, in a session whose
// proof is too old, and in one that proved the password only.
func TestStolenSessionCannotChangeFactors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		wantStepUp := func(p *servertest.User, when, query string, variables ...any) {
			t.Helper()
			if got := b.Query(p, query, variables...); len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "STEP_UP_REQUIRED" {
				t.Errorf("%s: got %s, want STEP_UP_REQUIRED", when, got.Body)
			}
		}
		p := b.NewUser("USER")
		before := b.newDevice(p, false) // a session of the time before the factor
		b.Clock.Advance(10*time.Minute + time.Second)
		const stale = "a session without a fresh proof"
		wantStepUp(p, stale, beginTotp)
		wantStepUp(p, stale, enableTotp, "c", "123456")
		p.Token = b.Query(p, confirmIdentity, "f", "PASSWORD", "p", p.Password).Must().Text("confirmIdentity.accessToken")
		a := b.enrol(p)
		id := b.Query(p, `{ factors { id } }`).Must().Text("factors.0.id")

		// A thief of the password confirms it in an older session.
		before.Token = b.Query(before.User, confirmIdentity, "f", "PASSWORD", "p", p.Password).Must().Text("confirmIdentity.accessToken")
		unproved := func(when string, p *servertest.User) {
			t.Helper()
			wantStepUp(p, when, beginTotp)
			wantStepUp(p, when, enableTotp, "c", "123456")
			wantStepUp(p, when, removeFactor, "id", id)
			wantStepUp(p, when, newRecoveryCodes)
		}
		unproved("a session that proved the password", before.User)
		late := b.signInWithCode(p, a)
		b.Clock.Advance(10*time.Minute + time.Second)
		unproved("a session with an old proof of both factors", late.User)
		late.Token = b.Query(late.User, confirmIdentity, "f", "PASSWORD", "p", p.Password).Must().Text("confirmIdentity.accessToken")
		unproved("a session with an old proof of the app, and a fresh one of the password", late.User)

		// An enrolment that was begun before the owner's cannot be completed after it.
		other := b.NewUser("USER")
		thief := b.newDevice(other, false)
		b.Query(thief.User, beginTotp).Must()
		owners := b.enrol(other)
		wantStepUp(thief.User, "an enrolment of a thief", enableTotp, "c", "123456")
		b.signInWithCode(other, owners)

		late.Token = b.Query(late.User, confirmIdentity, "f", "TOTP", "p", b.nextCode(a)).Must().Text("confirmIdentity.accessToken")
		wantCodes(t, b.Query(late.User, removeFactor, "id", newRowID()), "removeFactor NOT_FOUND")
		b.Query(late.User, removeFactor, "id", id).Must()
		if n := countRows(t, databaseURL, "recovery_codes", "user_id = ?", p.ID); n != 0 {
			t.Errorf("%d recovery codes without a factor, want 0", n)
		}
		if got := b.subjects(p.Email, "was removed"); len(got) != 1 {
			t.Errorf("got the mails %q, want one about the removal", got)
		}
		b.Query(nil, loginInBody, "e", p.Email, "p", p.Password).Must() // one factor is enough
	})
}

func TestFactorOfAnotherAccountCannotBeRemoved(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		other, _ := b.newEnrolledUser()
		id := b.Query(p, `{ factors { id } }`).Must().Text("factors.0.id")
		for _, id := range []string{id, strings.ToUpper(id), newRowID(), "x", "é", ""} {
			wantCodes(t, b.Query(other, removeFactor, "id", id), "removeFactor NOT_FOUND")
		}
		b.signInWithCode(p, a)
	})
}

// TestRefusedSignInLeavesTheCodeUnused checks that a hook that refuses a sign-in runs when the
// second factor was right, and that it uses up neither the code nor the challenge.
func TestRefusedSignInLeavesTheCodeUnused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var closed atomic.Bool
		b := bootWithHooks(t, databaseURL, extend.Hooks{
			BeforeSignIn: func(context.Context, *models.User) error {
				if closed.Load() {
					return fgerr.New("CLOSED", "closed today", nil)
				}
				return nil
			},
		}, "FACTOR_KEYS", factorKey)
		b.Clock.Stop()
		p, a := b.newEnrolledUser()
		closed.Store(true)
		challenge := b.challenge(p)
		code := b.nextCode(a)
		wantCodes(t, b.complete(challenge, "TOTP", a.wrongCode(b.Clock.Now())), "completeSignIn INVALID_CREDENTIALS")
		wantCodes(t, b.complete(challenge, "TOTP", code), "completeSignIn CLOSED")
		closed.Store(false)
		b.complete(challenge, "TOTP", code).Must()
	})
}

// TestReplacedAppStopsWorking checks that a new enrolment replaces the app and the recovery codes.
func TestReplacedAppStopsWorking(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, old := b.newEnrolledUser()
		b.Query(p, beginTotp).Must() // an enrolment that is not completed changes nothing
		d := b.signInWithCode(p, old)
		replaced := b.enrol(d.User)
		if n := countRows(t, databaseURL, "factors", "user_id = ?", p.ID); n != 1 {
			t.Errorf("%d factors, want 1", n)
		}
		challenge := b.challenge(p)
		wantCodes(t, b.complete(challenge, "TOTP", b.nextCode(old)), "completeSignIn INVALID_CREDENTIALS")
		wantCodes(t, b.complete(challenge, "RECOVERY_CODE", old.recovery[0]), "completeSignIn INVALID_CREDENTIALS")
		d = b.signInWithCode(p, replaced)
		var codes []string
		for _, code := range b.Query(d.User, newRecoveryCodes).Must().At("newRecoveryCodes").([]any) {
			codes = append(codes, code.(string))
		}
		challenge = b.challenge(p)
		wantCodes(t, b.complete(challenge, "RECOVERY_CODE", replaced.recovery[0]), "completeSignIn INVALID_CREDENTIALS")
		b.complete(challenge, "RECOVERY_CODE", codes[0]).Must()
	})
}

func TestSignInWithSecondFactorWaitsForItsCode(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		p, a := b.newEnrolledUser()
		sessions := b.sessionCount(t, databaseURL, p)

		got := b.Query(nil, loginInBody, "e", p.Email, "p", p.Password)
		wantCodes(t, got, "login SECOND_FACTOR_REQUIRED")
		e := got.Errors[0].Extensions
		expires, err := time.Parse(time.RFC3339, fmt.Sprint(e["expiresAt"]))
		if wait := expires.Sub(b.Clock.Now()); err != nil || wait < 9*time.Minute || wait > 10*time.Minute+time.Second {
			t.Errorf("expiresAt is %v, want a time in 10 minutes: %v", e["expiresAt"], err)
		}
		if fmt.Sprint(e["methods"]) != "[TOTP RECOVERY_CODE]" || len(fmt.Sprint(e["challenge"])) != 43 || len(got.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("got %s with the cookies %q, want a challenge in the body only", got.Body, got.Header.Values("Set-Cookie"))
		}
		wantCodes(t, b.Query(nil, loginInBody, "e", p.Email, "p", "wrong password"), "login INVALID_CREDENTIALS")

		w := b.newBrowser(homeIP)
		got = w.signIn(p)
		wantCodes(t, got, "login SECOND_FACTOR_REQUIRED")
		cookies := got.Header.Values("Set-Cookie")
		challenge := w.cookies["challenge"]
		if want := []string{"challenge=" + challenge + "; Path=/; Max-Age=600; HttpOnly; SameSite=Strict"}; !slices.Equal(cookies, want) || len(challenge) != 43 {
			t.Errorf("got the cookies %q, want %q", cookies, want)
		}
		if _, sent := got.Errors[0].Extensions["challenge"]; sent || strings.Contains(got.Body, challenge) {
			t.Errorf("the challenge is in the body too: %s", got.Body)
		}
		if n := b.sessionCount(t, databaseURL, p); n != sessions {
			t.Errorf("%d sessions, want %d: the sign-in is not complete", n, sessions)
		}
		wantCodes(t, w.send(completeByCookie, "f", "TOTP", "c", a.wrongCode(b.Clock.Now())), "completeSignIn INVALID_CREDENTIALS")
		wantCodes(t, w.send(completeByCookie, "f", "PASSWORD", "c", p.Password), "completeSignIn BAD_USER_INPUT")
		code := b.nextCode(a)
		got = w.send(completeByCookie, "f", "TOTP", "c", code[:3]+" "+code[3:]).Must()
		if got.At("completeSignIn.user.id") != p.ID || got.At("completeSignIn.refreshToken") != nil || w.cookies["refresh"] == "" || w.cookies["challenge"] != "" {
			t.Errorf("got %s with the cookies %q, want a refresh cookie, and no challenge", got.Body, got.Header.Values("Set-Cookie"))
		}
		if n := b.sessionCount(t, databaseURL, p); n != sessions+1 {
			t.Errorf("%d sessions, want %d", n, sessions+1)
		}
		b.Clock.Advance(6 * time.Second)
		w.send(browserRefresh).Must()
		if got := b.auditEvents(admin, p); !slices.Contains(got, "sign-in TOTP") || !slices.Contains(got, "second factor failed TOTP") {
			t.Errorf("got the audit entries %q, want the sign-in and the wrong code", got)
		}
		if got := b.Query(p, `{ factors { lastUsedAt } }`).Must(); got.At("factors.0.lastUsedAt") == nil {
			t.Errorf("got %s, want a time of the last use", got.Body)
		}
	})
}

func TestChallengeCookieIsSecureOverHTTPS(t *testing.T) {
	t.Parallel()
	b := bootWithFactors(t, dbtest.SQLite(t), "PUBLIC_URL", "https://api.example.com")
	p, _ := b.newEnrolledUser()
	cookies := b.Query(nil, login, "e", p.Email, "p", p.Password).Header.Values("Set-Cookie")
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0], "__Host-challenge=") || !strings.HasSuffix(cookies[0], "; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Strict") {
		t.Errorf("got the cookies %q", cookies)
	}
}

// TestNoMutationSignsInWithoutTheSecondFactor calls every mutation whose answer can hold an access
// token, as an attacker who has the password and the mailbox of an account, but not its second
// factor. The schema names the mutations. A new one fails this test until it is listed here with
// the arguments of such an attacker.
func TestNoMutationSignsInWithoutTheSecondFactor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		schema := graph.Schema()
		wrong := func() string { return a.wrongCode(b.Clock.Now()) }
		inputs := map[string]func() []map[string]any{
			"register": func() []map[string]any {
				return []map[string]any{{"input": map[string]any{"name": "X", "email": p.Email, "password": p.Password}}}
			},
			"login": func() []map[string]any {
				return []map[string]any{{"input": map[string]any{"email": p.Email, "password": p.Password}}}
			},
			"refresh":     func() []map[string]any { return []map[string]any{{}, {"refreshToken": b.challenge(p)}} },
			"accessToken": func() []map[string]any { return []map[string]any{{}} },
			"completeSignIn": func() (list []map[string]any) {
				for _, factor := range schema.Types["Factor"].EnumValues {
					for _, code := range []string{wrong(), "", p.Password, "000000 000000", strings.Repeat("a", 16)} {
						list = append(list, map[string]any{"input": map[string]any{"challenge": b.challenge(p), "factor": factor.Name, "code": code}},
							map[string]any{"input": map[string]any{"factor": factor.Name, "code": code}})
					}
				}
				return list
			},
			"confirmIdentity": func() (list []map[string]any) {
				for _, factor := range schema.Types["Factor"].EnumValues {
					for _, proof := range []string{p.Password, wrong()} {
						list = append(list, map[string]any{"input": map[string]any{"factor": factor.Name, "proof": proof}})
					}
				}
				return list
			},
		}
		sessions := b.sessionCount(t, databaseURL, p)
		found := 0
		for _, field := range schema.Mutation.Fields {
			if !holdsToken(schema, field.Type) {
				continue
			}
			found++
			arguments, ok := inputs[field.Name]
			if !ok {
				t.Errorf("%s answers tokens: list it in this test", field.Name)
				continue
			}
			var parameters, values []string
			for _, arg := range field.Arguments {
				parameters = append(parameters, "$"+arg.Name+": "+arg.Type.String())
				values = append(values, arg.Name+": $"+arg.Name)
			}
			query := "mutation { " + field.Name + " { accessToken } }"
			if len(parameters) > 0 {
				query = "mutation(" + strings.Join(parameters, ", ") + ") { " + field.Name + "(" + strings.Join(values, ", ") + ") { accessToken } }"
			}
			for _, args := range arguments() {
				for _, delivery := range []string{"BODY", "COOKIE"} {
					w := b.newBrowser(homeIP)
					wantCodes(t, w.signIn(p), "login SECOND_FACTOR_REQUIRED") // sets the cookie
					w.cookies["refresh"] = w.cookies["challenge"]
					var variables []any
					for name, value := range args {
						if input, ok := value.(map[string]any); ok && takesDelivery(schema, field) {
							input = maps.Clone(input)
							input["delivery"] = delivery
							value = input
						}
						variables = append(variables, name, value)
					}
					got := w.send(query, variables...)
					if len(got.Errors) == 0 || got.At(field.Name) != nil {
						t.Errorf("%s with %v: got %s, want an error and no token", field.Name, args, got.Body)
					}
					for _, cookie := range got.Header.Values("Set-Cookie") {
						if strings.HasPrefix(cookie, "refresh=") && !strings.HasPrefix(cookie, "refresh=;") {
							t.Errorf("%s with %v: got the cookie %s, want none", field.Name, args, cookie)
						}
					}
				}
			}
		}
		if found != len(inputs) {
			t.Errorf("the schema has %d mutations that answer tokens, and this test lists %d", found, len(inputs))
		}
		if n := b.sessionCount(t, databaseURL, p); n != sessions {
			t.Errorf("%d sessions, want %d", n, sessions)
		}
	})
}

// holdsToken reports whether an answer of a type can hold an access token or a refresh token.
func holdsToken(schema *ast.Schema, of *ast.Type) bool {
	def := schema.Types[of.Name()]
	return def.IsCompositeType() && (def.Fields.ForName("accessToken") != nil || def.Fields.ForName("refreshToken") != nil)
}

func takesDelivery(schema *ast.Schema, field *ast.FieldDefinition) bool {
	input := field.Arguments.ForName("input")
	return input != nil && schema.Types[input.Type.Name()].Fields.ForName("delivery") != nil
}

// TestConcurrentCodeOpensOneSession sends one code 50 times at once, each with its own challenge,
// to three servers of one database.
func TestConcurrentCodeOpensOneSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one := bootWithFactors(t, databaseURL)
		servers := []*testServer{one, bootWithFactors(t, databaseURL), bootWithFactors(t, databaseURL)}
		p, a := one.newEnrolledUser()
		for _, factor := range []string{"TOTP", "RECOVERY_CODE"} {
			sessions := one.sessionCount(t, databaseURL, p)
			var challenges []string
			for range 50 {
				challenges = append(challenges, one.challenge(p))
			}
			code := one.nextCode(a)
			if factor == "RECOVERY_CODE" {
				code = a.recovery[0]
			}
			answers := make(chan *servertest.Response)
			for i, challenge := range challenges {
				b := servers[i%len(servers)]
				b.Clock.Follow(one.Clock)
				go func() { answers <- b.complete(challenge, factor, code) }()
			}
			opened := 0
			for range challenges {
				got := <-answers
				if len(got.Errors) == 0 {
					opened++
					continue
				}
				wantCodes(t, got, "completeSignIn INVALID_CREDENTIALS")
			}
			if n := one.sessionCount(t, databaseURL, p); opened != 1 || n != sessions+1 {
				t.Errorf("%s: %d answers with tokens and %d new sessions, want 1 and 1", factor, opened, n-sessions)
			}
		}
	})
}

func TestConcurrentUseOfAChallengeOpensOneSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		sessions := b.sessionCount(t, databaseURL, p)
		challenge := b.challenge(p)
		answers := make(chan *servertest.Response)
		for _, code := range a.recovery {
			go func() { answers <- b.complete(challenge, "RECOVERY_CODE", code) }()
		}
		for range a.recovery {
			if got := <-answers; len(got.Errors) > 0 {
				wantCodes(t, got, "completeSignIn INVALID_TOKEN")
			}
		}
		if n := b.sessionCount(t, databaseURL, p); n != sessions+1 {
			t.Errorf("%d new sessions, want 1", n-sessions)
		}
		if n := countRows(t, databaseURL, "recovery_codes", "user_id = ?", p.ID); n != 9 {
			t.Errorf("%d recovery codes are left, want 9: only the used one is gone", n)
		}
	})
}

func TestCodeIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p := b.NewUser("USER")
		a := b.enrol(p)
		refused := func(when, code string) {
			t.Helper()
			if got := b.complete(b.challenge(p), "TOTP", code); !hasCode(got, "completeSignIn INVALID_CREDENTIALS") {
				t.Errorf("%s: got %s, want INVALID_CREDENTIALS", when, got.Body)
			}
		}
		refused("the code of the enrolment", a.codeAt(t, b.Clock.Now()))
		code := b.nextCode(a)
		b.complete(b.challenge(p), "TOTP", code).Must()
		refused("a used code", code)
		refused("a code before a used one", a.codeAt(t, b.Clock.Now().Add(-totp.Period)))
		wantCodes(t, b.Query(p, confirmIdentity, "f", "TOTP", "p", code), "confirmIdentity INVALID_CREDENTIALS")
		code = b.nextCode(a)
		b.Query(p, confirmIdentity, "f", "TOTP", "p", code).Must()
		wantCodes(t, b.Query(p, confirmIdentity, "f", "TOTP", "p", code), "confirmIdentity INVALID_CREDENTIALS")
		refused("a code of confirmIdentity", code)

		// A code is accepted one step early and one step late, and no more.
		b.Clock.Advance(10 * totp.Period)
		refused("a code of two steps ago", a.codeAt(t, b.Clock.Now().Add(-2*totp.Period)))
		refused("a code in two steps", a.codeAt(t, b.Clock.Now().Add(2*totp.Period)))
		b.complete(b.challenge(p), "TOTP", a.codeAt(t, b.Clock.Now().Add(-totp.Period))).Must()
		b.complete(b.challenge(p), "TOTP", a.codeAt(t, b.Clock.Now().Add(totp.Period))).Must()
	})
}

func TestChallengeEnds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		for _, row := range []struct {
			name string
			end  func(p *servertest.User, a *authenticator, challenge string)
		}{
			{"after its use", func(_ *servertest.User, a *authenticator, challenge string) {
				b.complete(challenge, "TOTP", b.nextCode(a)).Must()
			}},
			{"after changePassword", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
			}},
			{"after resetPassword", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(nil, requestReset, "e", p.Email).Must()
				b.Query(nil, resetPassword, "t", b.MailToken(p.Email, "/reset-password"), "p", newPassword).Must()
			}},
			{"after logoutEverywhere", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(p, `mutation { logoutEverywhere }`).Must()
			}},
			{"after endUserSessions", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(admin, `mutation($u: ID!) { endUserSessions(userId: $u) }`, "u", p.ID).Must()
			}},
			{"after disableUser", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", p.ID).Must()
			}},
			{"after disableUser and enableUser", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", p.ID).Must()
				b.Query(admin, `mutation($u: ID!) { enableUser(userId: $u) { id } }`, "u", p.ID).Must()
			}},
			{"after resetFactors", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(admin, resetFactors, "u", p.ID).Must()
			}},
			{"after deleteUser", func(p *servertest.User, _ *authenticator, _ string) {
				b.Query(admin, `mutation($u: ID!) { deleteUser(userId: $u) }`, "u", p.ID).Must()
			}},
			{"after five wrong codes", func(_ *servertest.User, a *authenticator, challenge string) {
				for i := range 5 {
					if got := b.complete(challenge, []string{"TOTP", "RECOVERY_CODE"}[i%2], a.wrongCode(b.Clock.Now())); !hasCode(got, "completeSignIn INVALID_CREDENTIALS") {
						t.Errorf("wrong code %d: got %s, want INVALID_CREDENTIALS", i+1, got.Body)
					}
				}
			}},
			// The last one, since the session of the ADMIN expires as well.
			{"after ten minutes", func(*servertest.User, *authenticator, string) { b.Clock.Advance(10 * time.Minute) }},
		} {
			t.Run(row.name, func(t *testing.T) {
				p, a := b.newEnrolledUser()
				challenge := b.challenge(p)
				row.end(p, a, challenge)
				sessions := b.sessionCount(t, databaseURL, p)
				wantCodes(t, b.complete(challenge, "TOTP", b.nextCode(a)), "completeSignIn INVALID_TOKEN")
				wantCodes(t, b.complete(challenge, "RECOVERY_CODE", a.recovery[0]), "completeSignIn INVALID_TOKEN")
				if n := b.sessionCount(t, databaseURL, p); n != sessions {
					t.Errorf("%d sessions, want %d", n, sessions)
				}
			})
		}
	})
}

// TestChallengeCookieWorksInOneBrowser checks that a sign-in is completed only with the challenge
// of its own browser, and that other secrets are no challenge.
func TestChallengeCookieWorksInOneBrowser(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		d := b.signInWithCode(p, a)
		w, other := b.newBrowser(homeIP), b.newBrowser(homeIP)
		wantCodes(t, w.signIn(p), "login SECOND_FACTOR_REQUIRED")
		code := b.nextCode(a)
		wantCodes(t, other.send(completeByCookie, "f", "TOTP", "c", code), "completeSignIn INVALID_TOKEN")
		for name, challenge := range map[string]string{
			"empty": "", "an id": newRowID(), "a refresh token": d.refresh, "an access token": d.Token, "another text": strings.Repeat("x", 43),
			"a challenge with a blank": " " + b.challenge(p),
		} {
			if got := b.complete(challenge, "TOTP", code); !hasCode(got, "completeSignIn INVALID_TOKEN") {
				t.Errorf("%s: got %s, want INVALID_TOKEN", name, got.Body)
			}
			if name == "a challenge with a blank" {
				continue // HTTP trims a cookie
			}
			r := b.QueryWith(http.Header{"Cookie": {"challenge=" + challenge}}, completeByCookie, "f", "TOTP", "c", code)
			if !slices.Equal(r.Codes(), []string{"completeSignIn INVALID_TOKEN"}) {
				t.Errorf("%s in the cookie: got %s, want INVALID_TOKEN", name, r.Body)
			}
		}
		// Two cookies of the name are ambiguous: one may have been set by another site of the
		// domain.
		ambiguous := http.Header{"Cookie": {"challenge=" + w.cookies["challenge"] + "; challenge=" + strings.Repeat("x", 43)}}
		wantCodes(t, b.QueryWith(ambiguous, completeByCookie, "f", "TOTP", "c", code), "completeSignIn INVALID_TOKEN")
		w.send(completeByCookie, "f", "TOTP", "c", code).Must()
		// The challenge of one account does not take the code of another.
		second, secondApp := b.newEnrolledUser()
		wantCodes(t, b.complete(b.challenge(second), "TOTP", b.nextCode(a)), "completeSignIn INVALID_CREDENTIALS")
		wantCodes(t, b.complete(b.challenge(second), "RECOVERY_CODE", a.recovery[0]), "completeSignIn INVALID_CREDENTIALS")
		b.signInWithCode(second, secondApp)
	})
}

// TestCompletedSignInIsAsThePasswordAlone checks what a sign-in does besides opening a session: it
// happens when the sign-in is complete, and not before.
func TestCompletedSignInIsAsThePasswordAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		p := b.registerFrom(homeIP)
		a := b.enrol(p)
		w := b.newBrowser(otherIP)
		const remember = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, rememberMe: true}) { tokenType } }`
		trusted := b.countTrustedIPs(databaseURL, p)
		wantCodes(t, w.send(remember, "e", p.Email, "p", p.Password), "login SECOND_FACTOR_REQUIRED")
		if n := b.countTrustedIPs(databaseURL, p); n != trusted || w.cookies["device"] != "" {
			t.Errorf("%d trusted places after the password, want %d", n, trusted)
		}
		if got := b.subjects(p.Email, "New sign-in"); len(got) != 0 {
			t.Errorf("got the mails %q after the password, want none", got)
		}
		got := w.send(completeByCookie, "f", "TOTP", "c", b.nextCode(a)).Must()
		if n := b.countTrustedIPs(databaseURL, p); n <= trusted || w.cookies["device"] == "" {
			t.Errorf("%d trusted places after the code, want more than %d", n, trusted)
		}
		if mails := b.subjects(p.Email, "New sign-in"); len(mails) != 1 {
			t.Errorf("got the mails %q, want one about the sign-in", mails)
		}
		first := got.Text("completeSignIn.session.id")
		if n := countRows(t, databaseURL, "sessions", "id = ? AND remember_me", first); n != 1 {
			t.Error("the session does not have the rememberMe of the login")
		}
		if line := refreshCookie(got); !strings.Contains(line, "Max-Age=2592000;") {
			t.Errorf("got the cookie %q, want one of 30 days", line)
		}
		// As a login does, it replaces the browser's session.
		wantCodes(t, w.signIn(p), "login SECOND_FACTOR_REQUIRED")
		if n := countRows(t, databaseURL, "sessions", "id = ?", first); n != 1 {
			t.Error("the password alone ended the browser's session")
		}
		w.send(completeByCookie, "f", "TOTP", "c", b.nextCode(a)).Must()
		if n := countRows(t, databaseURL, "sessions", "id = ?", first); n != 0 {
			t.Error("the browser's former session is still there")
		}
	})
}

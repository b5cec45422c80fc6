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

// wantStepUp wants STEP_UP_REQUIRED with these extensions, formatted as "maxAge mfa methods", and a
// hint that names the mutation to call.
func wantStepUp(t *testing.T, got *servertest.Response, want string) {
	t.Helper()
	if len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "STEP_UP_REQUIRED" {
		t.Errorf("got %s, want STEP_UP_REQUIRED", got.Body)
		return
	}
	e := got.Errors[0].Extensions
	if text := fmt.Sprint(e["maxAge"], " ", e["mfa"], " ", e["methods"]); text != want {
		t.Errorf("got the extensions %q, want %q", text, want)
	}
	next := "confirmIdentity"
	if strings.HasSuffix(want, "[]") {
		next = "enableTotp"
	}
	if hint, _ := e["hint"].(string); !strings.Contains(hint, next) {
		t.Errorf("got the hint %q, want one that names %s", hint, next)
	}
}

// confirm proves an identity, and gives the user the new access token.
func (b *testServer) confirm(p *servertest.User, factor, proof string) {
	b.t.Helper()
	p.Token = b.Query(p, confirmIdentity, "f", factor, "p", proof).Must().Text("confirmIdentity.accessToken")
}

const setRole = `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`

func TestStepUpNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "ACCESS_TOKEN_TTL", "1h")
		p := b.NewUser("USER")
		wantStepUp(t, b.Query(p, removeFactor, "id", newRowID()), "600 ALWAYS []")
		b.Clock.Advance(10 * time.Minute)
		b.Query(p, beginTotp).Must() // exactly 10 minutes are fresh
		b.Clock.Advance(time.Second)
		wantStepUp(t, b.Query(p, beginTotp), "600 IF_ENROLLED [PASSWORD]")
		wantStepUp(t, b.Query(p, newRecoveryCodes), "600 ALWAYS []")
		b.confirm(p, "PASSWORD", p.Password)
		a := b.enrol(p)
		b.Query(p, newRecoveryCodes).Must() // an enrolment proves both factors
		b.Clock.Advance(10*time.Minute + time.Second)
		wantStepUp(t, b.Query(p, beginTotp), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
		wantStepUp(t, b.Query(p, newRecoveryCodes), "600 ALWAYS [TOTP RECOVERY_CODE]")
		b.confirm(p, "PASSWORD", p.Password)
		wantStepUp(t, b.Query(p, beginTotp), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
		b.confirm(p, "TOTP", b.nextCode(a))
		b.Query(p, newRecoveryCodes).Must()

		wantCodes(t, b.Query(p, confirmIdentity, "f", "PASSWORD", "p", wrongPassword), "confirmIdentity INVALID_CREDENTIALS")
		wantCodes(t, b.Query(nil, confirmIdentity, "f", "PASSWORD", "p", p.Password), "confirmIdentity UNAUTHENTICATED")

		admin := b.NewUser("ADMIN")
		b.Clock.Advance(time.Hour)
		admin.Token = b.Login(admin).Token // proved now
		b.Query(admin, setRole, "u", p.ID).Must()
		b.Clock.Advance(59 * time.Minute)
		wantStepUp(t, b.Query(admin, `mutation($u: ID!) { deleteUser(userId: $u) }`, "u", p.ID), "600 IF_ENROLLED [PASSWORD]")
		wantStepUp(t, b.Query(admin, resetFactors, "u", p.ID), "600 IF_ENROLLED [PASSWORD]")
		b.Query(admin, setRole, "u", p.ID).Must()
	})
}

// TestAdministratorsStepUpWithTheirSecondFactor checks that an ADMIN with a second factor needs a
// proof of it, and not of the password only.
func TestAdministratorsStepUpWithTheirSecondFactor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "ACCESS_TOKEN_TTL", "1h")
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		stolen := b.Login(admin)
		a := b.enrol(admin)
		for _, query := range []string{
			setRole, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, `mutation($u: ID!) { enableUser(userId: $u) { id } }`,
			`mutation($u: ID!) { endUserSessions(userId: $u) }`,
		} {
			wantStepUp(t, b.Query(stolen, query, "u", p.ID), "3600 IF_ENROLLED [TOTP RECOVERY_CODE]")
			b.Query(admin, query, "u", p.ID).Must()
		}
		b.confirm(stolen, "PASSWORD", stolen.Password)
		wantStepUp(t, b.Query(stolen, deleteUser, "u", p.ID, "p", stolen.Password), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
		wantStepUp(t, b.Query(stolen, resetFactors, "u", admin.ID), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
		b.confirm(stolen, "TOTP", b.nextCode(a))
		b.Query(stolen, `mutation($u: ID!) { deleteUser(userId: $u) }`, "u", p.ID).Must()
	})
}

func TestRoleIsCheckedBeforeTheProof(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "ACCESS_TOKEN_TTL", "1h")
		p, staff, admin := b.NewUser("USER"), b.NewUser("STAFF"), b.NewUser("ADMIN")
		b.enrol(staff)
		b.Clock.Advance(time.Hour)
		for _, caller := range []*servertest.User{p, staff} {
			caller.Token = b.freshToken(t, databaseURL, caller)
			wantCodes(t, b.Query(caller, setRole, "u", p.ID), "setUserRole FORBIDDEN")
			wantCodes(t, b.Query(caller, resetFactors, "u", p.ID), "resetFactors FORBIDDEN")
		}
		for _, query := range []string{beginTotp, newRecoveryCodes} {
			if got := b.Query(nil, query); len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "UNAUTHENTICATED" {
				t.Errorf("got %s, want UNAUTHENTICATED", got.Body)
			}
		}
		admin.Token = b.freshToken(t, databaseURL, admin)
		wantStepUp(t, b.Query(admin, resetFactors, "u", p.ID), "600 IF_ENROLLED [PASSWORD]")
	})
}

// freshToken returns a new access token of a user's session, without a new proof.
func (b *testServer) freshToken(t *testing.T, databaseURL string, p *servertest.User) string {
	t.Helper()
	ids := sessionIDs(t, servertest.OpenDatabase(t, databaseURL), p)
	session, err := b.internal.Store.SessionWithUser(t.Context(), ids[0], p.ID)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := b.internal.Tokens.Issue(session)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestSessionCacheDoesNotHideANewProof checks that a server that caches sessions accepts a proof
// that another server has recorded, and that it does not accept a factor that another server has
// removed.
func TestSessionCacheDoesNotHideANewProof(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "SESSION_RECHECK", "1m")
		other := bootWithFactors(t, databaseURL, "SESSION_RECHECK", "1m")
		p := b.NewUser("USER")
		b.Clock.Advance(11 * time.Minute)
		other.Clock.Follow(b.Clock)
		wantStepUp(t, b.Query(p, beginTotp), "600 IF_ENROLLED [PASSWORD]")
		wantStepUp(t, other.Query(p, beginTotp), "600 IF_ENROLLED [PASSWORD]") // in both caches
		other.confirm(p, "PASSWORD", p.Password)
		a := b.enrol(p)
		other.Query(p, newRecoveryCodes).Must() // the proof of the enrolment
		b.Clock.Advance(11 * time.Minute)
		other.Clock.Follow(b.Clock)
		p.Token = b.freshToken(t, databaseURL, p)
		wantStepUp(t, b.Query(p, newRecoveryCodes), "600 ALWAYS [TOTP RECOVERY_CODE]")
		b.confirm(p, "TOTP", b.nextCode(a))
		other.Clock.Follow(b.Clock)
		other.Query(p, newRecoveryCodes).Must()
		// A fresh proof of the password is not enough, as soon as any server has a factor.
		plain := b.NewUser("USER")
		thief := b.Login(plain)
		b.Query(thief, beginTotp).Must()
		other.enrol(plain)
		wantStepUp(t, b.Query(thief, beginTotp), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
	})
}

// TestStepUpDoesNotTrustTheSessionCache checks that a session that was revoked on another server
// has no use of a proof, although this server still caches it.
func TestStepUpDoesNotTrustTheSessionCache(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "SESSION_RECHECK", "1m")
		other := bootWithFactors(t, databaseURL, "SESSION_RECHECK", "1m")
		for name, query := range map[string]string{"newRecoveryCodes": newRecoveryCodes, "beginTotp": beginTotp, "confirmIdentity": confirmIdentity} {
			p, a := b.newEnrolledUser()
			d := b.signInWithCode(p, a)
			b.Query(d.User, `{ me { id } }`).Must()
			other.Query(p, `mutation { logoutEverywhere }`).Must()
			wantCodes(t, b.Query(d.User, query, "f", "TOTP", "p", b.nextCode(a)), name+" UNAUTHENTICATED")
			other.Clock.Follow(b.Clock)
		}
	})
}

func TestConfirmIdentityKeepsTheSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		const inCookie = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken session { id } } }`

		t.Run("a browser gets a new access token and a new refresh cookie", func(t *testing.T) {
			p := b.NewUser("USER")
			got := b.Query(nil, inCookie, "e", p.Email, "p", p.Password).Must()
			first, old := got.Text("login.accessToken"), cookieValue(t, got, "refresh")
			b.Clock.Advance(6 * time.Second) // a token of less than 5 seconds is not rotated
			header := func(token, cookie string) http.Header {
				return http.Header{"Authorization": {"Bearer " + token}, "Cookie": {"refresh=" + cookie}}
			}
			confirmed := b.QueryWith(header(first, old), confirmIdentity, "f", "PASSWORD", "p", p.Password).Must()
			if confirmed.At("confirmIdentity.session.id") != got.At("login.session.id") {
				t.Errorf("got the session %v, want %v", confirmed.At("confirmIdentity.session.id"), got.At("login.session.id"))
			}
			next := cookieValue(t, confirmed, "refresh")
			if confirmed.Text("confirmIdentity.accessToken") == first || next == old || next == "" || confirmed.At("confirmIdentity.refreshToken") != nil {
				t.Errorf("got %s with the cookie %q, want new tokens, the refresh token in the cookie only", confirmed.Body, next)
			}
			// Another tab still sends the old cookie: it works within the grace, and returns the
			// same successor.
			again := b.QueryWith(http.Header{"Cookie": {"refresh=" + old}}, browserRefresh).Must()
			if value := cookieValue(t, again, "refresh"); value != next {
				t.Errorf("the old cookie returns %q, want %q", value, next)
			}
			b.Clock.Advance(6 * time.Second)
			b.QueryWith(http.Header{"Cookie": {"refresh=" + next}}, browserRefresh).Must()
			b.Clock.Advance(time.Minute)
			wantCodes(t, b.QueryWith(http.Header{"Cookie": {"refresh=" + old}}, browserRefresh), "refresh INVALID_TOKEN")
		})
		t.Run("a client that keeps its refresh token keeps it", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			b.Clock.Advance(6 * time.Second)
			got := b.Query(d.User, confirmIdentity, "f", "PASSWORD", "p", d.Password).Must()
			if got.At("confirmIdentity.refreshToken") != nil || len(got.Header.Values("Set-Cookie")) != 0 || got.At("confirmIdentity.session.id") != d.session {
				t.Errorf("got %s with the cookies %q, want neither a refresh token nor a cookie", got.Body, got.Header.Values("Set-Cookie"))
			}
			b.mustRefresh(b.mustRefresh(d.refresh))
		})
		t.Run("the cookie of another session stays", func(t *testing.T) {
			d, other := b.newDevice(b.NewUser("USER"), false), b.newDevice(b.NewUser("USER"), false)
			b.Clock.Advance(6 * time.Second)
			header := http.Header{"Authorization": {"Bearer " + d.Token}, "Cookie": {"refresh=" + other.refresh}}
			got := b.QueryWith(header, confirmIdentity, "f", "PASSWORD", "p", d.Password).Must()
			if got.At("confirmIdentity.session.id") != d.session || len(got.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("got %s with the cookies %q, want the session of the access token", got.Body, got.Header.Values("Set-Cookie"))
			}
			b.mustRefresh(other.refresh)
			b.mustRefresh(d.refresh)
		})
		t.Run("a refresh keeps the age of the proof", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			b.Clock.Advance(9 * time.Minute)
			b.Query(d.User, beginTotp).Must()
			b.Clock.Advance(2 * time.Minute)
			d.Token = b.Query(nil, refreshInBody, "t", d.refresh).Must().Text("refresh.accessToken")
			wantStepUp(t, b.Query(d.User, beginTotp), "600 IF_ENROLLED [PASSWORD]")
		})
		t.Run("the rest of the request has the proof", func(t *testing.T) {
			d := b.newDevice(b.NewUser("USER"), false)
			b.Clock.Advance(11 * time.Minute)
			b.Query(d.User, `mutation($p: String!) { confirmIdentity(input: {factor: PASSWORD, proof: $p}) { tokenType } beginTotp { secret } }`, "p", d.Password).Must()
			wantAudit := "identity confirmed PASSWORD"
			admin := b.Login(admin)
			if events := b.auditEvents(admin, d.User); !slices.Contains(events, wantAudit) {
				t.Errorf("got the audit entries %q, want %q", events, wantAudit)
			}
		})
		t.Run("a proof counts for its own session only", func(t *testing.T) {
			p := b.NewUser("USER")
			b.Clock.Advance(11 * time.Minute)
			d := b.newDevice(p, false)
			b.confirm(d.User, "PASSWORD", p.Password)
			wantStepUp(t, b.Query(p, beginTotp), "600 IF_ENROLLED [PASSWORD]")
		})
		t.Run("a proof in a session that has ended opens nothing", func(t *testing.T) {
			p, a := b.newEnrolledUser()
			d := b.signInWithCode(p, a)
			b.Query(p, `mutation { logoutEverywhere }`).Must()
			wantCodes(t, b.Query(d.User, confirmIdentity, "f", "TOTP", "p", b.nextCode(a)), "confirmIdentity UNAUTHENTICATED")
			b.signInWithCode(p, a)
		})
	})
}

// cookieValue returns the value of a cookie that a response sets, or "".
func cookieValue(t *testing.T, got *servertest.Response, name string) string {
	t.Helper()
	for _, line := range got.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

func TestPermissionsReportStepUp(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "ACCESS_TOKEN_TTL", "1h")
		stepUps := func(p *servertest.User) map[string]bool {
			t.Helper()
			list := map[string]bool{}
			for _, v := range b.Query(p, `{ permissions { field stepUp } }`).Must().At("permissions").([]any) {
				permission := v.(map[string]any)
				if permission["stepUp"] == true {
					list[permission["field"].(string)] = true
				}
			}
			return list
		}
		want := func(when string, p *servertest.User, field string, stepUp bool) {
			t.Helper()
			if got := stepUps(p)[field]; got != stepUp {
				t.Errorf("%s: stepUp of %s is %t, want %t", when, field, got, stepUp)
			}
		}
		p := b.NewUser("USER")
		want("after a sign-in", p, "Mutation.beginTotp", false)
		want("after a sign-in", p, "Query.me", false)
		want("without a factor", p, "Mutation.removeFactor", true)
		b.Clock.Advance(11 * time.Minute)
		want("after 11 minutes", p, "Mutation.beginTotp", true)
		want("after 11 minutes", p, "Mutation.setUserRole", false)
		want("after 11 minutes", p, "Query.me", false)
		b.confirm(p, "PASSWORD", p.Password)
		want("after a proof", p, "Mutation.beginTotp", false)
		b.enrol(p)
		want("after the enrolment", p, "Mutation.removeFactor", false)
		b.Clock.Advance(11 * time.Minute)
		b.confirm(p, "PASSWORD", p.Password)
		want("with one factor of two", p, "Mutation.beginTotp", true)
		want("with one factor of two", p, "Mutation.removeFactor", true)
	})
}

// TestOldClientsKeepWorking checks that an account without a second factor and below ADMIN needs
// nothing that a client of an older version does not send, however old its session is.
func TestOldClientsKeepWorking(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		for _, role := range []string{"USER", "STAFF"} {
			d := b.newDevice(b.NewUser(role), true)
			b.Clock.Advance(20 * 24 * time.Hour)
			got := b.Query(nil, refreshInBody, "t", d.refresh).Must()
			d.Token, d.refresh = got.Text("refresh.accessToken"), got.Text("refresh.refreshToken")
			wantCodes(t, b.Query(d.User, changePassword, "c", wrongPassword, "n", newPassword), "changePassword INVALID_CREDENTIALS")
			b.Query(d.User, changePassword, "c", d.Password, "n", newPassword).Must()
			b.Query(d.User, requestChange, "e", newAddress(), "p", newPassword).Must()
			b.Query(d.User, `{ sessions { id } permissions { field allowed role } me { id email } }`).Must()
			b.Query(nil, loginInBody, "e", d.Email, "p", newPassword).Must()
			wantCodes(t, b.Query(d.User, deleteAccount, "p", wrongPassword), "deleteAccount INVALID_CREDENTIALS")
			if got := b.Query(d.User, deleteAccount, "p", newPassword); len(got.Errors) > 0 && !slices.Equal(got.Codes(), []string{"deleteAccount CONFLICT"}) {
				t.Errorf("got %s, want the deletion, or CONFLICT while the change of address can be undone", got.Body)
			}
		}
	})
}

// TestProofReplacesThePassword checks the fields that take a password: without one they need a
// fresh proof, and with a second factor they need a fresh proof of it in both cases.
func TestProofReplacesThePassword(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		for _, row := range []struct {
			name                    string
			withPassword, withoutIt string
			variables               []any
			passwordVariable        string
		}{
			{
				"changePassword", changePassword, `mutation($n: String!) { changePassword(input: {newPassword: $n}) }`,
				[]any{"n", newPassword},
				"c",
			},
			{
				"requestEmailChange", requestChange, `mutation($e: String!) { requestEmailChange(input: {newEmail: $e}) }`,
				[]any{"e", newAddress()},
				"p",
			},
			{"deleteAccount", deleteAccount, `mutation { deleteAccount }`, nil, "p"},
		} {
			t.Run(row.name, func(t *testing.T) {
				p := b.NewUser("USER")
				b.Clock.Advance(10*time.Minute + time.Second)
				wantStepUp(t, b.Query(p, row.withoutIt, row.variables...), "600 IF_ENROLLED [PASSWORD]")
				b.confirm(p, "PASSWORD", p.Password)
				b.Query(p, row.withoutIt, row.variables...).Must()

				p, a := b.newEnrolledUser()
				thief := &servertest.User{ID: p.ID, Email: p.Email, Password: p.Password, Token: p.Token}
				b.Clock.Advance(10*time.Minute + time.Second)
				password := append([]any{row.passwordVariable, p.Password}, row.variables...)
				wantStepUp(t, b.Query(thief, row.withPassword, password...), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
				b.confirm(thief, "PASSWORD", p.Password)
				wantStepUp(t, b.Query(thief, row.withPassword, password...), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
				wantStepUp(t, b.Query(thief, row.withoutIt, row.variables...), "600 IF_ENROLLED [TOTP RECOVERY_CODE]")
				b.confirm(p, "TOTP", b.nextCode(a))
				wrong := append([]any{row.passwordVariable, wrongPassword}, row.variables...)
				wantCodes(t, b.Query(p, row.withPassword, wrong...), row.name+" INVALID_CREDENTIALS")
				b.Query(p, row.withPassword, password...).Must()
			})
		}
	})
}

// TestSessionOfAnOlderServerWasProvedAtItsCreation checks the sessions that an older server has
// opened: it stores no time of a proof.
func TestSessionOfAnOlderServerWasProvedAtItsCreation(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p := b.NewUser("USER")
		forget := func() {
			t.Helper()
			execSQL(t, databaseURL, "UPDATE sessions SET proved_at = NULL, second_proved_at = NULL, methods = NULL WHERE user_id = '"+p.ID+"'")
		}
		forget()
		b.Query(p, beginTotp).Must()
		b.Clock.Advance(10*time.Minute + time.Second)
		wantStepUp(t, b.Query(p, beginTotp), "600 IF_ENROLLED [PASSWORD]")
		b.confirm(p, "PASSWORD", p.Password)
		a := b.enrol(p)
		forget()
		wantStepUp(t, b.Query(p, newRecoveryCodes), "600 ALWAYS [TOTP RECOVERY_CODE]")
		b.confirm(p, "TOTP", b.nextCode(a))
		b.Query(p, newRecoveryCodes).Must()
		// The proof of the second factor is none of the first one.
		if n := countRows(t, databaseURL, "sessions", "user_id = ? AND proved_at = created_at", p.ID); n != 1 {
			t.Error("the session's first factor was not proved at its creation")
		}
	})
}

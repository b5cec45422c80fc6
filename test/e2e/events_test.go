package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
)

// Each thing that an operator has to know of is one line, with the fields that docs/logs.md names, and an entry of the audit log.
func TestEventsAreLogged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, user, other := b.newPerson("ADMIN"), b.newPerson("USER"), b.newPerson("USER")
		phone := b.newDevice(user, false)
		stolen := b.newDevice(user, false)
		b.refreshed(b.refreshed(stolen.refresh))
		changing := b.newDevice(other, false)
		moving, resetting, changed, leaving := b.newPerson("USER"), b.newPerson("USER"), b.newPerson("USER"), b.newPerson("USER")
		address, verify, reset := newAddress(), b.tokenOf(moving.email, "/verify-email"), b.resetToken(resetting)
		change := b.changeToken(changed, newAddress())
		undo := b.tokenOf(changed.email, "/undo-email-change")
		for _, row := range []struct {
			name  string
			as    *person
			query string
			vars  []any
			msg   string
			want  map[string]any // without ip, which all have
		}{
			{"a login", nil, login, []any{"e", user.email, "p", goodPassword}, account.EventSignIn, map[string]any{"user_id": user.id}},
			{"an unknown address", nil, login, []any{"e", "nobody@example.com", "p", goodPassword}, account.EventSignInFailed, map[string]any{"reason": "unknown", "user_id": ""}},
			{"a wrong password", nil, login, []any{"e", user.email, "p", "wrong password"}, account.EventSignInFailed, map[string]any{"reason": "password", "user_id": user.id}},
			{"a logout", nil, `mutation($t: String!) { logout(refreshToken: $t) }`, []any{"t", phone.refresh}, account.EventSignedOut, map[string]any{"user_id": user.id, "session_id": phone.session}},
			{"a reused token", nil, refreshInBody, []any{"t", stolen.refresh}, account.EventTokenReused, map[string]any{"level": "WARN", "user_id": user.id, "session_id": stolen.session}},
			{
				"a wrong current password", changing.person, `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`,
				[]any{"c", "wrong password", "n", "another good password"},
				account.EventPasswordChangeFailed,
				map[string]any{"user_id": other.id, "by": other.id, "reason": "password"},
			},
			{
				"a new password", changing.person, `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`,
				[]any{"c", goodPassword, "n", "another good password"},
				account.EventPasswordChanged,
				map[string]any{"user_id": other.id, "by": other.id, "session_id": changing.session},
			},
			{"a wrong password of who wants another address", moving, requestChange, []any{"e", address, "p", "wrong password"}, account.EventEmailChangeFailed, map[string]any{"user_id": moving.id, "by": moving.id, "reason": "password"}},
			{"a request for another address", moving, requestChange, []any{"e", address, "p", goodPassword}, account.EventEmailChangeRequested, map[string]any{"user_id": moving.id, "by": moving.id}},
			{"a verified address", nil, verifyEmail, []any{"t", verify, "p", goodPassword}, account.EventEmailVerified, map[string]any{"user_id": moving.id}},
			{"a reset", nil, resetPassword, []any{"t", reset, "p", anotherGood}, account.EventPasswordReset, map[string]any{"user_id": resetting.id}},
			{"another address", nil, verifyEmail, []any{"t", change, "p", goodPassword}, account.EventEmailChanged, map[string]any{"user_id": changed.id}},
			{"the old address again", nil, verifyEmail, []any{"t", undo}, account.EventEmailRestored, map[string]any{"level": "WARN", "user_id": changed.id}},
			{"a wrong password of who wants to leave", leaving, deleteAccount, []any{"p", "wrong password"}, account.EventDeletionFailed, map[string]any{"user_id": leaving.id, "by": leaving.id, "reason": "password"}},
			{"somebody leaves", leaving, deleteAccount, []any{"p", goodPassword}, account.EventUserDeleted, map[string]any{"user_id": leaving.id, "by": leaving.id}},
			{
				"a role", admin, `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`,
				[]any{"u", user.id},
				account.EventRoleChanged,
				map[string]any{"user_id": user.id, "by": admin.id, "role": "STAFF"},
			},
			{"a field that takes more", user, `{ everyone: users { edges { cursor } } auditor: user(id: "x") { id } }`, nil, "", nil}, // STAFF may
			{"what nobody may", nil, `{ users { edges { cursor } } }`, nil, account.EventDenied, map[string]any{"level": "DEBUG", "field": "Query.users", "reason": "missing"}},
			{"what the role does not allow", changing.person, `{ everyone: users { edges { cursor } } }`, nil, account.EventDenied, map[string]any{"field": "Query.users", "requires": "STAFF", "user_id": other.id}},
			{"a field of an account", changing.person, `{ me { disabledAt } }`, nil, account.EventDenied, map[string]any{"field": "User.disabledAt", "requires": "STAFF", "user_id": other.id}},
			{"all sessions", admin, `mutation($u: ID!) { endUserSessions(userId: $u) }`, []any{"u", other.id}, account.EventSessionsEnded, map[string]any{"user_id": other.id, "by": admin.id, "sessions": 1.0}},
			{"a shut account", admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, []any{"u", user.id}, account.EventUserDisabled, map[string]any{"user_id": user.id, "by": admin.id}},
			{"a login to a shut account", nil, login, []any{"e", user.email, "p", goodPassword}, account.EventSignInFailed, map[string]any{"reason": "disabled", "user_id": user.id}},
			{"a wrong password of a shut account", nil, login, []any{"e", user.email, "p", "wrong password"}, account.EventSignInFailed, map[string]any{"reason": "password", "user_id": user.id}},
			{"an account opened again", admin, `mutation($u: ID!) { enableUser(userId: $u) { id } }`, []any{"u", user.id}, account.EventUserEnabled, map[string]any{"user_id": user.id, "by": admin.id}},
			{"a wrong password of an ADMIN", admin, deleteUser, []any{"u", user.id, "p", "wrong password"}, account.EventUserErasureFailed, map[string]any{"user_id": admin.id, "by": admin.id, "reason": "password"}},
			{"an account deleted by an ADMIN", admin, deleteUser, []any{"u", user.id, "p", goodPassword}, account.EventUserErased, map[string]any{"user_id": user.id, "by": admin.id}},
			{
				"an account", nil, `mutation { register(input: {name: "Ada", email: "ada@example.com", password: "` + goodPassword + `"}) { user { id } } }`, nil,
				account.EventRegistered,
				map[string]any{"role": "USER"},
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				id := b.ask(row.as, row.query, row.vars...).header.Get("X-Request-Id")
				var got []map[string]any
				for _, line := range b.logged() {
					if line["request_id"] == id && slices.Contains(events, line["msg"].(string)) {
						got = append(got, line)
					}
				}
				if row.msg == "" {
					if len(got) != 0 {
						t.Errorf("%v", got)
					}
					return
				}
				if len(got) != 1 {
					t.Fatalf("%d lines: %v", len(got), got)
				}
				want := map[string]any{"msg": row.msg, "level": "INFO", "ip": "127.0.0.1"}
				maps.Copy(want, row.want)
				for key, value := range want {
					if got[0][key] != value {
						t.Errorf("%s: %v, want %v in %v", key, got[0][key], value, got[0])
					}
				}
				if row.msg != account.EventDenied {
					b.wantAudited(t, admin, got[0])
				}
			})
		}
	})
}

var events = []string{
	account.EventAlreadyRegistered, // TestRegistrationWithAnAddressThatIsNotFree has it
	account.EventRegistered, account.EventSignIn, account.EventSignInFailed, account.EventSignedOut, account.EventSessionsEnded,
	account.EventSessionRevoked,    // TestAnAccountHasAHundredSessionsAtMost has it
	account.EventAccessTokenIssued, // TestAccessTokenIsAuditedOncePerSessionAndHour has it
	account.EventTokenReused, account.EventPasswordChanged, account.EventPasswordChangeFailed, account.EventRoleChanged,
	account.EventPasswordResetSent, // TestResetPasswordCommand has it
	account.EventPasswordReset, account.EventEmailVerified, account.EventEmailChangeRequested, account.EventEmailChangeFailed,
	account.EventEmailChanged, account.EventEmailRestored, account.EventDeletionFailed, account.EventUserDeleted,
	account.EventUserDisabled, account.EventUserEnabled, account.EventUserErased, account.EventUserErasureFailed,
	account.EventUserReset, // TestDemoIsResetAtEveryStart has it
	account.EventDenied,
	account.EventUnknownToken,  // TestUnknownTokensLeaveOneEntryPerNetworkAndHour has it
	account.EventWouldBeDenied, // TestReportOnlyRules has its lines
	account.EventRegisteredAgain, account.EventEmailVerificationFailed, account.EventEmailDisowned, account.EventEmailChangeDeclined,
	account.EventUserExpired, // verification_test.go has these
}

func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("internal/account/events.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\tEvent"); n != len(events) {
		t.Errorf("events.go has %d events, this test %d", n, len(events))
	}
	for _, event := range events {
		if !strings.Contains(string(doc), fmt.Sprintf("| `%s` |", event)) {
			t.Errorf("docs/logs.md has no row for %q", event)
		}
	}
}

// With the usual level, a client whose token has expired is no news.
func TestDenialOfNobodyIsNoNews(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LOG_LEVEL", slog.LevelInfo.String())
	b.ask(nil, `{ me { id } }`)
	if strings.Contains(b.log.String(), account.EventDenied) {
		t.Error(b.log.String())
	}
}

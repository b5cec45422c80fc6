package e2e

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
	"fieldgate/servertest"
)

// Each event has one log line, with the fields of docs/reference/logs.md, and one audit entry.
func TestEventsAreLogged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, user, other := b.NewUser("ADMIN"), b.NewUser("USER"), b.NewUser("USER")
		phone := b.newDevice(user, false)
		stolen := b.newDevice(user, false)
		b.mustRefresh(b.mustRefresh(stolen.refresh))
		changing := b.newDevice(other, false)
		moving, resetting, changed, leaving := b.NewUser("USER"), b.NewUser("USER"), b.NewUser("USER"), b.NewUser("USER")
		address, verify, reset := newAddress(), b.tokenOf(moving.Email, "/verify-email"), b.resetToken(resetting)
		change := b.emailChangeToken(changed, newAddress())
		undo := b.tokenOf(changed.Email, "/undo-email-change")
		for _, row := range []struct {
			name  string
			as    *servertest.User
			query string
			vars  []any
			msg   string
			want  map[string]any // without ip, which every event has
		}{
			{
				"a login", nil, login,
				[]any{"e", user.Email, "p", servertest.Password},
				account.EventSignIn,
				map[string]any{"user_id": user.ID},
			},
			{
				"an unknown address", nil, login,
				[]any{"e", "nobody@example.com", "p", servertest.Password},
				account.EventSignInFailed,
				map[string]any{"reason": "unknown", "user_id": ""},
			},
			{
				"a wrong password", nil, login,
				[]any{"e", user.Email, "p", "wrong password"},
				account.EventSignInFailed,
				map[string]any{"reason": "password", "user_id": user.ID},
			},
			{
				"a logout", nil, `mutation($t: String!) { logout(refreshToken: $t) }`,
				[]any{"t", phone.refresh},
				account.EventSignedOut,
				map[string]any{"user_id": user.ID, "session_id": phone.session},
			},
			{
				"a reused token", nil, refreshInBody,
				[]any{"t", stolen.refresh},
				account.EventTokenReused,
				map[string]any{"level": "WARN", "user_id": user.ID, "session_id": stolen.session},
			},
			{
				"a wrong current password", changing.User, `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`,
				[]any{"c", "wrong password", "n", "another good password"},
				account.EventPasswordChangeFailed,
				map[string]any{"user_id": other.ID, "by": other.ID, "reason": "password"},
			},
			{
				"a new password", changing.User, `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`,
				[]any{"c", servertest.Password, "n", "another good password"},
				account.EventPasswordChanged,
				map[string]any{"user_id": other.ID, "by": other.ID, "session_id": changing.session},
			},
			{
				"a wrong password for an address change", moving, requestChange,
				[]any{"e", address, "p", "wrong password"},
				account.EventEmailChangeFailed,
				map[string]any{"user_id": moving.ID, "by": moving.ID, "reason": "password"},
			},
			{
				"a request for an address change", moving, requestChange,
				[]any{"e", address, "p", servertest.Password},
				account.EventEmailChangeRequested,
				map[string]any{"user_id": moving.ID, "by": moving.ID},
			},
			{
				"a verified address", nil, verifyEmail,
				[]any{"t", verify, "p", servertest.Password},
				account.EventEmailVerified,
				map[string]any{"user_id": moving.ID},
			},
			{
				"a reset", nil, resetPassword,
				[]any{"t", reset, "p", newPassword},
				account.EventPasswordReset,
				map[string]any{"user_id": resetting.ID},
			},
			{
				"a confirmed address change", nil, verifyEmail,
				[]any{"t", change, "p", servertest.Password},
				account.EventEmailChanged,
				map[string]any{"user_id": changed.ID},
			},
			{
				"an undone address change", nil, verifyEmail,
				[]any{"t", undo},
				account.EventEmailRestored,
				map[string]any{"level": "WARN", "user_id": changed.ID},
			},
			{
				"a wrong password for an account deletion", leaving, deleteAccount,
				[]any{"p", "wrong password"},
				account.EventDeletionFailed,
				map[string]any{"user_id": leaving.ID, "by": leaving.ID, "reason": "password"},
			},
			{
				"an account deletion", leaving, deleteAccount,
				[]any{"p", servertest.Password},
				account.EventUserDeleted,
				map[string]any{"user_id": leaving.ID, "by": leaving.ID},
			},
			{
				"a role", admin, `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`,
				[]any{"u", user.ID},
				account.EventRoleChanged,
				map[string]any{"user_id": user.ID, "by": admin.ID, "role": "STAFF"},
			},
			{
				"fields that STAFF can read", user,
				`{ list: users { edges { cursor } } one: user(id: "x") { id } }`, nil, "", nil,
			},
			{
				"a protected field without a token", nil, `{ users { edges { cursor } } }`, nil,
				account.EventDenied,
				map[string]any{"level": "DEBUG", "field": "Query.users", "reason": "missing"},
			},
			{
				"a field that the role does not allow", changing.User,
				`{ list: users { edges { cursor } } }`, nil, account.EventDenied,
				map[string]any{"field": "Query.users", "requires": "STAFF", "user_id": other.ID},
			},
			{
				"a field of a type that the role does not allow", changing.User, `{ me { disabledAt } }`,
				nil, account.EventDenied,
				map[string]any{"field": "User.disabledAt", "requires": "STAFF", "user_id": other.ID},
			},
			{
				"all sessions of an account ended", admin,
				`mutation($u: ID!) { endUserSessions(userId: $u) }`,
				[]any{"u", other.ID},
				account.EventSessionsEnded,
				map[string]any{"user_id": other.ID, "by": admin.ID, "sessions": 1.0},
			},
			{
				"a disabled account", admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`,
				[]any{"u", user.ID},
				account.EventUserDisabled,
				map[string]any{"user_id": user.ID, "by": admin.ID},
			},
			{
				"a login to a disabled account", nil, login,
				[]any{"e", user.Email, "p", servertest.Password},
				account.EventSignInFailed,
				map[string]any{"reason": "disabled", "user_id": user.ID},
			},
			{
				"a wrong password for a disabled account", nil, login,
				[]any{"e", user.Email, "p", "wrong password"},
				account.EventSignInFailed,
				map[string]any{"reason": "password", "user_id": user.ID},
			},
			{
				"an enabled account", admin, `mutation($u: ID!) { enableUser(userId: $u) { id } }`,
				[]any{"u", user.ID},
				account.EventUserEnabled,
				map[string]any{"user_id": user.ID, "by": admin.ID},
			},
			{
				"a wrong password of an ADMIN", admin, deleteUser,
				[]any{"u", user.ID, "p", "wrong password"},
				account.EventUserErasureFailed,
				map[string]any{"user_id": admin.ID, "by": admin.ID, "reason": "password"},
			},
			{
				"an account deleted by an ADMIN", admin, deleteUser,
				[]any{"u", user.ID, "p", servertest.Password},
				account.EventUserErased,
				map[string]any{"user_id": user.ID, "by": admin.ID},
			},
			{
				"an account", nil, `mutation { register(input: {name: "Ada", email: "ada@example.com", password: "` + servertest.Password + `"}) { user { id } } }`, nil,
				account.EventRegistered,
				map[string]any{"role": "USER"},
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				id := b.Query(row.as, row.query, row.vars...).Header.Get("X-Request-Id")
				var got []map[string]any
				for _, line := range b.Log.Records(b.t) {
					if line["request_id"] == id && slices.Contains(events, line["msg"].(string)) {
						got = append(got, line)
					}
				}
				if row.msg == "" {
					if len(got) != 0 {
						t.Errorf("got events %v, want none", got)
					}
					return
				}
				if len(got) != 1 {
					t.Fatalf("got %d lines, want 1: %v", len(got), got)
				}
				want := map[string]any{"msg": row.msg, "level": "INFO", "ip": "127.0.0.1"}
				maps.Copy(want, row.want)
				for key, value := range want {
					if got[0][key] != value {
						t.Errorf("%s: got %v, want %v in %v", key, got[0][key], value, got[0])
					}
				}
				if row.msg != account.EventDenied {
					b.wantAuditEntry(t, admin, got[0])
				}
			})
		}
	})
}

var events = []string{
	account.EventAlreadyRegistered, // TestRegistrationOfATakenAddressIsIndistinguishable has it
	account.EventRegistered, account.EventSignIn, account.EventSignInFailed, account.EventSignedOut, account.EventSessionsEnded,
	account.EventSessionRevoked,    // TestAccountHasAtMostAHundredSessions has it
	account.EventAccessTokenIssued, // TestAccessTokenIsAuditedOncePerSessionAndHour has it
	account.EventTokenReused, account.EventPasswordChanged, account.EventPasswordChangeFailed, account.EventRoleChanged,
	account.EventPasswordResetSent, // TestResetPasswordCommandMailsALink has it
	account.EventPasswordReset, account.EventEmailVerified, account.EventEmailChangeRequested, account.EventEmailChangeFailed,
	account.EventEmailChanged, account.EventEmailRestored, account.EventDeletionFailed, account.EventUserDeleted,
	account.EventUserDisabled, account.EventUserEnabled, account.EventUserErased, account.EventUserErasureFailed,
	// second_factor_test.go has these
	account.EventSecondFactorFailed, account.EventIdentityConfirmed, account.EventConfirmationFailed,
	account.EventFactorAdded, account.EventFactorRemoved, account.EventRecoveryCodesReplaced, account.EventFactorsReset,
	account.EventUserReset, // TestDemoIsResetAtEveryStart has it
	account.EventDenied,
	account.EventUnknownToken,  // TestUnknownTokensAreAuditedOncePerNetworkAndHour has it
	account.EventWouldBeDenied, // TestReportOnlyRulesReportAndAllow has its lines
	account.EventRegisteredAgain, account.EventEmailVerificationFailed, account.EventEmailDisowned, account.EventEmailChangeDeclined,
	account.EventUserExpired, // verification_test.go has these
}

func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/reference/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("internal/account/events.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\tEvent"); n != len(events) {
		t.Errorf("events.go has %d events, this test has %d; add the missing ones", n, len(events))
	}
	for _, event := range events {
		if !strings.Contains(string(doc), fmt.Sprintf("| `%s` |", event)) {
			t.Errorf("docs/reference/logs.md has no row for %q", event)
		}
	}
}

// At the level info, a denial without a valid token is not logged, since expired tokens are normal.
func TestUnauthenticatedDenialIsNotLoggedAtInfo(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LOG_LEVEL", slog.LevelInfo.String())
	b.Query(nil, `{ me { id } }`)
	if strings.Contains(b.Log.String(), account.EventDenied) {
		t.Error(b.Log.String())
	}
}

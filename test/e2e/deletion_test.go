package e2e

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/mail"
	"fieldgate/models"
	"fieldgate/servertest"
)

const deleteUser = `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) }`

func TestDeleteUserErasesTheAccountAndMailsItsAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("STAFF")
		phone := b.newDevice(p, true)
		reset := b.resetToken(p)
		b.Query(nil, requestReset, "e", p.Email).Must() // stays in the outbox
		got := b.Query(admin, `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) again: disableUser(userId: $u) { id } }`,
			"u", p.ID, "p", admin.Password)
		wantCodes(t, got, "again NOT_FOUND")
		if got.At("deleteUser") != true || b.isSignedIn(p) || b.isSignedIn(phone.User) || !b.isSignedIn(admin) {
			t.Error(got.Body)
		}
		wantCodes(t, b.Query(nil, resetPassword, "t", reset, "p", newPassword), "resetPassword INVALID_TOKEN")
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		for _, table := range []string{"users", "sessions", "tickets", "mails"} {
			if rows := countUserRows(t, databaseURL, table, p); rows != 0 {
				t.Errorf("got %d rows of the deleted account in %s, want none", rows, table)
			}
		}
		if got := b.auditEvents(admin, p)[0]; got != "user deleted" {
			t.Errorf("got audit event %q, want user deleted", got)
		}
		b.Query(nil, registerAs, "e", p.Email).Must() // the address is free
		notices := slices.DeleteFunc(b.mailsTo(p.Email), func(m mail.Received) bool { return !strings.Contains(m.Subject, "was deleted") })
		if len(notices) != 1 || notices[0].Link != "" {
			t.Errorf("got mails %+v, want one deletion notice without a link", b.mailsTo(p.Email))
		}
	})
}

func TestDeleteUserRejectsInvalidRequests(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSchema(t, schemaReplacing(t, "  ADMIN @includes(roles: [STAFF])", "  ADMIN @includes(roles: [STAFF])\n  OWNER @includes(roles: [ADMIN])"), databaseURL)
		admin, staff, p, owner := b.NewUser("ADMIN"), b.NewUser("STAFF"), b.NewUser("USER"), b.NewUser("OWNER")
		for _, row := range []struct {
			name     string
			as       *servertest.User
			id       string
			password any
			code     string
		}{
			{"without a token", nil, p.ID, servertest.Password, "UNAUTHENTICATED"},
			{"as STAFF", staff, p.ID, servertest.Password, "FORBIDDEN"},
			{"with a too long password", admin, p.ID, strings.Repeat("x", 1025), "BAD_USER_INPUT"},
			{"with a wrong password", admin, p.ID, wrongPassword, "INVALID_CREDENTIALS"},
			{"with an empty password", admin, p.ID, "", "INVALID_CREDENTIALS"},
			{"the caller's own account", admin, admin.ID, servertest.Password, "CONFLICT"},
			{"an account with a higher role", admin, owner.ID, servertest.Password, "FORBIDDEN"},
			{"an unknown id", admin, newRowID(), servertest.Password, "NOT_FOUND"},
			{"a malformed id", admin, "x", servertest.Password, "NOT_FOUND"},
		} {
			got := b.Query(row.as, deleteUser, "u", row.id, "p", row.password)
			wantCodes(t, got, "deleteUser "+row.code)
			if row.code == "BAD_USER_INPUT" && !strings.Contains(got.Body, `"name":"password"`) {
				t.Errorf("%s: %s", row.name, got.Body)
			}
		}
		for _, u := range []*servertest.User{admin, staff, p, owner} {
			if !b.isSignedIn(u) {
				t.Errorf("a rejected deletion ended the session of %s", u.Email)
			}
		}
		got := b.Query(admin, `mutation($u: ID!, $p: String) { a: deleteUser(userId: $u, password: $p) b: deleteUser(userId: $u, password: "x") }`, "u", p.ID, "p", "x")
		if !strings.Contains(got.Body, "QUERY_TOO_COMPLEX") {
			t.Errorf("two password attempts in one operation: %s", got.Body)
		}
	})
}

func TestDeleteUserPasswordAttemptsAreLimitedPerCaller(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LIMITS", "on")
	admin, other, p := b.NewUser("ADMIN"), b.NewUser("ADMIN"), b.NewUser("USER")
	for range 7 { // a request that fails before the password is verified is not counted
		wantCodes(t, b.Query(admin, deleteUser, "u", p.ID, "p", strings.Repeat("x", 1025)), "deleteUser BAD_USER_INPUT")
	}
	for range 5 {
		wantCodes(t, b.Query(admin, deleteUser, "u", p.ID, "p", wrongPassword), "deleteUser INVALID_CREDENTIALS")
	}
	wantRateLimited(t, b.Query(admin, deleteUser, "u", p.ID, "p", admin.Password), "deleteUser")
	b.Query(other, deleteUser, "u", p.ID, "p", other.Password).Must()
}

func TestAdminsDeletingEachOtherLeaveOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		one := b.NewUser("ADMIN")
		for range 5 {
			two := b.NewUser("ADMIN")
			var first, second *servertest.Response
			var both sync.WaitGroup
			both.Go(func() { first = b.Query(one, deleteUser, "u", two.ID, "p", one.Password) })
			both.Go(func() { second = b.Query(two, deleteUser, "u", one.ID, "p", two.Password) })
			both.Wait()
			left := b.admins(t)
			if (first.At("deleteUser") == true) == (second.At("deleteUser") == true) || len(left) != 1 {
				t.Fatalf("got %d ADMINs left, want 1: %s %s", len(left), first.Body, second.Body)
			}
			if left[0].ID == two.ID {
				one = two
			}
		}
	})
}

// Both of the last two ADMINs are deleted concurrently, as by two commands.
func TestConcurrentAdminDeletionsLeaveOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.NewUser("USER")
		ids := []string{b.NewUser("ADMIN").ID, b.NewUser("ADMIN").ID}
		errs := make([]error, len(ids))
		var both sync.WaitGroup
		for i, id := range ids {
			both.Go(func() { _, errs[i] = b.internal.Accounts.AsOperator().Delete(t.Context(), id, nil) })
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || len(b.admins(t)) != 1 {
			t.Errorf("got errors %v, %v, and %d ADMINs left, want one error and one ADMIN", errs[0], errs[1], len(b.admins(t)))
		}
	})
}

func (b *testServer) admins(t *testing.T) []*models.User {
	t.Helper()
	page, err := b.internal.Store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return page.Users
}

func TestUserDeleteCommand(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": servertest.Secret, "BCRYPT_COST": "10"}
		for _, row := range []struct {
			name           string
			args           []string
			status         int
			stdout, stderr string
		}{
			{"without confirmation", []string{p.Email}, 2, "", "--yes"},
			{"without an address", nil, 2, "", "expected: fieldgate user delete EMAIL"},
			{"an unknown address", []string{"nobody@example.com", "--yes"}, 3, "", "no account has the address"},
			{"the last ADMIN", []string{admin.Email, "--yes"}, 4, "", ""},
			{"an account", []string{p.Email, "--yes"}, 0, "deleted " + p.Email + " (role USER)\n", ""},
			{"a deleted account", []string{p.Email, "--yes"}, 3, "", "no account has the address"},
		} {
			status, stdout, stderr := servertest.RunCLI(t, env, "", append([]string{"user", "delete"}, row.args...)...)
			if status != row.status || stdout != row.stdout || !strings.Contains(stderr, row.stderr) {
				t.Errorf("%s: status %d\n%s%s\nwant %d %q %q", row.name, status, stdout, stderr, row.status, row.stdout, row.stderr)
			}
		}
		if b.isSignedIn(p) || !b.isSignedIn(admin) {
			t.Error("the wrong account was deleted")
		}
		if mails := b.mailsTo(p.Email); !strings.Contains(mails[0].Subject, "was deleted") {
			t.Errorf("got newest mail %q, want the deletion notice", mails[0].Subject)
		}
		entry := b.Query(admin, auditLog, "n", 1, "u", p.ID).Must()
		if entry.At("auditLog.edges.0.node.event") != "user deleted" || entry.At("auditLog.edges.0.node.actorId") != nil {
			t.Error(entry.Body)
		}
	})
}

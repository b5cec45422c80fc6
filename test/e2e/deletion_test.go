package main

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

const deleteUser = `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) }`

func TestDeleteUserErasesTheAccountAndMailsItsAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("STAFF")
		phone := b.newDevice(p, true)
		reset := b.resetToken(p)
		b.ask(nil, requestReset, "e", p.email).must() // waits in the outbox
		got := b.ask(admin, `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) again: disableUser(userId: $u) { id } }`,
			"u", p.id, "p", admin.password)
		wantCodes(t, got, "again NOT_FOUND")
		if got.at("deleteUser") != true || b.signedIn(p) || b.signedIn(phone.person) || !b.signedIn(admin) {
			t.Error(got.body)
		}
		wantCodes(t, b.ask(nil, resetPassword, "t", reset, "p", anotherGood), "resetPassword INVALID_TOKEN")
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		for _, table := range []string{"users", "sessions", "tickets", "mails"} {
			if rows := rowsAbout(t, databaseURL, table, p); rows != 0 {
				t.Errorf("%d rows about the person in %s", rows, table)
			}
		}
		if got := b.audited(admin, p)[0]; got != "user deleted" {
			t.Errorf("the audit log says %q", got)
		}
		b.ask(nil, registerAs, "e", p.email).must() // the address is free, and its new owner gets the notice all the same
		notices := slices.DeleteFunc(b.mails(p.email), func(m mail.Received) bool { return !strings.Contains(m.Subject, "was deleted") })
		if len(notices) != 1 || notices[0].Link != "" {
			t.Errorf("mails: %+v", b.mails(p.email))
		}
	})
}

func TestDeleteUserRefusals(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithRules(t, schemaWith(t, "  ADMIN @includes(roles: [STAFF])", "  ADMIN @includes(roles: [STAFF])\n  OWNER @includes(roles: [ADMIN])"), databaseURL)
		admin, staff, p, owner := b.newPerson("ADMIN"), b.newPerson("STAFF"), b.newPerson("USER"), b.newPerson("OWNER")
		for _, row := range []struct {
			name     string
			as       *person
			id       string
			password any
			code     string
		}{
			{"without a token", nil, p.id, goodPassword, "UNAUTHENTICATED"},
			{"as STAFF", staff, p.id, goodPassword, "FORBIDDEN"},
			{"without a password", admin, p.id, nil, "BAD_USER_INPUT"},
			{"with a password that is too long", admin, p.id, strings.Repeat("x", 1025), "BAD_USER_INPUT"},
			{"with a wrong password", admin, p.id, wrongPassword, "INVALID_CREDENTIALS"},
			{"with an empty password", admin, p.id, "", "INVALID_CREDENTIALS"},
			{"the caller's own account", admin, admin.id, goodPassword, "CONFLICT"},
			{"an account above the caller", admin, owner.id, goodPassword, "FORBIDDEN"},
			{"an unknown id", admin, newRowID(), goodPassword, "NOT_FOUND"},
			{"what is no id", admin, "x", goodPassword, "NOT_FOUND"},
		} {
			got := b.ask(row.as, deleteUser, "u", row.id, "p", row.password)
			wantCodes(t, got, "deleteUser "+row.code)
			if row.code == "BAD_USER_INPUT" && !strings.Contains(got.body, `"name":"password"`) {
				t.Errorf("%s: %s", row.name, got.body)
			}
		}
		for _, stays := range []*person{admin, staff, p, owner} {
			if !b.signedIn(stays) {
				t.Error("what was refused was done")
			}
		}
		got := b.ask(admin, `mutation($u: ID!, $p: String) { a: deleteUser(userId: $u, password: $p) b: deleteUser(userId: $u, password: "x") }`, "u", p.id, "p", "x")
		if !strings.Contains(got.body, "QUERY_TOO_COMPLEX") {
			t.Errorf("two guesses in one operation: %s", got.body)
		}
	})
}

func TestDeleteUserGuessesAreCountedPerCallingAccount(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LIMITS", "on")
	admin, other, p := b.newPerson("ADMIN"), b.newPerson("ADMIN"), b.newPerson("USER")
	for range 7 { // without a password nothing is tried
		wantCodes(t, b.ask(admin, deleteUser, "u", p.id), "deleteUser BAD_USER_INPUT")
	}
	for range 5 {
		wantCodes(t, b.ask(admin, deleteUser, "u", p.id, "p", wrongPassword), "deleteUser INVALID_CREDENTIALS")
	}
	wantLimited(t, b.ask(admin, deleteUser, "u", p.id, "p", admin.password), "deleteUser")
	b.ask(other, deleteUser, "u", p.id, "p", other.password).must()
}

func TestTwoAdminsWhoDeleteEachOtherLeaveOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		one := b.newPerson("ADMIN")
		for range 5 {
			two := b.newPerson("ADMIN")
			var first, second *answer
			var both sync.WaitGroup
			both.Go(func() { first = b.ask(one, deleteUser, "u", two.id, "p", one.password) })
			both.Go(func() { second = b.ask(two, deleteUser, "u", one.id, "p", two.password) })
			both.Wait()
			left := b.admins(t)
			if (first.at("deleteUser") == true) == (second.at("deleteUser") == true) || len(left) != 1 {
				t.Fatalf("%d ADMINs are left: %s %s", len(left), first.body, second.body)
			}
			if left[0].ID == two.id {
				one = two
			}
		}
	})
}

// The last two ADMINs are deleted at once on the command line.
func TestTwoDeletionsAtOnceLeaveAnAdmin(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.newPerson("USER")
		ids := []string{b.newPerson("ADMIN").id, b.newPerson("ADMIN").id}
		errs := make([]error, len(ids))
		var both sync.WaitGroup
		for i, id := range ids {
			both.Go(func() { _, errs[i] = b.accounts.AsOperator().Delete(t.Context(), id, nil) })
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || len(b.admins(t)) != 1 {
			t.Errorf("%v, %v, and %d ADMINs are left", errs[0], errs[1], len(b.admins(t)))
		}
	})
}

func (b *booted) admins(t *testing.T) []*models.User {
	t.Helper()
	page, err := b.store.Users(t.Context(), models.UserFilter{Role: "ADMIN", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return page.Users
}

func TestUserDeleteCommand(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": testSecret, "BCRYPT_COST": "10"}
		for _, row := range []struct {
			name           string
			args           []string
			status         int
			stdout, stderr string
		}{
			{"without confirmation", []string{p.email}, 2, "", "--yes"},
			{"without an address", nil, 2, "", "expected: fieldgate user delete EMAIL"},
			{"an unknown address", []string{"nobody@example.com", "--yes"}, 3, "", "nobody has the address"},
			{"the last ADMIN", []string{admin.email, "--yes"}, 4, "", ""},
			{"an account", []string{p.email, "--yes"}, 0, "deleted " + p.email + " (role USER)\n", ""},
			{"an account that is gone", []string{p.email, "--yes"}, 3, "", "nobody has the address"},
		} {
			status, stdout, stderr := fieldgate(t, env, "", append([]string{"user", "delete"}, row.args...)...)
			if status != row.status || stdout != row.stdout || !strings.Contains(stderr, row.stderr) {
				t.Errorf("%s: status %d\n%s%s\nwant %d %q %q", row.name, status, stdout, stderr, row.status, row.stdout, row.stderr)
			}
		}
		if b.signedIn(p) || !b.signedIn(admin) {
			t.Error("the wrong accounts are there")
		}
		if mails := b.mails(p.email); !strings.Contains(mails[0].Subject, "was deleted") {
			t.Errorf("the newest mail is %q", mails[0].Subject)
		}
		entry := b.ask(admin, auditLog, "n", 1, "u", p.id).must()
		if entry.at("auditLog.edges.0.node.event") != "user deleted" || entry.at("auditLog.edges.0.node.actorId") != nil {
			t.Error(entry.body)
		}
	})
}

func TestDeletionIsConfirmedByTypingTheAddress(t *testing.T) {
	t.Parallel()
	for typed, confirmed := range map[string]bool{
		"ada@example.com\n": true, " ada@example.com \r\n": true, "ada@example.com": true,
		"": false, "\n": false, "y\n": false, "yes\n": false, "bob@example.com\n": false,
	} {
		var stderr strings.Builder
		err := console{stderr: &stderr}.confirmDeletion(strings.NewReader(typed), "ada@example.com")
		if (err == nil) != confirmed || !strings.Contains(stderr.String(), "ada@example.com") {
			t.Errorf("%q: %v, asked %q", typed, err, stderr.String())
		}
	}
}

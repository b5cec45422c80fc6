package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
)

const auditLog = `query($n: Int!, $a: String, $u: ID) { auditLog(first: $n, after: $a, userId: $u) {
	edges { cursor node { id createdAt event detail userId user { email } actorId actor { email } sessionId ip userAgent } } pageInfo { hasNextPage endCursor } } }`

// audited are the events of an account, the newest first, as "event detail".
func (b *booted) audited(admin, of *person) (list []string) {
	b.t.Helper()
	got := b.ask(admin, auditLog, "n", 100, "u", of.id).must()
	for _, edge := range got.at("auditLog.edges").([]any) {
		node := edge.(map[string]any)["node"].(map[string]any)
		list = append(list, strings.TrimSpace(fmt.Sprint(node["event"], " ", asText(node["detail"]))))
	}
	return list
}

func asText(v any) string {
	s, _ := v.(string)
	return s
}

func TestAuditLogSaysWhoDidWhatToWhom(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
		b.ask(nil, login, "e", p.email, "p", "wrong password")
		phone := b.newDevice(p, false)
		b.ask(admin, `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", p.id).must()
		b.ask(admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", p.id).must()
		b.ask(nil, login, "e", p.email, "p", p.password)
		b.ask(admin, `mutation($u: ID!) { enableUser(userId: $u) { id } }`, "u", p.id).must()
		b.ask(nil, resetPassword, "t", b.resetToken(p), "p", anotherGood).must()
		got := b.audited(admin, p)
		want := []string{
			"password reset", "user enabled STAFF", "sign-in failed disabled", "user disabled STAFF", "role changed STAFF",
			"sign-in", "sign-in failed password", "registered USER",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
		page := b.ask(admin, auditLog, "n", 100, "u", p.id).must()
		node := func(i int) string { return fmt.Sprintf("auditLog.edges.%d.node.", i) }
		if page.at(node(3)+"actorId") != admin.id || page.at(node(3)+"actor.email") != admin.email || page.at(node(3)+"user.email") != p.email {
			t.Errorf("an act of an administrator: %s", page.body)
		}
		if page.at(node(5)+"actorId") != p.id || page.at(node(5)+"sessionId") != phone.session || page.at(node(5)+"ip") != "127.0.0.1" {
			t.Errorf("a sign-in: %s", page.body)
		}
		if page.at(node(6)+"actorId") != nil || !strings.HasPrefix(page.text(node(6)+"userAgent"), "Go-http-client") {
			t.Errorf("a failed sign-in: %s", page.body)
		}
		if at, err := time.Parse(time.RFC3339Nano, page.text(node(0)+"createdAt")); err != nil || time.Since(at) > time.Minute {
			t.Errorf("when: %v, %v", at, err)
		}
	})
}

// An address that nobody has is tried all day; that is written down too, without the address.
func TestAuditLogOfAnUnknownAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin := b.newPerson("ADMIN")
		b.ask(nil, login, "e", "nobody@example.com", "p", "hunter2hunter2")
		got := b.ask(admin, auditLog, "n", 1).must()
		if got.at("auditLog.edges.0.node.event") != account.EventSignInFailed || got.at("auditLog.edges.0.node.detail") != "unknown" || got.at("auditLog.edges.0.node.userId") != nil {
			t.Error(got.body)
		}
		if strings.Contains(got.body, "nobody@") || strings.Contains(got.body, "hunter2") {
			t.Error("the audit log has what was typed: " + got.body)
		}
	})
}

func TestAuditLogPageByPage(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
		for range 7 {
			b.newDevice(p, false)
		}
		var ids []string
		for after := any(nil); ; {
			got := b.ask(admin, auditLog, "n", 3, "u", p.id, "a", after).must()
			for i := range got.at("auditLog.edges").([]any) {
				ids = append(ids, got.text(fmt.Sprintf("auditLog.edges.%d.node.id", i)))
			}
			b.newDevice(p, false) // comes before what was seen, and so does not move it
			if got.at("auditLog.pageInfo.hasNextPage") != true {
				break
			}
			after = got.at("auditLog.pageInfo.endCursor")
		}
		if n := len(slices.Compact(slices.Sorted(slices.Values(ids)))); n != 8 || len(ids) != 8 || !slices.IsSortedFunc(ids, func(x, y string) int { return strings.Compare(y, x) }) {
			t.Errorf("%d entries, %d of them different, want 8, the newest first", len(ids), n)
		}
		everybody := b.ask(admin, `{ users(first: 1) { pageInfo { endCursor } } }`).must().at("users.pageInfo.endCursor")
		anEntry := b.ask(admin, auditLog, "n", 1).must().text("auditLog.pageInfo.endCursor")
		wantCodes(t, b.ask(admin, `query($a: String) { users(after: $a) { edges { cursor } } }`, "a", anEntry), "users BAD_USER_INPUT")
		for name, variables := range map[string][]any{
			"a cursor of another listing": {"n", 1, "a", everybody}, "a cursor with more behind it": {"n", 1, "a", anEntry + "AAAA"},
			"first 0": {"n", 0}, "first 101": {"n", 101}, "a cursor of nothing": {"n", 1, "a", "x"}, "an id of nothing": {"n", 1, "u", "x"},
			"no id at all": {"n", 1, "u", ""},
		} {
			if got := b.ask(admin, auditLog, variables...); !slices.Equal(got.codes(), []string{"auditLog BAD_USER_INPUT"}) {
				t.Errorf("%s: %s", name, got.body)
			}
		}
		wantCodes(t, b.ask(p, auditLog, "n", 1), "auditLog FORBIDDEN")
		wantCodes(t, b.ask(nil, auditLog, "n", 1), "auditLog UNAUTHENTICATED")
	})
}

// What cannot be written down is not done, by no command and by no mutation that signs somebody in or administers: those that take
// a credential, or more than somebody who is signed in, are all here.
func TestNothingIsDoneThatIsNotAudited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p, shut := b.newPerson("ADMIN"), b.newPerson("USER"), b.newPerson("USER")
		phone, stolen := b.newDevice(p, false), b.newDevice(p, false)
		b.refreshed(b.refreshed(stolen.refresh))
		administer := func(mutation string, of *person) *answer {
			return b.ask(admin, `mutation($u: ID!) { `+mutation+` }`, "u", of.id)
		}
		administer("disableUser(userId: $u) { id }", shut).must()
		reset, verify, newcomer := b.resetToken(p), b.tokenOf(p.email, "/verify-email"), newAddress()
		execute(t, databaseURL, "DROP TABLE audit")
		asked := map[string]func() *answer{
			"register": func() *answer { return b.ask(nil, registerAs, "e", newcomer) },
			"login":    func() *answer { return b.ask(nil, login, "e", p.email, "p", p.password) },
			"refresh":  func() *answer { return b.ask(nil, refreshInBody, "t", stolen.refresh) },
			"accessToken": func() *answer {
				return b.askWith(visitor(phone.refresh), accessToken)
			},
			"logout": func() *answer {
				return b.ask(nil, `mutation($t: String) { logout(refreshToken: $t) }`, "t", phone.refresh)
			},
			"logoutEverywhere":   func() *answer { return b.ask(p, `mutation { logoutEverywhere }`) },
			"revokeSession":      func() *answer { return b.ask(p, `mutation($i: ID!) { revokeSession(id: $i) }`, "i", phone.session) },
			"changePassword":     func() *answer { return b.ask(p, changePassword, "c", p.password, "n", anotherGood) },
			"verifyEmail":        func() *answer { return b.ask(p, verifyEmail, "t", verify) },
			"disownEmail":        func() *answer { return b.ask(nil, disownEmail, "t", verify) },
			"requestEmailChange": func() *answer { return b.ask(p, requestChange, "e", newcomer, "p", p.password) },
			"resetPassword":      func() *answer { return b.ask(nil, resetPassword, "t", reset, "p", anotherGood) },
			"deleteAccount":      func() *answer { return b.ask(p, deleteAccount, "p", p.password) },
			"setUserRole":        func() *answer { return administer("setUserRole(userId: $u, role: ADMIN) { id }", p) },
			"disableUser":        func() *answer { return administer("disableUser(userId: $u) { id }", p) },
			"enableUser":         func() *answer { return administer("enableUser(userId: $u) { id }", shut) },
			"endUserSessions":    func() *answer { return administer("endUserSessions(userId: $u)", p) },
			"deleteUser":         func() *answer { return b.ask(admin, deleteUser, "u", p.id, "p", admin.password) },
		}
		for name, ask := range asked {
			wantCodes(t, ask(), name+" INTERNAL")
		}
		for _, rule := range b.policy.Rules() {
			if rule.Type == "Mutation" && (rule.Credential || !rule.Public && rule.Role != "USER") && asked[rule.Field] == nil {
				t.Errorf("%s: that it was done ought to be in the audit log, and asked for here", rule.Coordinate())
			}
		}
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": b.JWTSecrets[0], "BCRYPT_COST": "10"}
		for _, command := range [][]string{
			{"create", newcomer, "--name", "X"},
			{"role", p.email, "ADMIN"},
			{"disable", p.email},
			{"enable", shut.email},
			{"reset-password", p.email},
			{"delete", p.email, "--yes"},
		} {
			if status, stdout, stderr := fieldgate(t, env, goodPassword, append([]string{"user"}, command...)...); status != 1 || stdout != "" {
				t.Errorf("%q: status %d\n%s%s", command, status, stdout, stderr)
			}
		}
		got := b.ask(p, `{ me { role email emailVerified } sessions { id } }`).must()
		if got.at("me.role") != "USER" || got.at("me.email") != p.email || got.at("me.emailVerified") != false || len(got.at("sessions").([]any)) != 3 {
			t.Error(got.body)
		}
		others := b.ask(admin, `query($u: ID!, $n: String) { user(id: $u) { disabledAt } users(search: $n) { edges { cursor } } }`, "u", shut.id, "n", newcomer).must()
		if others.text("user.disabledAt") == "" || len(others.at("users.edges").([]any)) != 0 {
			t.Error(others.body)
		}
	})
}

// wantAudited compares the newest entry of the audit log with a line of the log about the same event.
func (b *booted) wantAudited(t *testing.T, admin *person, line map[string]any) {
	t.Helper()
	got := b.ask(admin, auditLog, "n", 1).must()
	want := map[string]any{"event": line["msg"], "userId": line["user_id"], "ip": line["ip"]}
	if by, ok := line["by"]; ok {
		want["actorId"] = by
	}
	switch {
	case want["userId"] == "":
		want["userId"] = nil
	case want["event"] == account.EventUserDeleted:
		want["ip"] = nil
	}
	for name, value := range want {
		if got.at("auditLog.edges.0.node."+name) != value {
			t.Errorf("the audit log has not %s %v: %s", name, value, got.body)
		}
	}
}

// Of somebody who has left, what happened stays, and where they were does not.
func TestAuditLogForgetsWhereSomebodyWasWhoHasLeft(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p, other := b.newPerson("ADMIN"), b.newPerson("ADMIN"), b.newPerson("USER")
		b.ask(p, `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", other.id).must()
		b.ask(p, deleteAccount, "p", p.password).must()
		if got := b.audited(admin, p); !slices.Equal(got, []string{"account deleted", "role changed ADMIN", "registered USER"}) {
			t.Errorf("%q", got)
		}
		for _, of := range []*person{p, other} {
			got := b.ask(admin, auditLog, "n", 100, "u", of.id).must()
			for i := range got.at("auditLog.edges").([]any) {
				node := fmt.Sprintf("auditLog.edges.%d.node.", i)
				his := got.at(node+"userId") == p.id || got.at(node+"actorId") == p.id
				if his && (got.at(node+"ip") != nil || got.at(node+"userAgent") != nil || got.at(node+"user") != nil && got.at(node+"userId") == p.id) {
					t.Errorf("%s of somebody who has left: %s", got.at(node+"event"), got.body)
				}
				if !his && got.at(node+"ip") == nil {
					t.Errorf("the address of somebody else is gone: %s", got.body)
				}
			}
		}
	})
}

func TestAuditLogIsKeptForItsTime(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
		sweep := func() {
			if _, err := b.store.SweepAudit(t.Context(), b.store.Now().Add(-b.AuditRetention)); err != nil {
				t.Fatal(err)
			}
		}
		b.clock.advance(b.AuditRetention - time.Hour)
		sweep()
		admin = b.newDevice(admin, false).person
		if got := b.audited(admin, p); len(got) != 1 {
			t.Errorf("%q", got)
		}
		b.clock.advance(2 * time.Hour)
		sweep()
		admin = b.newDevice(admin, false).person
		if got := b.audited(admin, p); len(got) != 0 {
			t.Errorf("%q", got)
		}
	})
}

// Nobody acts on somebody above them, or gives a role that they have not got themselves.
func TestNobodyActsAboveThemselves(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithRules(t, schemaWith(t, "  ADMIN @includes(roles: [STAFF])", "  ADMIN @includes(roles: [STAFF])\n  OWNER @includes(roles: [ADMIN])"), databaseURL)
		admin, owner := b.newPerson("ADMIN"), b.newPerson("OWNER")
		for name, query := range map[string]string{
			"setUserRole":     `mutation($u: ID!) { setUserRole(userId: $u, role: USER) { id } }`,
			"disableUser":     `mutation($u: ID!) { disableUser(userId: $u) { id } }`,
			"enableUser":      `mutation($u: ID!) { enableUser(userId: $u) { id } }`,
			"endUserSessions": `mutation($u: ID!) { endUserSessions(userId: $u) }`,
		} {
			got := b.ask(admin, query, "u", owner.id)
			wantCodes(t, got, name+" FORBIDDEN")
			if got.errors[0].Extensions["requires"] != "OWNER" {
				t.Error(got.body)
			}
			if name != "setUserRole" {
				b.ask(owner, query, "u", admin.id).must()
				if _, err := b.accounts.AsOperator().Enable(t.Context(), admin.id); err != nil {
					t.Fatal(err)
				}
				admin = b.newDevice(admin, false).person
			}
		}
		if !b.signedIn(owner) {
			t.Error("the owner was signed out")
		}
		user, err := b.accounts.User(t.Context(), admin.id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.accounts.AsAdmin(user).SetRole(t.Context(), admin.id, "OWNER"); err == nil || !strings.Contains(err.Error(), "OWNER") {
			t.Errorf("an ADMIN makes themselves an OWNER: %v", err)
		}
	})
}

// schemaWith is the schema with something in place of something else.
func schemaWith(t *testing.T, old, replacement string) *ast.Schema {
	t.Helper()
	text := schemaText(t)
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in the schema", old)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: strings.Replace(text, old, replacement, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

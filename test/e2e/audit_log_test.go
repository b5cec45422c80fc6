package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

const auditLog = `query($n: Int!, $a: String, $u: ID) { auditLog(first: $n, after: $a, userId: $u) {
	edges { cursor node { id createdAt event detail userId user { email } actorId actor { email } sessionId ip userAgent } } pageInfo { hasNextPage endCursor } } }`

// auditEvents returns the events of an account as "event detail", newest first.
func (b *testServer) auditEvents(admin, of *servertest.User) (list []string) {
	b.t.Helper()
	got := b.Query(admin, auditLog, "n", 100, "u", of.ID).Must()
	for _, edge := range got.At("auditLog.edges").([]any) {
		node := edge.(map[string]any)["node"].(map[string]any)
		list = append(list, strings.TrimSpace(fmt.Sprint(node["event"], " ", stringOf(node["detail"]))))
	}
	return list
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

func TestAuditLogRecordsActorAndSubject(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		b.Query(nil, login, "e", p.Email, "p", "wrong password")
		phone := b.newDevice(p, false)
		b.Query(admin, `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", p.ID).Must()
		b.Query(admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", p.ID).Must()
		b.Query(nil, login, "e", p.Email, "p", p.Password)
		b.Query(admin, `mutation($u: ID!) { enableUser(userId: $u) { id } }`, "u", p.ID).Must()
		b.Query(nil, resetPassword, "t", b.resetToken(p), "p", newPassword).Must()
		got := b.auditEvents(admin, p)
		want := []string{
			"password reset", "user enabled STAFF", "sign-in failed disabled", "user disabled STAFF", "role changed STAFF",
			"sign-in", "sign-in failed password", "registered USER",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
		page := b.Query(admin, auditLog, "n", 100, "u", p.ID).Must()
		node := func(i int) string { return fmt.Sprintf("auditLog.edges.%d.node.", i) }
		if page.At(node(3)+"actorId") != admin.ID || page.At(node(3)+"actor.email") != admin.Email || page.At(node(3)+"user.email") != p.Email {
			t.Errorf("event of an administrator: %s", page.Body)
		}
		if page.At(node(5)+"actorId") != p.ID || page.At(node(5)+"sessionId") != phone.session || page.At(node(5)+"ip") != "127.0.0.1" {
			t.Errorf("sign-in: %s", page.Body)
		}
		if page.At(node(6)+"actorId") != nil || !strings.HasPrefix(page.Text(node(6)+"userAgent"), "Go-http-client") {
			t.Errorf("failed sign-in: %s", page.Body)
		}
		if at, err := time.Parse(time.RFC3339Nano, page.Text(node(0)+"createdAt")); err != nil || time.Since(at) > time.Minute {
			t.Errorf("got createdAt %v, %v, want now", at, err)
		}
	})
}

// A sign-in with an unknown address is recorded without the address or the password.
func TestAuditLogOmitsUnknownAddresses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin := b.NewUser("ADMIN")
		b.Query(nil, login, "e", "nobody@example.com", "p", "hunter2hunter2")
		got := b.Query(admin, auditLog, "n", 1).Must()
		if got.At("auditLog.edges.0.node.event") != account.EventSignInFailed || got.At("auditLog.edges.0.node.detail") != "unknown" || got.At("auditLog.edges.0.node.userId") != nil {
			t.Error(got.Body)
		}
		if strings.Contains(got.Body, "nobody@") || strings.Contains(got.Body, "hunter2") {
			t.Error("the audit log has the typed address or password: " + got.Body)
		}
	})
}

func TestAuditLogPagesAreStable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		for range 7 {
			b.newDevice(p, false)
		}
		var ids []string
		for after := any(nil); ; {
			got := b.Query(admin, auditLog, "n", 3, "u", p.ID, "a", after).Must()
			for i := range got.At("auditLog.edges").([]any) {
				ids = append(ids, got.Text(fmt.Sprintf("auditLog.edges.%d.node.id", i)))
			}
			b.newDevice(p, false) // a newer entry does not shift later pages
			if got.At("auditLog.pageInfo.hasNextPage") != true {
				break
			}
			after = got.At("auditLog.pageInfo.endCursor")
		}
		if n := len(slices.Compact(slices.Sorted(slices.Values(ids)))); n != 8 || len(ids) != 8 || !slices.IsSortedFunc(ids, func(x, y string) int { return strings.Compare(y, x) }) {
			t.Errorf("got %d entries, %d distinct, want 8, newest first", len(ids), n)
		}
		userCursor := b.Query(admin, `{ users(first: 1) { pageInfo { endCursor } } }`).Must().At("users.pageInfo.endCursor")
		entryCursor := b.Query(admin, auditLog, "n", 1).Must().Text("auditLog.pageInfo.endCursor")
		wantCodes(t, b.Query(admin, `query($a: String) { users(after: $a) { edges { cursor } } }`, "a", entryCursor), "users BAD_USER_INPUT")
		for name, variables := range map[string][]any{
			"a cursor of another list": {
				"n", 1, "a", userCursor,
			}, "a cursor with trailing bytes": {
				"n", 1, "a",
				entryCursor + "AAAA",
			},
			"first 0": {
				"n", 0,
			}, "first 101": {"n", 101}, "a malformed cursor": {
				"n", 1, "a",
				"x",
			}, "a malformed id": {
				"n", 1, "u", "x",
			},
			"an empty id": {"n", 1, "u", ""},
		} {
			if got := b.Query(admin, auditLog, variables...); !slices.Equal(got.Codes(), []string{"auditLog BAD_USER_INPUT"}) {
				t.Errorf("%s: %s", name, got.Body)
			}
		}
		wantCodes(t, b.Query(p, auditLog, "n", 1), "auditLog FORBIDDEN")
		wantCodes(t, b.Query(nil, auditLog, "n", 1), "auditLog UNAUTHENTICATED")
	})
}

// An operation whose audit entry cannot be written is rolled back. The table must have every
// mutation that takes a credential or requires a role above USER, and every user command.
func TestAuditFailureRollsBackTheOperation(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "FACTOR_KEYS", auth.NewSecret())
		admin, p, disabled := b.NewUser("ADMIN"), b.NewUser("USER"), b.NewUser("USER")
		phone, stolen := b.newDevice(p, false), b.newDevice(p, false)
		b.mustRefresh(b.mustRefresh(stolen.refresh))
		administer := func(mutation string, of *servertest.User) *servertest.Response {
			return b.Query(admin, `mutation($u: ID!) { `+mutation+` }`, "u", of.ID)
		}
		administer("disableUser(userId: $u) { id }", disabled).Must()
		reset, verify, newcomer := b.resetToken(p), b.tokenOf(p.Email, "/verify-email"), newAddress()
		enrolling, enrolled := b.NewUser("USER"), b.NewUser("USER")
		currentCode := func(secret string) string {
			code, err := hotp.GenerateCode(secret, uint64(b.Clock.Now().Unix()/30))
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		const begin, enable = `mutation { beginTotp { secret } }`, `mutation($c: String!) { enableTotp(code: $c) }`
		pending, secret := b.Query(enrolling, begin).Must().Text("beginTotp.secret"), b.Query(enrolled, begin).Must().Text("beginTotp.secret")
		b.Query(enrolled, enable, "c", currentCode(secret)).Must()
		const loginInBody = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { tokenType } }`
		challenge := b.Query(nil, loginInBody, "e", enrolled.Email, "p", enrolled.Password).Errors[0].Extensions["challenge"]
		b.Clock.Advance(30 * time.Second) // a code of a later time step
		execSQL(t, databaseURL, "DROP TABLE audit")
		operations := map[string]func() *servertest.Response{
			"register": func() *servertest.Response { return b.Query(nil, registerAs, "e", newcomer) },
			"login":    func() *servertest.Response { return b.Query(nil, login, "e", p.Email, "p", p.Password) },
			"refresh":  func() *servertest.Response { return b.Query(nil, refreshInBody, "t", stolen.refresh) },
			"accessToken": func() *servertest.Response {
				return b.QueryWith(refreshCookieHeader(phone.refresh), accessToken)
			},
			"logout": func() *servertest.Response {
				return b.Query(nil, `mutation($t: String) { logout(refreshToken: $t) }`, "t", phone.refresh)
			},
			"logoutEverywhere": func() *servertest.Response { return b.Query(p, `mutation { logoutEverywhere }`) },
			"revokeSession": func() *servertest.Response {
				return b.Query(p, `mutation($i: ID!) { revokeSession(id: $i) }`, "i", phone.session)
			},
			"changePassword":     func() *servertest.Response { return b.Query(p, changePassword, "c", p.Password, "n", newPassword) },
			"verifyEmail":        func() *servertest.Response { return b.Query(p, verifyEmail, "t", verify) },
			"disownEmail":        func() *servertest.Response { return b.Query(nil, disownEmail, "t", verify) },
			"requestEmailChange": func() *servertest.Response { return b.Query(p, requestChange, "e", newcomer, "p", p.Password) },
			"resetPassword":      func() *servertest.Response { return b.Query(nil, resetPassword, "t", reset, "p", newPassword) },
			"deleteAccount":      func() *servertest.Response { return b.Query(p, deleteAccount, "p", p.Password) },
			"setUserRole":        func() *servertest.Response { return administer("setUserRole(userId: $u, role: ADMIN) { id }", p) },
			"disableUser":        func() *servertest.Response { return administer("disableUser(userId: $u) { id }", p) },
			"enableUser":         func() *servertest.Response { return administer("enableUser(userId: $u) { id }", disabled) },
			"endUserSessions":    func() *servertest.Response { return administer("endUserSessions(userId: $u)", p) },
			"resetFactors":       func() *servertest.Response { return administer("resetFactors(userId: $u) { id }", p) },
			"enableTotp":         func() *servertest.Response { return b.Query(enrolling, enable, "c", currentCode(pending)) },
			"confirmIdentity": func() *servertest.Response {
				return b.Query(p, `mutation($p: String!) { confirmIdentity(input: {factor: PASSWORD, proof: $p}) { tokenType } }`, "p", p.Password)
			},
			"completeSignIn": func() *servertest.Response {
				const complete = `mutation($t: String, $c: String!) { completeSignIn(input: {challenge: $t, factor: TOTP, code: $c}) { tokenType } }`
				return b.Query(nil, complete, "t", challenge, "c", currentCode(secret))
			},
			"deleteUser": func() *servertest.Response { return b.Query(admin, deleteUser, "u", p.ID, "p", admin.Password) },
		}
		for name, run := range operations {
			wantCodes(t, run(), name+" INTERNAL")
		}
		for _, rule := range b.internal.Policy.Rules() {
			if rule.Type == "Mutation" && (rule.Credential || !rule.Public && rule.Role != "USER") && operations[rule.Field] == nil {
				t.Errorf("%s: not in this test; audit it and add it here", rule.Coordinate())
			}
		}
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": b.internal.Config.JWTSecrets[0], "BCRYPT_COST": "10"}
		for _, command := range [][]string{
			{"create", newcomer, "--name", "X"},
			{"role", p.Email, "ADMIN"},
			{"disable", p.Email},
			{"enable", disabled.Email},
			{"reset-password", p.Email},
			{"delete", p.Email, "--yes"},
		} {
			if status, stdout, stderr := servertest.RunCLI(t, env, servertest.Password, append([]string{"user"}, command...)...); status != 1 || stdout != "" {
				t.Errorf("%q: got status %d, want 1\n%s%s", command, status, stdout, stderr)
			}
		}
		got := b.Query(p, `{ me { role email emailVerified } sessions { id } }`).Must()
		if got.At("me.role") != "USER" || got.At("me.email") != p.Email || got.At("me.emailVerified") != false || len(got.At("sessions").([]any)) != 3 {
			t.Error(got.Body)
		}
		others := b.Query(admin, `query($u: ID!, $n: String) { user(id: $u) { disabledAt } users(search: $n) { edges { cursor } } }`, "u", disabled.ID, "n", newcomer).Must()
		if others.Text("user.disabledAt") == "" || len(others.At("users.edges").([]any)) != 0 {
			t.Error(others.Body)
		}
	})
}

// wantAuditEntry compares the newest audit entry with the log line of the same event.
func (b *testServer) wantAuditEntry(t *testing.T, admin *servertest.User, line map[string]any) {
	t.Helper()
	got := b.Query(admin, auditLog, "n", 1).Must()
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
		if got.At("auditLog.edges.0.node."+name) != value {
			t.Errorf("audit entry: want %s %v: %s", name, value, got.Body)
		}
	}
}

// Account deletion keeps the user's audit entries and erases their IP addresses and user agents.
func TestAccountDeletionErasesIPsFromTheAuditLog(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p, other := b.NewUser("ADMIN"), b.NewUser("ADMIN"), b.NewUser("USER")
		b.Query(p, `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", other.ID).Must()
		b.Query(p, deleteAccount, "p", p.Password).Must()
		if got := b.auditEvents(admin, p); !slices.Equal(got, []string{"account deleted", "role changed ADMIN", "registered USER"}) {
			t.Errorf("%q", got)
		}
		for _, of := range []*servertest.User{p, other} {
			got := b.Query(admin, auditLog, "n", 100, "u", of.ID).Must()
			for i := range got.At("auditLog.edges").([]any) {
				node := fmt.Sprintf("auditLog.edges.%d.node.", i)
				isDeleted := got.At(node+"userId") == p.ID || got.At(node+"actorId") == p.ID
				if isDeleted && (got.At(node+"ip") != nil || got.At(node+"userAgent") != nil || got.At(node+"user") != nil && got.At(node+"userId") == p.ID) {
					t.Errorf("%s: an entry of the deleted account has an IP or user agent: %s", got.At(node+"event"), got.Body)
				}
				if !isDeleted && got.At(node+"ip") == nil {
					t.Errorf("the IP of another account was erased: %s", got.Body)
				}
			}
		}
	})
}

func TestAuditLogIsSweptAfterRetention(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
		sweep := func() {
			if _, err := b.internal.Store.SweepAudit(t.Context(), b.internal.Store.Now().Add(-b.internal.Config.AuditRetention)); err != nil {
				t.Fatal(err)
			}
		}
		b.Clock.Advance(b.internal.Config.AuditRetention - time.Hour)
		sweep()
		admin = b.newDevice(admin, false).User
		if got := b.auditEvents(admin, p); len(got) != 1 {
			t.Errorf("%q", got)
		}
		b.Clock.Advance(2 * time.Hour)
		sweep()
		admin = b.newDevice(admin, false).User
		if got := b.auditEvents(admin, p); len(got) != 0 {
			t.Errorf("%q", got)
		}
	})
}

// An administrator cannot change an account with a higher role, or grant a role that their own does
// not include.
func TestAdminCannotActOnHigherRoles(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSchema(t, schemaReplacing(t, "  ADMIN @includes(roles: [STAFF])", "  ADMIN @includes(roles: [STAFF])\n  OWNER @includes(roles: [ADMIN])"), databaseURL)
		admin, owner := b.NewUser("ADMIN"), b.NewUser("OWNER")
		for name, query := range map[string]string{
			"setUserRole":     `mutation($u: ID!) { setUserRole(userId: $u, role: USER) { id } }`,
			"disableUser":     `mutation($u: ID!) { disableUser(userId: $u) { id } }`,
			"enableUser":      `mutation($u: ID!) { enableUser(userId: $u) { id } }`,
			"endUserSessions": `mutation($u: ID!) { endUserSessions(userId: $u) }`,
		} {
			got := b.Query(admin, query, "u", owner.ID)
			wantCodes(t, got, name+" FORBIDDEN")
			if got.Errors[0].Extensions["requires"] != "OWNER" {
				t.Error(got.Body)
			}
			if name != "setUserRole" {
				b.Query(owner, query, "u", admin.ID).Must()
				if _, err := b.internal.Accounts.AsOperator().Enable(t.Context(), admin.ID); err != nil {
					t.Fatal(err)
				}
				admin = b.newDevice(admin, false).User
			}
		}
		if !b.isSignedIn(owner) {
			t.Error("the OWNER was signed out")
		}
		user, err := b.internal.Accounts.User(t.Context(), admin.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.internal.Accounts.AsAdmin(user).SetRole(t.Context(), admin.ID, "OWNER"); err == nil || !strings.Contains(err.Error(), "OWNER") {
			t.Errorf("got %v, want an error: an ADMIN granted itself OWNER", err)
		}
	})
}

// schemaReplacing returns the schema with old replaced in its text.
func schemaReplacing(t *testing.T, old, replacement string) *ast.Schema {
	t.Helper()
	text := schemaText(t)
	if !strings.Contains(text, old) {
		t.Fatalf("the schema has no %q", old)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: strings.Replace(text, old, replacement, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

package e2e

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

func schemaText(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// reportOnlySchema returns the schema with report-only rules: beside an enforced rule, and alone.
func reportOnlySchema(t *testing.T) *ast.Schema {
	t.Helper()
	text := schemaText(t)
	for was, is := range map[string]string{
		"): UserConnection @auth(role: STAFF)":  "): UserConnection @auth(role: STAFF) @auth(role: ADMIN, reportOnly: true)",
		"  ): User @auth(role: STAFF)":          "  ): User @auth(role: ADMIN, reportOnly: true)",
		"  me: User @auth":                      "  me: User @auth(reportOnly: true)",
		"  disabledAt: Time @auth(role: STAFF)": "  disabledAt: Time @auth(role: STAFF, orOwner: true, reportOnly: true)",
	} {
		if strings.Count(text, was) != 1 {
			t.Fatalf("the schema has %q %d times, want once", was, strings.Count(text, was))
		}
		text = strings.Replace(text, was, is, 1)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestReportOnlyRulesReportAndAllow(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSchema(t, reportOnlySchema(t), databaseURL)
		user, staff, admin := b.NewUser("USER"), b.NewUser("STAFF"), b.NewUser("ADMIN")
		theUser := `user(id: "` + user.ID + `")`
		for _, row := range []struct {
			name  string
			as    *servertest.User
			query string
			codes string            // of the response
			count map[string]uint64 // added to the counters
			line  map[string]any    // expected log line; nil: none
		}{
			{
				"a caller that the report-only rule would deny is allowed and reported", staff, `{ users { edges { cursor } } }`, "",
				map[string]uint64{"Query.users": 1},
				map[string]any{"field": "Query.users", "requires": "ADMIN", "user_id": staff.ID},
			},
			{"a caller that it would allow is not reported", admin, `{ users { edges { cursor } } }`, "", nil, nil},
			{"a caller that the enforced rule denies is denied and not reported", user, `{ users { edges { cursor } } }`, "users FORBIDDEN", nil, nil},
			{"without a token the enforced rule denies, and nothing is reported", nil, `{ users { edges { cursor } } }`, "users UNAUTHENTICATED", nil, nil},
			{
				"alone, it allows a role that is too low", user, `{ ` + theUser + ` { name } }`, "",
				map[string]uint64{"Query.user": 1},
				map[string]any{"field": "Query.user", "requires": "ADMIN", "user_id": user.ID},
			},
			{
				"alone, it allows a request without a token", nil, `{ ` + theUser + ` { name } }`, "",
				map[string]uint64{"Query.user": 1},
				map[string]any{"field": "Query.user", "requires": "ADMIN", "user_id": ""},
			},
			{
				"an invalid token is no viewer", &servertest.User{Token: "x.y.z"}, `{ ` + theUser + ` { name } }`, "",
				map[string]uint64{"Query.user": 1},
				map[string]any{"field": "Query.user", "requires": "ADMIN", "user_id": ""},
			},
			{
				"each alias counts, with one log line", staff, `{ a: ` + theUser + ` { name } ...F } fragment F on Query { b: ` + theUser + ` { name } c: ` + theUser + ` { name } }`, "",
				map[string]uint64{"Query.user": 3},
				map[string]any{"field": "Query.user", "requires": "ADMIN", "user_id": staff.ID},
			},
			{
				"a resolver that needs a viewer still requires one", nil, `{ me { id } }`, "me UNAUTHENTICATED",
				map[string]uint64{"Query.me": 1},
				map[string]any{"field": "Query.me", "requires": "USER"},
			},
			{"on a field of a type, the owner is allowed", user, `{ me { disabledAt } }`, "", nil, nil},
			{
				"on a field of a type, a missing viewer is reported, and enforced rules apply", nil, `{ ` + theUser + ` { disabledAt email } }`, "user.email UNAUTHENTICATED",
				map[string]uint64{"Query.user": 1, "User.disabledAt": 1},
				nil,
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				want := b.internal.Reports.Counts()
				for field, n := range row.count {
					want[field] += n
				}
				got := b.Query(row.as, row.query)
				if strings.Join(got.Codes(), " ") != row.codes {
					t.Errorf("got %s, want %q", got.Body, row.codes)
				}
				if counts := b.internal.Reports.Counts(); !maps.Equal(counts, want) {
					t.Errorf("counts %v, want %v", counts, want)
				}
				lines := b.logLines(got, account.EventWouldBeDenied)
				if len(row.count) == len(lines) && (len(row.count) != 1 || containsAll(lines[0], row.line) && containsAll(lines[0], map[string]any{"level": "INFO", "ip": "127.0.0.1"})) {
					return
				}
				t.Errorf("logged %v, want %v", lines, row.line)
			})
		}
		if got := b.internal.Reports.Counts(); len(got) != 4 {
			t.Errorf("the counters are %v, want 4", got)
		}
	})
}

// logLines returns the log lines of one event in one request.
func (b *testServer) logLines(a *servertest.Response, event string) (lines []map[string]any) {
	b.t.Helper()
	for _, line := range b.Log.Records(b.t) {
		if line["request_id"] == a.Header.Get("X-Request-Id") && line["msg"] == event {
			lines = append(lines, line)
		}
	}
	return lines
}

func containsAll(line, want map[string]any) bool {
	for key, value := range want {
		if line[key] != value {
			return false
		}
	}
	return true
}

// TestPermissionsAllowReportOnlyRules checks that permissions shows what is enforced, with the role
// that the report-only rule will require.
func TestPermissionsAllowReportOnlyRules(t *testing.T) {
	t.Parallel()
	b := bootWithSchema(t, reportOnlySchema(t), dbtest.SQLite(t))
	got := map[string]string{}
	for role, p := range map[string]*servertest.User{"USER": b.NewUser("USER"), "STAFF": b.NewUser("STAFF")} {
		for _, permission := range b.permissionsOf(p) {
			if permission.Role != nil {
				got[role+" "+permission.Field] = *permission.Role + map[bool]string{true: " allowed"}[permission.Allowed]
			}
		}
	}
	for question, want := range map[string]string{
		"USER Query.users": "ADMIN", "STAFF Query.users": "ADMIN allowed", "USER Query.user": "ADMIN allowed", "USER Query.me": "USER allowed",
	} {
		if got[question] != want {
			t.Errorf("%s: got %q, want %q", question, got[question], want)
		}
	}
}

// TestServerStartsWithReportOnlyRulesAndWarns checks that the server starts in production, too, and
// logs which fields have such rules.
func TestServerStartsWithReportOnlyRulesAndWarns(t *testing.T) {
	t.Parallel()
	const warning = "report-only rules do not deny access"
	for _, row := range []struct {
		name   string
		schema *ast.Schema
		fields []any
	}{
		{"report-only rules", reportOnlySchema(t), []any{"Query.me", "Query.user", "Query.users", "User.disabledAt"}},
		{"no such rules", nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := bootWithSchema(t, row.schema, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example")
			b.serveOnce(t)
			var warned []map[string]any
			for _, line := range b.Log.Records(b.t) {
				if line["msg"] == warning {
					warned = append(warned, line)
				}
			}
			if row.fields == nil {
				if len(warned) != 0 {
					t.Errorf("got the warnings %v, want none", warned)
				}
				return
			}
			if len(warned) != 1 || warned[0]["level"] != "WARN" || len(warned[0]["fields"].([]any)) != len(row.fields) {
				t.Fatalf("got the warnings %v, want one of %d fields", warned, len(row.fields))
			}
			for i, field := range warned[0]["fields"].([]any) {
				if field != row.fields[i] {
					t.Errorf("got %v, want %v", field, row.fields[i])
				}
			}
		})
	}
}

// TestReportOnlyRuleDeniesOnLookupFailure checks that a failed session lookup does not count as
// permission.
func TestReportOnlyRuleDeniesOnLookupFailure(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSchema(t, reportOnlySchema(t), databaseURL)
		p := b.NewUser("ADMIN")
		execSQL(t, databaseURL, "DROP TABLE sessions")
		query := `{ user(id: "` + p.ID + `") { name } }`
		got := b.Query(p, query)
		wantCodes(t, got, "user INTERNAL")
		if lines := b.logLines(got, account.EventWouldBeDenied); got.At("user") != nil || len(lines) != 0 || b.internal.Reports.Counts()["Query.user"] != 0 {
			t.Errorf("%s, %v, %v", got.Body, lines, b.internal.Reports.Counts())
		}
		// No lookup without a token.
		if got := b.Query(nil, query).Must(); got.Text("user.name") == "" {
			t.Error(got.Body)
		}
	})
}

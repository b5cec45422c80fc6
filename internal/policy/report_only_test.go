package policy_test

import (
	"slices"
	"testing"

	"fieldgate/internal/policy"
)

func TestReportOnly(t *testing.T) {
	p := compile(t, reportOnlyDeclarations, reportOnlySchema)
	for _, want := range []policy.Rule{
		{Type: "Query", Field: "items", Public: true, ReportOnly: policy.Requirement{Role: "USER"}},
		{Type: "Query", Field: "users", Role: "STAFF", ReportOnly: policy.Requirement{Role: "ADMIN"}},
		{Type: "Query", Field: "find", Public: true, ReportOnly: policy.Requirement{Role: "STAFF"}},
		{Type: "Mutation", Field: "login", Public: true, Credential: true},
		{Type: "User", Field: "email", Role: "STAFF", OrOwner: true, ReportOnly: policy.Requirement{Role: "STAFF"}},
		{Type: "User", Field: "phone", Public: true, ReportOnly: policy.Requirement{Role: "STAFF", OrOwner: true}},
	} {
		got, ok := p.Rule(want.Type, want.Field)
		want.Root, want.Written, want.Line = want.Type != "User", got.Written, got.Line
		if !ok || got != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	var reporting []string
	for _, rule := range p.ReportOnly() {
		reporting = append(reporting, rule.Coordinate())
	}
	if want := []string{"Query.items", "Query.users", "Query.find", "User.email", "User.phone"}; !slices.Equal(reporting, want) {
		t.Errorf("got %q, want %q", reporting, want)
	}
	if _, ok := p.Rule("User", "check"); ok {
		t.Error("@credential counts as a rule")
	}
}

// Neither the order of the two rules nor a written default makes a difference.
func TestOrderOfTwoRulesDoesNotMatter(t *testing.T) {
	p := compile(t, declarations, `type Query {
		a: Int @auth(role: STAFF, reportOnly: false) @auth(role: ADMIN, reportOnly: true)
		b: Int @auth(role: ADMIN, reportOnly: true) @auth(role: STAFF)
		c: Int @auth(reportOnly: true) @public
	}`)
	a, _ := p.Rule("Query", "a")
	b, _ := p.Rule("Query", "b")
	c, _ := p.Rule("Query", "c")
	if a.Role != "STAFF" || a.Enforced() != b.Enforced() || a.ReportOnly != b.ReportOnly || !c.Public || c.Written != "@auth(reportOnly: true) @public" {
		t.Errorf("got\n%+v\n%+v\n%+v", a, b, c)
	}
}

func TestAccess(t *testing.T) {
	p := compile(t, reportOnlyDeclarations, reportOnlySchema)
	for _, row := range []struct {
		name, typeName, field, role string
		now                         policy.Access
		reported                    bool
	}{
		{"an anonymous request for a public field that will require a user is reported", "Query", "items", "", policy.Yes, true},
		{"a role that both rules admit is not reported", "Query", "items", "USER", policy.Yes, false},
		{"a role that the enforced rule denies is not reported", "Query", "users", "USER", policy.No, false},
		{"a role that only the enforced rule admits is reported", "Query", "users", "STAFF", policy.Yes, true},
		{"an owner whom the report-only rule denies is reported", "User", "email", "USER", policy.Own, true},
		{"an anonymous request owns no object", "User", "email", "", policy.No, false},
		{"a role that will be limited to owned objects is reported", "User", "phone", "USER", policy.Yes, true},
		{"an unknown role has no access", "Query", "users", "WIZARD", policy.No, false},
	} {
		rule, _ := p.Rule(row.typeName, row.field)
		if now, reported := p.Access(rule, row.role); now != row.now || reported != row.reported {
			t.Errorf("%s: got %s, %v", row.name, now, reported)
		}
	}
}

func TestInvalidReportOnlyRulesAreRejected(t *testing.T) {
	const nothing = " has a report-only @auth that is not stricter than the enforced one, so it never reports: remove it, or require more"
	runAll(t, []rejection{
		{
			name: "two report-only rules or two enforced rules are rejected",
			schema: `type Query {
				a: Int @public @auth(reportOnly: true) @auth(role: ADMIN, reportOnly: true)
				b: Int @auth @auth(role: ADMIN, reportOnly: false)
			}`,
			want: []string{
				"schema.graphqls:2: Query.a has @auth(reportOnly: true) more than once: keep one",
				"schema.graphqls:3: Query.b has @auth more than once: keep one",
			},
		},
		{
			name:   "a report-only rule does not allow both @auth and @public",
			schema: `type Query { a: Int @auth @auth(role: ADMIN, reportOnly: true) @public }`,
			want:   []string{"schema.graphqls:1: Query.a has both @auth and @public: keep @auth to require a signed-in user, or @public to require no sign-in"},
		},
		{
			name: "a report-only rule that never reports is rejected",
			schema: `type Query { a: Int @auth(role: ADMIN) @auth(role: STAFF, reportOnly: true) }
				type User {
					b: Int @auth(role: STAFF) @auth(role: STAFF, orOwner: true, reportOnly: true)
					fine: Int @auth(role: STAFF, orOwner: true) @auth(role: STAFF, reportOnly: true)
				}`,
			want: []string{"schema.graphqls:1: Query.a" + nothing, "schema.graphqls:3: User.b" + nothing},
		},
		{
			name: "the checks of enforced rules apply",
			schema: `type Query {
				a: Int! @public @auth(reportOnly: true)
				b: Int @public @auth(orOwner: true, reportOnly: true)
				c: Int @public @auth(role: WIZARD, reportOnly: true)
			}
			type User { d: Int @public @auth(reportOnly: true) }`,
			want: []string{
				"schema.graphqls:2: Query.a has @auth but is non-null (Int!): write Int, because a denied field is null",
				"schema.graphqls:3: Query.b is a root field, which has no owner, but has orOwner: true: remove orOwner, and let the resolver return only the user's own objects",
				"schema.graphqls:4: Query.c requires WIZARD, which is not a role: write one of USER, STAFF, ADMIN",
				"schema.graphqls:6: User.d has @public, which has an effect on root fields only: remove it; other fields are open unless they have @auth",
			},
		},
		{
			name:   "reportOnly must be a Boolean",
			schema: `type Query { a: Int @auth(reportOnly: "true") }`,
			want:   []string{`schema.graphqls:1: Query.a has @auth(reportOnly: "true"), which is not a Boolean: write true or false`},
		},
		{
			name: "a report-only rule identifies no account for a limit", declarations: limitDeclarations,
			schema: `type Query { a: Int @auth(reportOnly: true) @limit(by: ACCOUNT, count: 1, window: "1s") }`,
			want:   []string{"schema.graphqls:1: Query.a has @limit(by: ACCOUNT), but nothing identifies the account: add @auth, an email: String! as argument or input field, or the token: String! of a mail as argument"},
		},
		{
			name: "implementors need the same report-only rule",
			schema: `type Query { a: Int @public }
				interface Actor { email: String }
				type Bot implements Actor { email: String @auth }
				type User implements Actor { email: String @auth @auth(role: ADMIN, reportOnly: true) }
				interface Named { name: String }
				type Cat implements Named { name: String }
				type Dog implements Named { name: String @auth(reportOnly: true) }`,
			want: []string{
				"schema.graphqls:4: User.email has @auth @auth(role: ADMIN, reportOnly: true), but Bot.email has @auth, and both implement Actor.email: write the same rule on both, or remove email from Actor",
				"schema.graphqls:6: Cat.name has no @auth, but Dog.name has @auth(reportOnly: true), and both implement Named.name: write the same rule on both, or remove name from Named",
			},
		},
		{
			name:         "@credential on a field of an interface is rejected",
			declarations: declarations + "directive @credential on FIELD_DEFINITION",
			schema: `type Query { a: Int @public }
				interface Safe { open(pin: ID): Int @credential }`,
			want: []string{"schema.graphqls:2: Safe.open has @credential, which is not enforced there: write it on open of every type that implements Safe"},
		},
	})
}

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

// Which of the two stands first makes no difference, and neither does a written default.
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
		{"a public field that will ask for a person lets nobody through and reports it", "Query", "items", "", policy.Yes, true},
		{"whom both let through is not reported", "Query", "items", "USER", policy.Yes, false},
		{"whom the rule in force denies is denied and not reported", "Query", "users", "USER", policy.No, false},
		{"whom only the rule in force lets through is reported", "Query", "users", "STAFF", policy.Yes, true},
		{"an owner who will not be let through any more is reported", "User", "email", "USER", policy.Own, true},
		{"nobody owns anything", "User", "email", "", policy.No, false},
		{"who will see their own only is reported for the others'", "User", "phone", "USER", policy.Yes, true},
		{"a role that there is not is nobody's", "Query", "users", "WIZARD", policy.No, false},
	} {
		rule, _ := p.Rule(row.typeName, row.field)
		if now, reported := p.Access(rule, row.role); now != row.now || reported != row.reported {
			t.Errorf("%s: got %s, %v", row.name, now, reported)
		}
	}
}

func TestInvalidReportOnlyRulesAreRejected(t *testing.T) {
	const nothing = " reports nothing: whom the other @auth lets through, this one would too: take it out, or let it ask for more"
	runAll(t, []rejection{
		{
			name: "two that report are one too many, and so are two in force",
			schema: `type Query {
				a: Int @public @auth(reportOnly: true) @auth(role: ADMIN, reportOnly: true)
				b: Int @auth @auth(role: ADMIN, reportOnly: false)
			}`,
			want: []string{
				"schema.graphqls:2: Query.a carries @auth(reportOnly: true) more than once: keep one",
				"schema.graphqls:3: Query.b carries @auth more than once: keep one",
			},
		},
		{
			name:   "a report does not stand between @auth and @public",
			schema: `type Query { a: Int @auth @auth(role: ADMIN, reportOnly: true) @public }`,
			want:   []string{"schema.graphqls:1: Query.a has both @auth and @public: keep @auth if it needs a signed-in person, or @public if anybody may use it"},
		},
		{
			name: "a report of what cannot happen is refused",
			schema: `type Query { a: Int @auth(role: ADMIN) @auth(role: STAFF, reportOnly: true) }
				type User {
					b: Int @auth(role: STAFF) @auth(role: STAFF, orOwner: true, reportOnly: true)
					fine: Int @auth(role: STAFF, orOwner: true) @auth(role: STAFF, reportOnly: true)
				}`,
			want: []string{"schema.graphqls:1: Query.a" + nothing, "schema.graphqls:3: User.b" + nothing},
		},
		{
			name: "it is held to what holds for a rule in force",
			schema: `type Query {
				a: Int! @public @auth(reportOnly: true)
				b: Int @public @auth(orOwner: true, reportOnly: true)
				c: Int @public @auth(role: WIZARD, reportOnly: true)
			}
			type User { d: Int @public @auth(reportOnly: true) }`,
			want: []string{
				"schema.graphqls:2: Query.a is gated by @auth but never null (Int!): write Int, because a denied field is answered with null",
				"schema.graphqls:3: Query.b is a root field, which has no owner, but says orOwner: true: write orOwner: false, and let the resolver look for what is the caller's own",
				"schema.graphqls:4: Query.c asks for WIZARD, which is no role: write one of USER, STAFF, ADMIN",
				"schema.graphqls:6: User.d carries @public, which says nothing on a field of a type that is no root: remove it, such a field is open unless it carries @auth",
			},
		},
		{
			name:   "reportOnly is true or false",
			schema: `type Query { a: Int @auth(reportOnly: "true") }`,
			want:   []string{`schema.graphqls:1: Query.a says reportOnly: "true": write true or false`},
		},
		{
			name: "a limit by account has no account of those who are let through", declarations: limitDeclarations,
			schema: `type Query { a: Int @auth(reportOnly: true) @limit(by: ACCOUNT, count: 1, window: "1s") }`,
			want:   []string{"schema.graphqls:1: Query.a is limited by ACCOUNT, but nothing says which account: gate it by @auth, or let it take an email: String!, itself or in its input, or the token: String! of a mail"},
		},
		{
			name: "types behind an interface agree on it",
			schema: `type Query { a: Int @public }
				interface Actor { email: String }
				type Bot implements Actor { email: String @auth }
				type User implements Actor { email: String @auth @auth(role: ADMIN, reportOnly: true) }
				interface Named { name: String }
				type Cat implements Named { name: String }
				type Dog implements Named { name: String @auth(reportOnly: true) }`,
			want: []string{
				"schema.graphqls:4: User.email has @auth @auth(role: ADMIN, reportOnly: true), but Bot.email has @auth, and both are read as Actor.email: write the same rule on both, or take email out of Actor",
				"schema.graphqls:6: Cat.name is open, but Dog.name has @auth(reportOnly: true), and both are read as Named.name: write the same rule on both, or take name out of Named",
			},
		},
		{
			name:         "@credential stands on fields of types",
			declarations: declarations + "directive @credential on FIELD_DEFINITION",
			schema: `type Query { a: Int @public }
				interface Safe { open(pin: ID): Int @credential }`,
			want: []string{"schema.graphqls:2: Safe.open carries @credential, which is not enforced there: write it on open of every type that implements Safe"},
		},
	})
}

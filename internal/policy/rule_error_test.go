package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

const hello = "type Query { hello: String @public }"

// wideDeclarations allows the directives everywhere and repeatedly, so that gqlparser does not
// reject them.
var wideDeclarations = mustReplace(mustReplace(mustReplace(declarations,
	"repeatable ", ""), "on FIELD_DEFINITION", "repeatable on FIELD_DEFINITION|ARGUMENT_DEFINITION|INPUT_FIELD_DEFINITION|"+
	"OBJECT|INTERFACE|UNION|ENUM|ENUM_VALUE|SCALAR|INPUT_OBJECT|SCHEMA"),
	"on ENUM_VALUE", "repeatable on ENUM_VALUE|FIELD_DEFINITION")

type rejection struct {
	name         string
	declarations string // "" for the constant declarations
	schema       string
	want         []string
}

func (test rejection) run(t *testing.T) {
	if test.declarations == "" {
		test.declarations = declarations
	}
	p, err := policy.Compile(load(t, test.declarations, test.schema))
	if err == nil || p != nil {
		t.Fatalf("got a policy (%v) and the error %v", p != nil, err)
	}
	var got []string
	for _, v := range ruleErrors(t, err) {
		// WideDeclarations itself is rejected, which another test checks.
		if test.declarations != wideDeclarations || v.File == "schema.graphqls" {
			got = append(got, v.Error())
		}
	}
	if !slices.Equal(got, test.want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
	}
}

func runAll(t *testing.T, tests []rejection) {
	for _, test := range tests {
		t.Run(test.name, test.run)
	}
}

func TestRootFieldsNeedExactlyOneRule(t *testing.T) {
	runAll(t, []rejection{
		{
			name: "a field without a rule is rejected",
			schema: `type Query {
				hello: String @public
				me: String
			}`,
			want: []string{"schema.graphqls:3: Query.me has neither @auth nor @public: write @auth(role: …) to require a signed-in user, or @public to require no sign-in"},
		},
		{
			name: "a description does not shift the line",
			schema: `type Query {
				"""
				The signed-in user.
				"""
				me(
					id: ID
				): String
			}`,
			want: []string{"schema.graphqls:5: Query.me has neither @auth nor @public: write @auth(role: …) to require a signed-in user, or @public to require no sign-in"},
		},
		{
			name: "root types of any name are checked, and all errors are reported",
			schema: `schema { query: Query mutation: Write }

				type Write { buy: Int }
				type Query { hello: String }
				extend type Query { bye: String }`,
			want: []string{
				"schema.graphqls:3: Write.buy has neither @auth nor @public: write @auth(role: …) to require a signed-in user, or @public to require no sign-in",
				"schema.graphqls:4: Query.hello has neither @auth nor @public: write @auth(role: …) to require a signed-in user, or @public to require no sign-in",
				"schema.graphqls:5: Query.bye has neither @auth nor @public: write @auth(role: …) to require a signed-in user, or @public to require no sign-in",
			},
		},
		{
			name:   "two kinds of rules on a field are rejected",
			schema: `type Query { me: String @auth @public }`,
			want:   []string{"schema.graphqls:1: Query.me has both @auth and @public: keep @auth to require a signed-in user, or @public to require no sign-in"},
		},
		{
			name:         "a repeated rule is rejected",
			declarations: wideDeclarations,
			schema: `type Query {
				me: String @auth @auth(role: ADMIN)
				hello: String @public @public
			}`,
			want: []string{
				"schema.graphqls:2: Query.me has @auth more than once: keep one",
				"schema.graphqls:3: Query.hello has @public more than once: keep one",
			},
		},
	})
}

func TestInvalidAuthRulesAreRejected(t *testing.T) {
	runAll(t, []rejection{
		{
			name: "a gated non-null field is rejected",
			schema: `type Query {
				me: String! @auth
				all: [String!]! @auth(role: STAFF)
				fine: [String!] @auth
				public: String! @public
			}`,
			want: []string{
				"schema.graphqls:2: Query.me has @auth but is non-null (String!): write String, because a denied field is null",
				"schema.graphqls:3: Query.all has @auth but is non-null ([String!]!): write [String!], because a denied field is null",
			},
		},
		{
			name: "a gated non-null field of a type is rejected",
			schema: `type Query { me: User @auth }
				type User { email: String! @auth }`,
			want: []string{"schema.graphqls:2: User.email has @auth but is non-null (String!): write String, because a denied field is null"},
		},
		{
			name: "a root field has no owner",
			schema: `type Query { hello: String @public }
				type Mutation { buy: Int @auth(orOwner: true) }`,
			want: []string{"schema.graphqls:2: Mutation.buy is a root field, which has no owner, but has orOwner: true: remove orOwner, and let the resolver return only the user's own objects"},
		},
		{
			name: "@public on a field of a type is rejected",
			schema: `type Query { me: User @auth }
				type User { name: String @public }`,
			want: []string{"schema.graphqls:2: User.name has @public, which has an effect on root fields only: remove it; other fields are open unless they have @auth"},
		},
		{
			name:   "an unknown role is rejected",
			schema: `type Query { me: String @auth(role: WIZARD) }`,
			want:   []string{"schema.graphqls:1: Query.me requires WIZARD, which is not a role: write one of USER, STAFF, ADMIN"},
		},
		{
			name:   "a quoted role is rejected",
			schema: `type Query { me: String @auth(role: "ADMIN") }`,
			want:   []string{`schema.graphqls:1: Query.me requires "ADMIN", which is not a role: write one of USER, STAFF, ADMIN`},
		},
		{
			name:   "null is rejected, although the argument has a default",
			schema: `type Query { me: String @auth(role: null) }`,
			want:   []string{"schema.graphqls:1: Query.me requires null, which is not a role: write one of USER, STAFF, ADMIN"},
		},
		{
			name:   "orOwner must be a Boolean",
			schema: `type Query { me: String @auth(orOwner: null) }`,
			want:   []string{"schema.graphqls:1: Query.me has @auth(orOwner: null), which is not a Boolean: write true or false"},
		},
		{
			name:   "a repeated argument is rejected",
			schema: `type Query { me: String @auth(role: USER, role: ADMIN) }`,
			want:   []string{"schema.graphqls:1: Query.me has @auth with the argument role more than once: keep one"},
		},
	})
}

func TestMisplacedRulesAreRejected(t *testing.T) {
	field := "write it on the field that takes or returns it"
	runAll(t, []rejection{
		{
			name: "on a type", declarations: wideDeclarations,
			schema: hello + "\n" + `type User @auth { id: ID }`,
			want:   []string{"schema.graphqls:2: type User has @auth, which is not enforced there: write it on each field of the type that needs it"},
		},
		{
			name: "on a root type", declarations: wideDeclarations,
			schema: hello + "\n" + `extend type Query @auth`,
			want:   []string{"schema.graphqls:2: type Query has @auth, which is not enforced there: write it on each field of the type that needs it"},
		},
		{
			name: "on an interface", declarations: wideDeclarations,
			schema: hello + "\n" + `interface Node @auth { id: ID }`,
			want:   []string{"schema.graphqls:2: interface Node has @auth, which is not enforced there: write it on the fields of every type that implements Node"},
		},
		{
			name:   "on an interface's field",
			schema: hello + "\n" + `interface Node { id: ID @auth  name: String @public }`,
			want: []string{
				"schema.graphqls:2: Node.id has @auth, which is not enforced there: write it on id of every type that implements Node",
				"schema.graphqls:2: Node.name has @public, which is not enforced there: write it on name of every type that implements Node",
			},
		},
		{
			name: "on a field's argument, at the line of the rule", declarations: wideDeclarations,
			schema: `type Query {
				user(
					id: ID!
						@auth
				): String @public
			}`,
			want: []string{"schema.graphqls:4: Query.user(id:) has @auth, which is not enforced there: " + field},
		},
		{
			name: "on an input and its field", declarations: wideDeclarations,
			schema: hello + "\n" + `input Search @auth { text: String @public }`,
			want: []string{
				"schema.graphqls:2: input Search has @auth, which is not enforced there: " + field,
				"schema.graphqls:2: Search.text has @public, which is not enforced there: " + field,
			},
		},
		{
			name: "on a union, a scalar, an enum and its value", declarations: wideDeclarations,
			schema: hello + "\n" + `scalar Time @auth
				enum Colour @public { RED @auth }
				type User { id: ID }
				union Anything @auth = User`,
			want: []string{
				"schema.graphqls:2: scalar Time has @auth, which is not enforced there: " + field,
				"schema.graphqls:3: enum Colour has @public, which is not enforced there: " + field,
				"schema.graphqls:3: Colour.RED has @auth, which is not enforced there: " + field,
				"schema.graphqls:5: union Anything has @auth, which is not enforced there: " + field,
			},
		},
		{
			name: "on the schema", declarations: wideDeclarations,
			schema: "schema @auth { query: Query }\n" + hello,
			want:   []string{"schema.graphqls:1: schema has @auth, which is not enforced there: write it on each root field"},
		},
		{
			name: "on a directive's argument", declarations: wideDeclarations,
			schema: "directive @slow(seconds: Int @auth) on FIELD_DEFINITION\n" + hello,
			want:   []string{"schema.graphqls:1: @slow(seconds:) has @auth, which is not enforced there: " + field},
		},
		{
			name: "@includes elsewhere than on roles", declarations: wideDeclarations,
			schema: `type Query { hello: String @public @includes(roles: [USER]) }
				enum Colour { RED @includes(roles: [USER]) }`,
			want: []string{
				"schema.graphqls:1: Query.hello has @includes, which is allowed on values of enum Role only: remove it",
				"schema.graphqls:2: Colour.RED has @includes, which is allowed on values of enum Role only: remove it",
			},
		},
	})
}

func TestImplementorsNeedTheSameRule(t *testing.T) {
	const query = "type Query { hello: String @public }\n"
	runAll(t, []rejection{
		{
			name: "one type gates the field and another leaves it open",
			schema: query + `interface Actor { email: String }
				type Bot implements Actor { email: String }
				type User implements Actor { email: String @auth(role: STAFF) }`,
			want: []string{"schema.graphqls:3: Bot.email has no @auth, but User.email has @auth(role: STAFF), and both implement Actor.email: write the same rule on both, or remove email from Actor"},
		},
		{
			name: "two types require different roles",
			schema: query + `interface Actor { email: String }
				type User implements Actor { email: String @auth(role: STAFF) }
				type Bot implements Actor { email: String @auth }`,
			want: []string{"schema.graphqls:4: Bot.email has @auth, but User.email has @auth(role: STAFF), and both implement Actor.email: write the same rule on both, or remove email from Actor"},
		},
		{
			name: "one of two types has orOwner",
			schema: query + `interface Actor { email: String }
				type User implements Actor { email: String @auth(role: STAFF, orOwner: true) }
				type Bot implements Actor { email: String @auth(role: STAFF) }`,
			want: []string{"schema.graphqls:4: Bot.email has @auth(role: STAFF), but User.email has @auth(role: STAFF, orOwner: true), and both implement Actor.email: write the same rule on both, or remove email from Actor"},
		},
		{
			name: "a public root field counts as open",
			schema: `interface Actor { email: String }
				type Query implements Actor { email: String @public }
				type User implements Actor { email: String @auth }`,
			want: []string{"schema.graphqls:2: Query.email has no @auth, but User.email has @auth, and both implement Actor.email: write the same rule on both, or remove email from Actor"},
		},
		{
			name: "a parent interface covers implementors of different interfaces, and each difference is reported once",
			schema: query + `interface Node { email: String }
				interface Person implements Node { email: String }
				type User implements Person & Node { email: String @auth }
				type Guest implements Person & Node { email: String }
				type Bot implements Node { email: String }`,
			want: []string{
				"schema.graphqls:5: Guest.email has no @auth, but User.email has @auth, and both implement Node.email: write the same rule on both, or remove email from Node",
				"schema.graphqls:6: Bot.email has no @auth, but User.email has @auth, and both implement Node.email: write the same rule on both, or remove email from Node",
			},
		},
		{
			name: "a field of the child interface only",
			schema: query + `interface Node { id: ID }
				interface Person implements Node { id: ID  email: String }
				type User implements Person & Node { id: ID  email: String @auth }
				type Guest implements Person & Node { id: ID  email: String }`,
			want: []string{"schema.graphqls:5: Guest.email has no @auth, but User.email has @auth, and both implement Person.email: write the same rule on both, or remove email from Person"},
		},
		{
			name: "a non-null field of an interface cannot be gated",
			schema: query + `interface Actor { email: String! }
				type User implements Actor { email: String! @auth }`,
			want: []string{
				"schema.graphqls:2: Actor.email is non-null (String!), but User.email implements it and has @auth: write String, because a denied field is null",
				"schema.graphqls:3: User.email has @auth but is non-null (String!): write String, because a denied field is null",
			},
		},
	})
}

func TestImplementorsWithTheSameRuleCompile(t *testing.T) {
	compile(t, declarations, `type Query { hello: String @public }
		interface Actor { name: String!  email: String }
		type User implements Actor { name: String!  email: String @auth }
		type Bot implements Actor { name: String!  email: String @auth(role: USER, orOwner: false) }
		type Stone { email: String }`)
}

func TestInvalidRolesAreRejected(t *testing.T) {
	runAll(t, []rejection{
		{
			name: "an unknown role", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[STUFF]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN includes STUFF, which is not a role: write one of USER, STAFF, ADMIN"},
		},
		{
			name: "a quoted role", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", `"STAFF"`),
			want:         []string{`rules.graphqls:7: Role.ADMIN includes "STAFF", which is not a role: write one of USER, STAFF, ADMIN`},
		},
		{
			name: "a role that includes itself", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[STAFF, ADMIN]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN lists itself: remove it; every role includes itself"},
		},
		{
			name: "a role listed twice", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[STAFF, STAFF]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN includes STAFF more than once: keep one"},
		},
		{
			name: "a cycle of roles", schema: hello,
			declarations: mustReplace(declarations, "USER\n", "USER @includes(roles: [ADMIN])\n"),
			want:         []string{"rules.graphqls:5: Role.USER is in the cycle USER → ADMIN → STAFF → USER: remove the @includes of a weaker role that lists a stronger one"},
		},
		{
			name: "several cycles, two of which share a step", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "[USER]", "[USER, ADMIN]"),
				"USER\n", "USER A @includes(roles: [B]) B @includes(roles: [C, D]) C @includes(roles: [A]) D @includes(roles: [A])\n"),
			want: []string{
				"rules.graphqls:5: Role.A is in the cycle A → B → C → A: remove the @includes of a weaker role that lists a stronger one",
				"rules.graphqls:5: Role.A is in the cycle A → B → D → A: remove the @includes of a weaker role that lists a stronger one",
				"rules.graphqls:6: Role.STAFF is in the cycle STAFF → ADMIN → STAFF: remove the @includes of a weaker role that lists a stronger one",
			},
		},
		{
			name: "a role that does not include USER", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN does not include USER, so a bare @auth would deny its users: write @includes(roles: [USER]), or list a role that includes USER"},
		},
		{
			name: "a role without USER is reported once, not again at the roles that include it", schema: hello,
			declarations: mustReplace(declarations, " @includes(roles: [USER])", ""),
			want: []string{
				"rules.graphqls:6: Role.STAFF does not include USER, so a bare @auth would deny its users: write @includes(roles: [USER]), or list a role that includes USER",
			},
		},
		{
			name: "no USER and no ADMIN", schema: hello,
			declarations: mustReplace(mustReplace(mustReplace(declarations, "ADMIN", "BOSS"), "[USER]", "[GUEST]"),
				"  USER\n", "  GUEST\n"),
			want: []string{
				"rules.graphqls:1: @auth(role:) requires USER, which is not a role: write one of GUEST, STAFF, BOSS",
				"rules.graphqls:4: enum Role has no USER: add it; it is the role of every registered user",
				"rules.graphqls:4: enum Role has no ADMIN: add it; it is the role of the first administrator",
			},
		},
		{
			name: "Role is not an enum", schema: hello + " scalar Role",
			declarations: declarations[:strings.Index(declarations, "enum Role")],
			want:         []string{"enum Role is not declared: write enum Role { USER STAFF @includes(roles: [USER]) ADMIN @includes(roles: [STAFF]) }, with the roles you need"},
		},
	})
}

func TestRepeatedIncludesIsRejected(t *testing.T) {
	p, err := policy.Compile(load(t, mustReplace(wideDeclarations, "[STAFF])", "[STAFF]) @includes(roles: [USER])"), hello))
	got := ruleErrors(t, err)
	want := "rules.graphqls:7: Role.ADMIN has @includes more than once: keep one"
	if p != nil || len(got) == 0 || got[len(got)-1].Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestInvalidDeclarationsAreRejected(t *testing.T) {
	const (
		auth     = ": write directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false, maxAge: String, mfa: MfaRequirement! = NO) repeatable on FIELD_DEFINITION"
		public   = ": write directive @public on FIELD_DEFINITION"
		includes = ": write directive @includes(roles: [Role!]!) on ENUM_VALUE"

		credential = ": write directive @credential on FIELD_DEFINITION"
	)
	runAll(t, []rejection{
		{
			name: "no declarations, which gqlparser accepts", declarations: "enum Role { USER ADMIN }", schema: "scalar Any",
			want: []string{
				"@auth is not declared" + auth,
				"@public is not declared" + public,
				"@includes is not declared" + includes,
				"rules.graphqls:1: Role.ADMIN does not include USER, so a bare @auth would deny its users: write @includes(roles: [USER]), or list a role that includes USER",
			},
		},
		{
			name: "allowed where they are not enforced", schema: hello,
			declarations: mustReplace(declarations, "on FIELD_DEFINITION", "on FIELD_DEFINITION | OBJECT"),
			want: []string{
				"rules.graphqls:1: @auth is declared on FIELD_DEFINITION | OBJECT but is enforced on FIELD_DEFINITION only" + auth,
				"rules.graphqls:2: @public is declared on FIELD_DEFINITION | OBJECT but is enforced on FIELD_DEFINITION only" + public,
			},
		},
		{
			name: "repeatable", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "@public on", "@public repeatable on"),
				"on ENUM_VALUE", "repeatable on ENUM_VALUE"),
			want: []string{
				"rules.graphqls:2: @public is declared repeatable but is allowed once only" + public,
				"rules.graphqls:3: @includes is declared repeatable but is allowed once only" + includes,
			},
		},
		{
			name: "without arguments", schema: hello,
			declarations: mustReplace(declarations,
				"@auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false)",
				"@auth"),
			want: []string{
				"rules.graphqls:1: @auth has no argument role: Role!" + auth,
				"rules.graphqls:1: @auth has no argument orOwner: Boolean!" + auth,
				"rules.graphqls:1: @auth has no argument reportOnly: Boolean!" + auth,
			},
		},
		{
			name: "with arguments of other types", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "role: Role! =", "role: Role ="),
				"roles: [Role!]!", "roles: [Role!]"),
			want: []string{
				"rules.graphqls:1: @auth has the argument role: Role instead of Role!" + auth,
				"rules.graphqls:3: @includes has the argument roles: [Role!] instead of [Role!]!" + includes,
			},
		},
		{
			name: "with an optional argument that is omitted", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "roles: [Role!]!", "roles: [Role!]"),
				"(roles: [STAFF])", ""),
			want: []string{
				"rules.graphqls:3: @includes has the argument roles: [Role!] instead of [Role!]!" + includes,
				"rules.graphqls:7: Role.ADMIN does not include USER, so a bare @auth would deny its users: write @includes(roles: [USER]), or list a role that includes USER",
			},
		},
		{
			name: "with unknown arguments", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "= false) repeatable", "= false, scope: String) repeatable"),
				"@public", "@public(why: String)"),
			want: []string{
				"rules.graphqls:1: @auth has the unknown argument scope" + auth,
				"rules.graphqls:2: @public has the unknown argument why" + public,
			},
		},
		{
			name: "with invalid defaults, which are reported once and not on every field", schema: "type Query { me: String @auth }",
			declarations: mustReplace(mustReplace(declarations, "Role! = USER", "Role! = WIZARD"), "= false", "= 0"),
			want: []string{
				"rules.graphqls:1: @auth(role:) requires WIZARD, which is not a role: write one of USER, STAFF, ADMIN",
				"rules.graphqls:1: @auth(orOwner:) has @auth(orOwner: 0), which is not a Boolean: write true or false",
				"rules.graphqls:1: @auth(reportOnly:) has @auth(reportOnly: 0), which is not a Boolean: write true or false",
			},
		},
		{
			name: "with a default that would disable every rule", schema: "type Query { me: String @auth }",
			declarations: mustReplace(declarations, "reportOnly: Boolean! = false", "reportOnly: Boolean! = true"),
			want:         []string{"rules.graphqls:1: @auth(reportOnly:) is true by default, so a rule without it would not be enforced: write reportOnly: Boolean! = false"},
		},
		{
			name: "@credential on other locations, or repeatable", schema: hello,
			declarations: declarations + "directive @credential repeatable on FIELD_DEFINITION | ARGUMENT_DEFINITION",
			want: []string{
				"rules.graphqls:9: @credential is declared on FIELD_DEFINITION | ARGUMENT_DEFINITION but is enforced on FIELD_DEFINITION only" + credential,
				"rules.graphqls:9: @credential is declared repeatable but is allowed once only" + credential,
			},
		},
	})
}

func TestSubscriptionsAreRejected(t *testing.T) {
	const problem = " is the subscription type, but the server does not support subscriptions: remove it, and let clients poll a field of Query"
	runAll(t, []rejection{
		{
			name:   "with rules",
			schema: hello + "\ntype Subscription { tick: Int @auth }",
			want:   []string{"schema.graphqls:2: type Subscription" + problem},
		},
		{
			name:   "under another name, by an extension",
			schema: "schema { query: Query }\n" + hello + "\ntype Watch { tick: Int @public }\nextend schema { subscription: Watch }",
			want:   []string{"schema.graphqls:3: type Watch" + problem},
		},
	})
}

func TestErrorsAreSortedByFileThenLine(t *testing.T) {
	_, err := policy.Compile(load(t, mustReplace(declarations, "[STAFF]", "[STUFF]"), `type Zoo { a: ID @public }
		type Query { b: ID
			c: ID }
		type Apple { d: ID! @auth }`))
	var got []string
	for _, v := range ruleErrors(t, err) {
		got = append(got, v.Coordinate)
	}
	if want := []string{"Role.ADMIN", "Zoo.a", "Query.b", "Query.c", "Apple.d"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A schema built in Go has no positions at all, or positions without a source.
func TestPositionsMayBeMissing(t *testing.T) {
	for _, test := range []struct {
		name string
		at   *ast.Position
		want string
	}{
		{"no position", nil, "Query.me has neither"},
		{"no source", &ast.Position{Line: 7}, "line 7: Query.me has neither"},
		{"a source without a name", &ast.Position{Line: 7, Src: &ast.Source{}}, "line 7: Query.me has neither"},
	} {
		t.Run(test.name, func(t *testing.T) {
			query := &ast.Definition{Kind: ast.Object, Name: "Query", Position: test.at, Fields: ast.FieldList{
				{Name: "me", Type: ast.NamedType("String", nil), Position: test.at},
			}}
			schema := load(t, declarations, hello)
			schema.Query, schema.Types["Query"] = query, query
			_, err := policy.Compile(schema)
			if got := ruleErrors(t, err); len(got) != 1 || !strings.HasPrefix(got[0].Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

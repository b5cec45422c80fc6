package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

const hello = "type Query { hello: String @public }"

// wideDeclarations lets the directives stand everywhere and twice, so that gqlparser has nothing against it.
var wideDeclarations = mustReplace(mustReplace(mustReplace(declarations,
	"repeatable ", ""), "on FIELD_DEFINITION", "repeatable on FIELD_DEFINITION|ARGUMENT_DEFINITION|INPUT_FIELD_DEFINITION|"+
	"OBJECT|INTERFACE|UNION|ENUM|ENUM_VALUE|SCALAR|INPUT_OBJECT|SCHEMA"),
	"on ENUM_VALUE", "repeatable on ENUM_VALUE|FIELD_DEFINITION")

type rejection struct {
	name         string
	declarations string // "" for the usual ones
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
		if test.declarations != wideDeclarations || v.File == "schema.graphqls" { // that wide is refused itself has its own row
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
			name: "a field without a rule is refused",
			schema: `type Query {
				hello: String @public
				me: String
			}`,
			want: []string{"schema.graphqls:3: Query.me has neither @auth nor @public: write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it"},
		},
		{
			name: "a description does not shift the line",
			schema: `type Query {
				"""
				Who is asking.
				"""
				me(
					id: ID
				): String
			}`,
			want: []string{"schema.graphqls:5: Query.me has neither @auth nor @public: write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it"},
		},
		{
			name: "mutations are no exception, whatever their names, and all are told at once",
			schema: `schema { query: Query mutation: Write }

				type Write { buy: Int }
				type Query { hello: String }
				extend type Query { bye: String }`,
			want: []string{
				"schema.graphqls:3: Write.buy has neither @auth nor @public: write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it",
				"schema.graphqls:4: Query.hello has neither @auth nor @public: write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it",
				"schema.graphqls:5: Query.bye has neither @auth nor @public: write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it",
			},
		},
		{
			name:   "both rules on a field are refused",
			schema: `type Query { me: String @auth @public }`,
			want:   []string{"schema.graphqls:1: Query.me has both @auth and @public: keep @auth if it needs a signed-in person, or @public if anybody may use it"},
		},
		{
			name:         "a rule twice on a field is refused",
			declarations: wideDeclarations,
			schema: `type Query {
				me: String @auth @auth(role: ADMIN)
				hello: String @public @public
			}`,
			want: []string{
				"schema.graphqls:2: Query.me carries @auth more than once: keep one",
				"schema.graphqls:3: Query.hello carries @public more than once: keep one",
			},
		},
	})
}

func TestInvalidAuthRulesAreRejected(t *testing.T) {
	runAll(t, []rejection{
		{
			name: "a gated field that is never null is refused",
			schema: `type Query {
				me: String! @auth
				all: [String!]! @auth(role: STAFF)
				fine: [String!] @auth
				public: String! @public
			}`,
			want: []string{
				"schema.graphqls:2: Query.me is gated by @auth but never null (String!): write String, because a denied field is answered with null",
				"schema.graphqls:3: Query.all is gated by @auth but never null ([String!]!): write [String!], because a denied field is answered with null",
			},
		},
		{
			name: "a gated field of a type is held to the same",
			schema: `type Query { me: User @auth }
				type User { email: String! @auth }`,
			want: []string{"schema.graphqls:2: User.email is gated by @auth but never null (String!): write String, because a denied field is answered with null"},
		},
		{
			name: "a root field has no owner",
			schema: `type Query { hello: String @public }
				type Mutation { buy: Int @auth(orOwner: true) }`,
			want: []string{"schema.graphqls:2: Mutation.buy is a root field, which has no owner, but says orOwner: true: write orOwner: false, and let the resolver look for what is the caller's own"},
		},
		{
			name: "@public says nothing on a field of a type",
			schema: `type Query { me: User @auth }
				type User { name: String @public }`,
			want: []string{"schema.graphqls:2: User.name carries @public, which says nothing on a field of a type that is no root: remove it, such a field is open unless it carries @auth"},
		},
		{
			name:   "an unknown role is refused",
			schema: `type Query { me: String @auth(role: WIZARD) }`,
			want:   []string{"schema.graphqls:1: Query.me asks for WIZARD, which is no role: write one of USER, STAFF, ADMIN"},
		},
		{
			name:   "a role in quotes is refused",
			schema: `type Query { me: String @auth(role: "ADMIN") }`,
			want:   []string{`schema.graphqls:1: Query.me asks for "ADMIN", which is no role: write one of USER, STAFF, ADMIN`},
		},
		{
			name:   "null is no role, although the argument has a default",
			schema: `type Query { me: String @auth(role: null) }`,
			want:   []string{"schema.graphqls:1: Query.me asks for null, which is no role: write one of USER, STAFF, ADMIN"},
		},
		{
			name:   "orOwner is true or false",
			schema: `type Query { me: String @auth(orOwner: null) }`,
			want:   []string{"schema.graphqls:1: Query.me says orOwner: null: write true or false"},
		},
		{
			name:   "an argument twice is refused",
			schema: `type Query { me: String @auth(role: USER, role: ADMIN) }`,
			want:   []string{"schema.graphqls:1: Query.me gives @auth the argument role more than once: keep one"},
		},
	})
}

func TestMisplacedRulesAreRejected(t *testing.T) {
	field := "write it on the field that takes or returns it"
	runAll(t, []rejection{
		{
			name: "on a type", declarations: wideDeclarations,
			schema: hello + "\n" + `type User @auth { id: ID }`,
			want:   []string{"schema.graphqls:2: type User carries @auth, which is not enforced there: write it on each field of the type that needs it"},
		},
		{
			name: "on a root type", declarations: wideDeclarations,
			schema: hello + "\n" + `extend type Query @auth`,
			want:   []string{"schema.graphqls:2: type Query carries @auth, which is not enforced there: write it on each field of the type that needs it"},
		},
		{
			name: "on an interface", declarations: wideDeclarations,
			schema: hello + "\n" + `interface Node @auth { id: ID }`,
			want:   []string{"schema.graphqls:2: interface Node carries @auth, which is not enforced there: write it on the fields of every type that implements Node"},
		},
		{
			name:   "on an interface's field",
			schema: hello + "\n" + `interface Node { id: ID @auth  name: String @public }`,
			want: []string{
				"schema.graphqls:2: Node.id carries @auth, which is not enforced there: write it on id of every type that implements Node",
				"schema.graphqls:2: Node.name carries @public, which is not enforced there: write it on name of every type that implements Node",
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
			want: []string{"schema.graphqls:4: Query.user(id:) carries @auth, which is not enforced there: " + field},
		},
		{
			name: "on an input and its field", declarations: wideDeclarations,
			schema: hello + "\n" + `input Search @auth { text: String @public }`,
			want: []string{
				"schema.graphqls:2: input Search carries @auth, which is not enforced there: " + field,
				"schema.graphqls:2: Search.text carries @public, which is not enforced there: " + field,
			},
		},
		{
			name: "on a union, a scalar, an enum and its value", declarations: wideDeclarations,
			schema: hello + "\n" + `scalar Time @auth
				enum Colour @public { RED @auth }
				type User { id: ID }
				union Anything @auth = User`,
			want: []string{
				"schema.graphqls:2: scalar Time carries @auth, which is not enforced there: " + field,
				"schema.graphqls:3: enum Colour carries @public, which is not enforced there: " + field,
				"schema.graphqls:3: Colour.RED carries @auth, which is not enforced there: " + field,
				"schema.graphqls:5: union Anything carries @auth, which is not enforced there: " + field,
			},
		},
		{
			name: "on the schema", declarations: wideDeclarations,
			schema: "schema @auth { query: Query }\n" + hello,
			want:   []string{"schema.graphqls:1: schema carries @auth, which is not enforced there: write it on each root field"},
		},
		{
			name: "on a directive's argument", declarations: wideDeclarations,
			schema: "directive @slow(seconds: Int @auth) on FIELD_DEFINITION\n" + hello,
			want:   []string{"schema.graphqls:1: @slow(seconds:) carries @auth, which is not enforced there: " + field},
		},
		{
			name: "@includes counts on roles only", declarations: wideDeclarations,
			schema: `type Query { hello: String @public @includes(roles: [USER]) }
				enum Colour { RED @includes(roles: [USER]) }`,
			want: []string{
				"schema.graphqls:1: Query.hello carries @includes, which counts on the values of enum Role only: remove it",
				"schema.graphqls:2: Colour.RED carries @includes, which counts on the values of enum Role only: remove it",
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
			want: []string{"schema.graphqls:3: Bot.email is open, but User.email has @auth(role: STAFF), and both are read as Actor.email: write the same rule on both, or take email out of Actor"},
		},
		{
			name: "two types ask for different roles",
			schema: query + `interface Actor { email: String }
				type User implements Actor { email: String @auth(role: STAFF) }
				type Bot implements Actor { email: String @auth }`,
			want: []string{"schema.graphqls:4: Bot.email has @auth, but User.email has @auth(role: STAFF), and both are read as Actor.email: write the same rule on both, or take email out of Actor"},
		},
		{
			name: "orOwner on one of them alone",
			schema: query + `interface Actor { email: String }
				type User implements Actor { email: String @auth(role: STAFF, orOwner: true) }
				type Bot implements Actor { email: String @auth(role: STAFF) }`,
			want: []string{"schema.graphqls:4: Bot.email has @auth(role: STAFF), but User.email has @auth(role: STAFF, orOwner: true), and both are read as Actor.email: write the same rule on both, or take email out of Actor"},
		},
		{
			name: "a root field that is public is open",
			schema: `interface Actor { email: String }
				type Query implements Actor { email: String @public }
				type User implements Actor { email: String @auth }`,
			want: []string{"schema.graphqls:2: Query.email is open, but User.email has @auth, and both are read as Actor.email: write the same rule on both, or take email out of Actor"},
		},
		{
			name: "an interface's interface sees types that implement different ones, and each difference is told once",
			schema: query + `interface Node { email: String }
				interface Person implements Node { email: String }
				type User implements Person & Node { email: String @auth }
				type Guest implements Person & Node { email: String }
				type Bot implements Node { email: String }`,
			want: []string{
				"schema.graphqls:5: Guest.email is open, but User.email has @auth, and both are read as Node.email: write the same rule on both, or take email out of Node",
				"schema.graphqls:6: Bot.email is open, but User.email has @auth, and both are read as Node.email: write the same rule on both, or take email out of Node",
			},
		},
		{
			name: "a field that only the inner interface has",
			schema: query + `interface Node { id: ID }
				interface Person implements Node { id: ID  email: String }
				type User implements Person & Node { id: ID  email: String @auth }
				type Guest implements Person & Node { id: ID  email: String }`,
			want: []string{"schema.graphqls:5: Guest.email is open, but User.email has @auth, and both are read as Person.email: write the same rule on both, or take email out of Person"},
		},
		{
			name: "an interface's field that is never null cannot be gated",
			schema: query + `interface Actor { email: String! }
				type User implements Actor { email: String! @auth }`,
			want: []string{
				"schema.graphqls:2: Actor.email is never null (String!), but User.email stands in for it and is gated: write String, because a denied field is answered with null",
				"schema.graphqls:3: User.email is gated by @auth but never null (String!): write String, because a denied field is answered with null",
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
			name: "a role that is not there", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[STUFF]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN includes STUFF, which is no role: write one of USER, STAFF, ADMIN"},
		},
		{
			name: "a role in quotes", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", `"STAFF"`),
			want:         []string{`rules.graphqls:7: Role.ADMIN includes "STAFF", which is no role: write one of USER, STAFF, ADMIN`},
		},
		{
			name: "a role that includes itself", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[STAFF, ADMIN]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN includes itself: take it out, every role does"},
		},
		{
			name: "a role named twice", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[STAFF, STAFF]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN includes STAFF more than once: name it once"},
		},
		{
			name: "roles in a circle", schema: hello,
			declarations: mustReplace(declarations, "USER\n", "USER @includes(roles: [ADMIN])\n"),
			want:         []string{"rules.graphqls:5: Role.USER includes itself by USER → ADMIN → STAFF → USER: take out the step by which a weaker role includes a stronger one"},
		},
		{
			name: "several circles, two of them by a common way", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "[USER]", "[USER, ADMIN]"),
				"USER\n", "USER A @includes(roles: [B]) B @includes(roles: [C, D]) C @includes(roles: [A]) D @includes(roles: [A])\n"),
			want: []string{
				"rules.graphqls:5: Role.A includes itself by A → B → C → A: take out the step by which a weaker role includes a stronger one",
				"rules.graphqls:5: Role.A includes itself by A → B → D → A: take out the step by which a weaker role includes a stronger one",
				"rules.graphqls:6: Role.STAFF includes itself by STAFF → ADMIN → STAFF: take out the step by which a weaker role includes a stronger one",
			},
		},
		{
			name: "a role that does not include USER", schema: hello,
			declarations: mustReplace(declarations, "[STAFF]", "[]"),
			want:         []string{"rules.graphqls:7: Role.ADMIN does not include USER, so a bare @auth would turn its people away: write @includes(roles: [USER]), or name a role that includes USER"},
		},
		{
			name: "a role that misses USER is told once, not again at those that include it", schema: hello,
			declarations: mustReplace(declarations, " @includes(roles: [USER])", ""),
			want: []string{
				"rules.graphqls:6: Role.STAFF does not include USER, so a bare @auth would turn its people away: write @includes(roles: [USER]), or name a role that includes USER",
			},
		},
		{
			name: "no USER and no ADMIN", schema: hello,
			declarations: mustReplace(mustReplace(mustReplace(declarations, "ADMIN", "BOSS"), "[USER]", "[GUEST]"), "  USER\n", "  GUEST\n"),
			want: []string{
				"rules.graphqls:1: @auth(role:) asks for USER, which is no role: write one of GUEST, STAFF, BOSS",
				"rules.graphqls:4: enum Role has no USER: add it, everybody who registers is given it",
				"rules.graphqls:4: enum Role has no ADMIN: add it, the operator is given it",
			},
		},
		{
			name: "a role that is no enum", schema: hello + " scalar Role",
			declarations: declarations[:strings.Index(declarations, "enum Role")],
			want:         []string{"enum Role is not declared: write enum Role { USER STAFF @includes(roles: [USER]) ADMIN @includes(roles: [STAFF]) }, with the roles you need"},
		},
	})
}

func TestRepeatedIncludesIsRejected(t *testing.T) {
	p, err := policy.Compile(load(t, mustReplace(wideDeclarations, "[STAFF])", "[STAFF]) @includes(roles: [USER])"), hello))
	got := ruleErrors(t, err)
	want := "rules.graphqls:7: Role.ADMIN carries @includes more than once: keep one"
	if p != nil || len(got) == 0 || got[len(got)-1].Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestInvalidDeclarationsAreRejected(t *testing.T) {
	const (
		auth     = ": write directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false) repeatable on FIELD_DEFINITION"
		public   = ": write directive @public on FIELD_DEFINITION"
		includes = ": write directive @includes(roles: [Role!]!) on ENUM_VALUE"

		credential = ": write directive @credential on FIELD_DEFINITION"
	)
	runAll(t, []rejection{
		{
			name: "none of the three, which gqlparser does not mind", declarations: "enum Role { USER ADMIN }", schema: "scalar Any",
			want: []string{
				"@auth is not declared" + auth,
				"@public is not declared" + public,
				"@includes is not declared" + includes,
				"rules.graphqls:1: Role.ADMIN does not include USER, so a bare @auth would turn its people away: write @includes(roles: [USER]), or name a role that includes USER",
			},
		},
		{
			name: "allowed where they are not enforced", schema: hello,
			declarations: mustReplace(declarations, "on FIELD_DEFINITION", "on FIELD_DEFINITION | OBJECT"),
			want: []string{
				"rules.graphqls:1: @auth is declared on FIELD_DEFINITION | OBJECT but counts on FIELD_DEFINITION only" + auth,
				"rules.graphqls:2: @public is declared on FIELD_DEFINITION | OBJECT but counts on FIELD_DEFINITION only" + public,
			},
		},
		{
			name: "repeatable", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "@public on", "@public repeatable on"), "on ENUM_VALUE", "repeatable on ENUM_VALUE"),
			want: []string{
				"rules.graphqls:2: @public is declared repeatable but counts once" + public,
				"rules.graphqls:3: @includes is declared repeatable but counts once" + includes,
			},
		},
		{
			name: "without their arguments", schema: hello,
			declarations: mustReplace(declarations, "@auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false)", "@auth"),
			want: []string{
				"rules.graphqls:1: @auth lacks the argument role: Role!" + auth,
				"rules.graphqls:1: @auth lacks the argument orOwner: Boolean!" + auth,
				"rules.graphqls:1: @auth lacks the argument reportOnly: Boolean!" + auth,
			},
		},
		{
			name: "with arguments of other types", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "role: Role! =", "role: Role ="), "roles: [Role!]!", "roles: [Role!]"),
			want: []string{
				"rules.graphqls:1: @auth has the argument role: Role instead of Role!" + auth,
				"rules.graphqls:3: @includes has the argument roles: [Role!] instead of [Role!]!" + includes,
			},
		},
		{
			name: "with an argument that may be left out, and is", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "roles: [Role!]!", "roles: [Role!]"), "(roles: [STAFF])", ""),
			want: []string{
				"rules.graphqls:3: @includes has the argument roles: [Role!] instead of [Role!]!" + includes,
				"rules.graphqls:7: Role.ADMIN does not include USER, so a bare @auth would turn its people away: write @includes(roles: [USER]), or name a role that includes USER",
			},
		},
		{
			name: "with arguments that nobody reads", schema: hello,
			declarations: mustReplace(mustReplace(declarations, "= false) repeatable", "= false, scope: String) repeatable"), "@public", "@public(why: String)"),
			want: []string{
				"rules.graphqls:1: @auth has the argument scope, which nobody reads" + auth,
				"rules.graphqls:2: @public has the argument why, which nobody reads" + public,
			},
		},
		{
			name: "with defaults that are none, which is told once and not on every field", schema: "type Query { me: String @auth }",
			declarations: mustReplace(mustReplace(declarations, "Role! = USER", "Role! = WIZARD"), "= false", "= 0"),
			want: []string{
				"rules.graphqls:1: @auth(role:) asks for WIZARD, which is no role: write one of USER, STAFF, ADMIN",
				"rules.graphqls:1: @auth(orOwner:) says orOwner: 0: write true or false",
				"rules.graphqls:1: @auth(reportOnly:) says reportOnly: 0: write true or false",
			},
		},
		{
			name: "with a default that would switch off every rule", schema: "type Query { me: String @auth }",
			declarations: mustReplace(declarations, "reportOnly: Boolean! = false", "reportOnly: Boolean! = true"),
			want:         []string{"rules.graphqls:1: @auth(reportOnly:) is true by default, so a rule that does not mention it denies nobody: write reportOnly: Boolean! = false"},
		},
		{
			name: "a @credential that may stand where nobody looks, or twice", schema: hello,
			declarations: declarations + "directive @credential repeatable on FIELD_DEFINITION | ARGUMENT_DEFINITION",
			want: []string{
				"rules.graphqls:9: @credential is declared on FIELD_DEFINITION | ARGUMENT_DEFINITION but counts on FIELD_DEFINITION only" + credential,
				"rules.graphqls:9: @credential is declared repeatable but counts once" + credential,
			},
		},
	})
}

func TestSubscriptionsAreRejected(t *testing.T) {
	const refused = " is the subscription type, but the server has no subscriptions: remove it, and let clients poll a field of Query"
	runAll(t, []rejection{
		{
			name:   "with rules",
			schema: hello + "\ntype Subscription { tick: Int @auth }",
			want:   []string{"schema.graphqls:2: type Subscription" + refused},
		},
		{
			name:   "under another name, by an extension",
			schema: "schema { query: Query }\n" + hello + "\ntype Watch { tick: Int @public }\nextend schema { subscription: Watch }",
			want:   []string{"schema.graphqls:3: type Watch" + refused},
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

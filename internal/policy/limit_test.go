package policy_test

import (
	"slices"
	"testing"
	"time"

	"fieldgate/internal/policy"
)

// limitDeclarations are the usual declarations and those of limits.
const limitDeclarations = declarations + `directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false, failures: Boolean! = true, shared: String) repeatable on FIELD_DEFINITION
enum LimitKey { ADDRESS ACCOUNT_AND_ADDRESS ACCOUNT SESSION }
`

func TestLimits(t *testing.T) {
	p := compile(t, limitDeclarations+"directive @credential on FIELD_DEFINITION\n", `
		type Query { me: Int @auth @limit(by: ACCOUNT, count: 5, window: "90s")  open: Int @public }
		type Mutation {
			login(input: Login!): Int @public
				@limit(by: ADDRESS, count: 30, window: "15m", successes: true)
				@limit(by: ACCOUNT_AND_ADDRESS, count: 1, window: "24h")
			reset(email: String!): Int @limit(by: ACCOUNT, count: 1000, window: "1s") @public
			again(refreshToken: String): Int @public @limit(by: SESSION, count: 3, window: "1m", successes: true)
			render: Int @public @credential @limit(by: SESSION, count: 3, window: "1m", successes: true)
			guess: Int @auth
				@limit(by: ADDRESS, count: 30, window: "15m", successes: true, shared: "hash")
				@limit(by: ADDRESS, count: 7, window: "1m")
				@limit(by: ACCOUNT, count: 60, window: "1h", successes: true, failures: false)
			other: Int @public @limit(by: ADDRESS, count: 30, window: "15m", successes: true, shared: "hash")
		}
		input Login { email: String! }`)
	for _, row := range []struct {
		typeName, field string
		want            []policy.Limit
	}{
		{"Query", "me", []policy.Limit{{By: policy.ByAccount, Count: 5, Window: 90 * time.Second}}},
		{"Query", "open", nil},
		{"Query", "login", nil},
		{"Mutation", "login", []policy.Limit{
			{By: policy.ByAddress, Count: 30, Window: 15 * time.Minute, Successes: true},
			{By: policy.ByAccountAndAddress, Count: 1, Window: 24 * time.Hour},
		}},
		{"Mutation", "reset", []policy.Limit{{By: policy.ByAccount, Count: 1000, Window: time.Second}}},
		{"Mutation", "again", []policy.Limit{{By: policy.BySession, Count: 3, Window: time.Minute, Successes: true}}},
		{"Mutation", "render", []policy.Limit{{By: policy.BySession, Count: 3, Window: time.Minute, Successes: true}}},
		{"Mutation", "guess", []policy.Limit{
			{By: policy.ByAddress, Count: 30, Window: 15 * time.Minute, Successes: true, Shared: "hash"},
			{By: policy.ByAddress, Count: 7, Window: time.Minute},
			{By: policy.ByAccount, Count: 60, Window: time.Hour, Successes: true, SuccessesOnly: true},
		}},
		{"Mutation", "other", []policy.Limit{{By: policy.ByAddress, Count: 30, Window: 15 * time.Minute, Successes: true, Shared: "hash"}}},
	} {
		if got := p.Limits(row.typeName, row.field); !slices.Equal(got, row.want) {
			t.Errorf("%s.%s: got %+v, want %+v", row.typeName, row.field, got, row.want)
		}
	}
	// A declaration from before there were failures and shared.
	old := compile(t, mustReplace(limitDeclarations, ", failures: Boolean! = true, shared: String", ""), `type Query { a: Int @public @limit(by: ADDRESS, count: 1, window: "1s") }`)
	if got, want := old.Limits("Query", "a"), []policy.Limit{{By: policy.ByAddress, Count: 1, Window: time.Second}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (&policy.Policy{}).Limits("Query", "me"); got != nil {
		t.Errorf("the zero policy has %v", got)
	}
}

func TestInvalidLimitsAreRejected(t *testing.T) {
	at := func(directive string) string {
		return "type Query { hello: Int @public }\ntype Mutation { open(email: String!): Int @public " + directive + " }"
	}
	const (
		place     = "schema.graphqls:2: Mutation.open "
		aWindow   = `: write "1s" to "24h", as in "15m"`
		aCount    = ": write how many, 1 at least, and 1,000 a second at most"
		noAccount = ", but nothing says which account: gate it by @auth, or let it take an email: String!, itself or in its input, or the token: String! of a mail"
	)
	runAll(t, []rejection{
		{name: "a key that is none is refused", declarations: limitDeclarations, schema: at(`@limit(by: PLANET, count: 1, window: "1s")`), want: []string{place + "is limited by PLANET, which is no LimitKey: write one of ADDRESS, ACCOUNT_AND_ADDRESS, ACCOUNT, SESSION"}},
		{name: "a key in quotes is refused", declarations: limitDeclarations, schema: at(`@limit(by: "ADDRESS", count: 1, window: "1s")`), want: []string{place + `is limited by "ADDRESS", which is no LimitKey: write one of ADDRESS, ACCOUNT_AND_ADDRESS, ACCOUNT, SESSION`}},
		{name: "none at all is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 0, window: "1s")`), want: []string{place + "is limited to 0, which is no count" + aCount}},
		{name: "less than none is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: -5, window: "1s")`), want: []string{place + "is limited to -5, which is no count" + aCount}},
		{name: "a part of one is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1.5, window: "1s")`), want: []string{place + "is limited to 1.5, which is no count" + aCount}},
		{name: "a count in quotes is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: "5", window: "1s")`), want: []string{place + `is limited to "5", which is no count` + aCount}},
		{name: "more than can be counted is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1001, window: "1s")`), want: []string{place + "is limited to 1001, which is no count" + aCount}},
		{name: "a count that is no number is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 99999999999999999999, window: "1s")`), want: []string{place + "is limited to 99999999999999999999, which is no count" + aCount}},
		{name: "a window without a unit is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "15")`), want: []string{place + `is limited per "15", which is no window` + aWindow}},
		{name: "a window without quotes is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: 15)`), want: []string{place + `is limited per 15, which is no window` + aWindow}},
		{name: "a window too short is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "999ms")`), want: []string{place + `is limited per "999ms", which is no window` + aWindow}},
		{name: "a window too long is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "24h1s")`), want: []string{place + `is limited per "24h1s", which is no window` + aWindow}},
		{name: "successes that are neither are refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", successes: "no")`), want: []string{place + `says successes: "no": write true or false`}},
		{name: "one key twice is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s") @limit(by: ADDRESS, count: 9, window: "1m")`), want: []string{place + "is limited by ADDRESS more than once: keep one"}},
		{name: "failures that are neither are refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", successes: true, failures: 0)`), want: []string{place + `says failures: 0: write true or false`}},
		{name: "a limit that counts nothing is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", failures: false)`), want: []string{place + "is limited, and counts neither successes nor failures: write successes: true, or leave failures out"}},
		{name: "a shared count without a name is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", shared: "")`), want: []string{place + `shares a count as "", which is no name: write a name, as in shared: "password"`}},
		{name: "a session that nothing names is refused", declarations: limitDeclarations, schema: at(`@limit(by: SESSION, count: 1, window: "1s")`), want: []string{place + "is limited by SESSION, but nothing says which session: gate it by @auth, or let it take a refreshToken: String"}},
		{
			name: "one shared count of two rates is refused", declarations: limitDeclarations,
			schema: "type Query { a: Int @public @limit(by: ADDRESS, count: 1, window: \"1s\", shared: \"x\")\n b: Int @public @limit(by: ADDRESS, count: 2, window: \"1s\", shared: \"x\") }",
			want:   []string{`schema.graphqls:2: Query.b shares the count "x" by ADDRESS with Query.a, which has another rate: write the same count and window on all fields that share it`},
		},
		{name: "an argument twice is refused", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, count: 9, window: "1s")`), want: []string{place + "gives @limit the argument count more than once: keep one"}},
		{
			name: "a field that knows no account is not limited by one", declarations: limitDeclarations,
			schema: `type Query { hello: Int @public }
				type Mutation {
					a: Int @public @limit(by: ACCOUNT, count: 1, window: "1s")
					b(email: String): Int @public @limit(by: ACCOUNT_AND_ADDRESS, count: 1, window: "1s")
					c(input: Both!): Int @public @limit(by: ACCOUNT, count: 1, window: "1s")
					d(input: Sure): Int @public @limit(by: ACCOUNT, count: 1, window: "1s")
					e(input: String!): Int @public @limit(by: ACCOUNT, count: 1, window: "1s")
					f(input: [Sure!]!): Int @public @limit(by: ACCOUNT, count: 1, window: "1s")
				}
				input Both { email: String  emails: [String!]! }
				input Sure { email: String! }`,
			want: []string{
				"schema.graphqls:3: Mutation.a is limited by ACCOUNT" + noAccount,
				"schema.graphqls:4: Mutation.b is limited by ACCOUNT_AND_ADDRESS" + noAccount,
				"schema.graphqls:5: Mutation.c is limited by ACCOUNT" + noAccount,
				"schema.graphqls:6: Mutation.d is limited by ACCOUNT" + noAccount,
				"schema.graphqls:7: Mutation.e is limited by ACCOUNT" + noAccount,
				"schema.graphqls:8: Mutation.f is limited by ACCOUNT" + noAccount,
			},
		},
		{
			name: "a field of a type is not limited", declarations: limitDeclarations,
			schema: `type Query { me: User @auth }
				type User { email: String @auth @limit(by: ADDRESS, count: 1, window: "1s") }`,
			want: []string{"schema.graphqls:2: User.email carries @limit, which is enforced on root fields only: write it on the field of Query or Mutation that leads here"},
		},
		{
			name: "an interface's field is not limited", declarations: limitDeclarations,
			schema: `type Query { hello: Int @public }
				interface Actor { id: ID! @limit(by: ADDRESS, count: 1, window: "1s") }`,
			want: []string{"schema.graphqls:2: Actor.id carries @limit, which is not enforced there: write it on id of every type that implements Actor"},
		},
		{
			name: "a declaration that says something else is refused", declarations: mustReplace(mustReplace(limitDeclarations, "window: String!", "window: Int!"), "String) repeatable on FIELD_DEFINITION\nenum", "String) repeatable on FIELD_DEFINITION | OBJECT\nenum"),
			schema: hello,
			want: []string{
				"rules.graphqls:9: @limit is declared on FIELD_DEFINITION | OBJECT but counts on FIELD_DEFINITION only: " + limitText,
				"rules.graphqls:9: @limit has the argument window: Int! instead of String!: " + limitText,
			},
		},
	})
}

const limitText = "write directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false, failures: Boolean! = true, shared: String) repeatable on FIELD_DEFINITION"

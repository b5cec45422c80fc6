package policy_test

import (
	"slices"
	"testing"
	"time"

	"fieldgate/internal/policy"
)

// limitDeclarations are the usual declarations and those of @limit.
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
	// Older schemas declare @limit without failures and shared.
	old := compile(t,
		mustReplace(limitDeclarations, ", failures: Boolean! = true, shared: String", ""),
		`type Query { a: Int @public @limit(by: ADDRESS, count: 1, window: "1s") }`)
	if got, want := old.Limits("Query", "a"), []policy.Limit{{By: policy.ByAddress, Count: 1, Window: time.Second}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (&policy.Policy{}).Limits("Query", "me"); got != nil {
		t.Errorf("zero policy: got %v, want nil", got)
	}
}

func TestInvalidLimitsAreRejected(t *testing.T) {
	at := func(directive string) string {
		return "type Query { hello: Int @public }\ntype Mutation { open(email: String!): Int @public " + directive + " }"
	}
	const (
		place     = "schema.graphqls:2: Mutation.open "
		aWindow   = `: write a duration from "1s" to "24h", as in "15m"`
		aCount    = ": write a number of at least 1, and at most 1,000 per second of the window"
		noAccount = ", but nothing identifies the account: add @auth, an email: String! as argument or input field, or the token: String! of a mail as argument"
	)
	runAll(t, []rejection{
		{name: "an unknown key is rejected", declarations: limitDeclarations, schema: at(`@limit(by: PLANET, count: 1, window: "1s")`), want: []string{place + "has @limit(by: PLANET), which is not a LimitKey: write one of ADDRESS, ACCOUNT_AND_ADDRESS, ACCOUNT, SESSION"}},
		{name: "a quoted key is rejected", declarations: limitDeclarations, schema: at(`@limit(by: "ADDRESS", count: 1, window: "1s")`), want: []string{place + `has @limit(by: "ADDRESS"), which is not a LimitKey: write one of ADDRESS, ACCOUNT_AND_ADDRESS, ACCOUNT, SESSION`}},
		{name: "a count of zero is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 0, window: "1s")`), want: []string{place + "has @limit(count: 0), which is not a valid count" + aCount}},
		{name: "a negative count is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: -5, window: "1s")`), want: []string{place + "has @limit(count: -5), which is not a valid count" + aCount}},
		{name: "a fractional count is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1.5, window: "1s")`), want: []string{place + "has @limit(count: 1.5), which is not a valid count" + aCount}},
		{name: "a quoted count is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: "5", window: "1s")`), want: []string{place + `has @limit(count: "5"), which is not a valid count` + aCount}},
		{name: "a count above 1,000 per second is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1001, window: "1s")`), want: []string{place + "has @limit(count: 1001), which is not a valid count" + aCount}},
		{name: "a count that overflows is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 99999999999999999999, window: "1s")`), want: []string{place + "has @limit(count: 99999999999999999999), which is not a valid count" + aCount}},
		{name: "a window without a unit is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "15")`), want: []string{place + `has @limit(window: "15"), which is not a valid window` + aWindow}},
		{name: "an unquoted window is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: 15)`), want: []string{place + `has @limit(window: 15), which is not a valid window` + aWindow}},
		{name: "a window below 1s is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "999ms")`), want: []string{place + `has @limit(window: "999ms"), which is not a valid window` + aWindow}},
		{name: "a window above 24h is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "24h1s")`), want: []string{place + `has @limit(window: "24h1s"), which is not a valid window` + aWindow}},
		{name: "successes must be a Boolean", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", successes: "no")`), want: []string{place + `has @limit(successes: "no"), which is not a Boolean: write true or false`}},
		{name: "two limits with one key are rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s") @limit(by: ADDRESS, count: 9, window: "1m")`), want: []string{place + "has @limit(by: ADDRESS) more than once: keep one"}},
		{name: "failures must be a Boolean", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", successes: true, failures: 0)`), want: []string{place + `has @limit(failures: 0), which is not a Boolean: write true or false`}},
		{name: "a limit that counts nothing is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", failures: false)`), want: []string{place + "has @limit that counts neither successes nor failures: write successes: true, or remove failures: false"}},
		{name: "an empty shared name is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, window: "1s", shared: "")`), want: []string{place + `has @limit(shared: ""), which is not a name: write a name, as in shared: "password"`}},
		{name: "a limit by session needs a session", declarations: limitDeclarations, schema: at(`@limit(by: SESSION, count: 1, window: "1s")`), want: []string{place + "has @limit(by: SESSION), but nothing identifies the session: add @auth, or an argument refreshToken: String"}},
		{
			name: "a shared count with two rates is rejected", declarations: limitDeclarations,
			schema: "type Query { a: Int @public @limit(by: ADDRESS, count: 1, window: \"1s\", shared: \"x\")\n b: Int @public @limit(by: ADDRESS, count: 2, window: \"1s\", shared: \"x\") }",
			want:   []string{`schema.graphqls:2: Query.b has @limit(by: ADDRESS, shared: "x") with another rate than Query.a: write the same count and window on all fields that share it`},
		},
		{name: "a repeated argument is rejected", declarations: limitDeclarations, schema: at(`@limit(by: ADDRESS, count: 1, count: 9, window: "1s")`), want: []string{place + "has @limit with the argument count more than once: keep one"}},
		{
			name: "a limit by account needs an account", declarations: limitDeclarations,
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
				"schema.graphqls:3: Mutation.a has @limit(by: ACCOUNT)" + noAccount,
				"schema.graphqls:4: Mutation.b has @limit(by: ACCOUNT_AND_ADDRESS)" + noAccount,
				"schema.graphqls:5: Mutation.c has @limit(by: ACCOUNT)" + noAccount,
				"schema.graphqls:6: Mutation.d has @limit(by: ACCOUNT)" + noAccount,
				"schema.graphqls:7: Mutation.e has @limit(by: ACCOUNT)" + noAccount,
				"schema.graphqls:8: Mutation.f has @limit(by: ACCOUNT)" + noAccount,
			},
		},
		{
			name: "a limit on a field of a type is rejected", declarations: limitDeclarations,
			schema: `type Query { me: User @auth }
				type User { email: String @auth @limit(by: ADDRESS, count: 1, window: "1s") }`,
			want: []string{"schema.graphqls:2: User.email has @limit, which is enforced on root fields only: write it on the field of Query or Mutation that leads here"},
		},
		{
			name: "a limit on a field of an interface is rejected", declarations: limitDeclarations,
			schema: `type Query { hello: Int @public }
				interface Actor { id: ID! @limit(by: ADDRESS, count: 1, window: "1s") }`,
			want: []string{"schema.graphqls:2: Actor.id has @limit, which is not enforced there: write it on id of every type that implements Actor"},
		},
		{
			name: "a wrong declaration is rejected", declarations: mustReplace(mustReplace(limitDeclarations, "window: String!", "window: Int!"),
				"String) repeatable on FIELD_DEFINITION\nenum",
				"String) repeatable on FIELD_DEFINITION | OBJECT\nenum"),
			schema: hello,
			want: []string{
				"rules.graphqls:9: @limit is declared on FIELD_DEFINITION | OBJECT but is enforced on FIELD_DEFINITION only: " + limitText,
				"rules.graphqls:9: @limit has the argument window: Int! instead of String!: " + limitText,
			},
		},
	})
}

const limitText = "write directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false, failures: Boolean! = true, shared: String) repeatable on FIELD_DEFINITION"

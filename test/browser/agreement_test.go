//go:build exhaustive

package browser

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/99designs/gqlgen/graphql/errcode"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/npmtest"
	"fieldgate/servertest"
)

// validDocuments are valid to graphql-js and the server. They use every construct of the language
// that the schema allows.
var validDocuments = []string{
	// Operations.
	`{ __typename }`,
	`{ me { id } }`,
	`query { me { id } }`,
	`query Me { me { id name } }`,
	`query A { me { id } } query B { sessions { id } } mutation C { logout }`,
	`mutation { logoutEverywhere }`,
	`mutation Bye { logout(refreshToken: null) __typename }`,
	`mutation { register(input: {name: "Ada", email: "agreement@example.com", password: "correct horse battery staple"}) { user { id } } }`,
	`query query { me { id } }`,
	`query on { me { id } }`,
	`{ query: me { mutation: id on: name fragment: id true: name null: id } }`,
	// Names, arguments and values.
	`{ a: me { b: id b: id c: name } d: me { id } }`,
	`{ me { id id } me { id name } }`,
	`{ user(id: 7) { id } }`,
	`{ user(id: "7") { id name email role disabledAt } }`,
	`{ users(first: 5, after: "x", search: null, role: ADMIN) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }`,
	`{ users { edges { node { ...on User { id } } } } }`,
	`{ users(first: -0) { pageInfo { endCursor } } a: users(first: -2147483648) { edges { cursor } } }`,
	`{ __type(name: "User") { name fields(includeDeprecated: true) { name type { name ofType { name } } } enumValues { name } } }`,
	`{ __schema { types { name kind possibleTypes { name } } directives { name locations isRepeatable args { defaultValue } } } }`,
	`mutation { login(input: {email: "a@example.com", password: "x", rememberMe: true, delivery: BODY}) { tokenType session { current } } }`,
	`mutation { setUserRole(userId: 1, role: USER) { role } updateProfile(input: {name: "x"}) { name } }`,
	// Strings.
	`{ user(id: "") { id } }`,
	`{ user(id: """""") { id } }`,
	"{ user(id: \"\"\"\n    one \"two\" \\\"\"\"\n      three\\n\r\n  \"\"\") { id } }",
	`{ user(id: "\" \\ \/ \b \f \n \r \t \u00e9 \uABCD") { id } }`,
	`{ user(id: "ä 日本 😀 # no comment") { id } }`,
	`{ users(search: "\uD83D\uDE00") { edges { cursor } } }`,
	`{ users(search: "{ [ ( ...") { edges { cursor } } }`,
	// Ignored tokens.
	"# a comment\n{ # another \"\"\"\n  me, { ,, id } }# the last",
	"\ufeff{ me { id } }",
	"{ me { id } }\ufeff",
	"{\r\n\tme\r{\nid } }",
	`{me{id}__typename}`,
	`query($a:ID!="x"){user(id:$a){id}}`,
	// Variables.
	`query($id: ID!) { user(id: $id) { id } }`,
	`query($first: Int = null) { users(first: $first) { edges { cursor } } }`,
	`{ users(first: null, last: 5, before: null) { edges { cursor } } }`,
	`query($id: ID! = "x") { user(id: $id) { id } }`,
	`query($first: Int = 3, $after: String, $role: Role = STAFF) { users(first: $first, after: $after, role: $role) { edges { cursor } } }`,
	`query($yes: Boolean! = true, $no: Boolean = false) { me @include(if: $yes) { id name @skip(if: $no) } }`,
	`mutation($input: LoginInput!) { login(input: $input) { accessToken } }`,
	`mutation($p: String!, $d: TokenDelivery = BODY) { login(input: {email: "a@example.com", password: $p, delivery: $d}) { tokenType } }`,
	`mutation($i: UpdateProfileInput! = {name: "x"}) { updateProfile(input: $i) { id } }`,
	`query A($id: ID!) { user(id: $id) { id } } query B($id: ID!) { user(id: $id) { name } }`,
	// Directives.
	`{ me @skip(if: false) @include(if: true) { id @include(if: false) } }`,
	`{ me { ... @include(if: true) { id } ...F @skip(if: true) } } fragment F on User { name }`,
	`{ ... on Query @skip(if: false) { me { id } } }`,
	// Fragments.
	`{ me { ...F } } fragment F on User { id ...G } fragment G on User { name }`,
	`{ ...F } fragment F on Query { me { id } }`,
	`mutation { ...M } fragment M on Mutation { logout }`,
	`query($id: ID!) { ...F } fragment F on Query { user(id: $id) { id } }`,
	`{ me { ... { id } ... on User { id ... { name } } } }`,
	`fragment F on User { id } query { me { ...F } sessions { id } }`,
	`{ me { ...query ...mutation } } fragment query on User { id } fragment mutation on User { id }`,
	`query A { me { ...F } } query B { users { edges { node { ...F } } } } fragment F on User { id }`,
	`{ sessions { ...S } } fragment S on Session { id createdAt lastUsedAt expiresAt ip userAgent current __typename }`,
}

// invalidDocuments are valid to neither.
var invalidDocuments = []string{
	// Unknown names.
	`{ nothing }`,
	`{ me { nothing } }`,
	`{ me { id __nothing } }`,
	`{ me { __schema { types { name } } } }`,
	`mutation { me { id } }`,
	`{ logout }`,
	`{ user(id: 1, other: 2) { id } }`,
	`{ me(id: 1) { id } }`,
	`{ me @nothing { id } }`,
	`{ me @skip(if: true, unless: false) { id } }`,
	`{ me { ...F } }`,
	`{ me { ... on Nothing { id } } }`,
	`{ me { ...F } } fragment F on Nothing { id }`,
	`query($a: Nothing) { users(after: $a) { edges { cursor } } }`,
	`{ users(role: OWNER) { edges { cursor } } }`,
	`mutation { login(input: {email: "a", password: "b", other: 1}) { tokenType } }`,
	// Missing parts.
	`{ user { id } }`,
	`{ user(id: null) { id } }`,
	`{ me @skip { id } }`,
	`{ __type { name } }`,
	`mutation { login { tokenType } }`,
	`mutation { login(input: {email: "a"}) { tokenType } }`,
	`mutation { login(input: {email: "a", password: null}) { tokenType } }`,
	`mutation { setUserRole(userId: 1) { id } }`,
	// Values of the wrong type.
	`{ users(first: "5") { edges { cursor } } }`,
	`{ users(first: 5.0) { edges { cursor } } }`,
	`{ users(first: 1e3) { edges { cursor } } }`,
	`{ users(first: true) { edges { cursor } } }`,
	`{ user(id: null) { id } }`,
	`{ users(first: [1]) { edges { cursor } } }`,
	`{ users(role: "ADMIN") { edges { cursor } } }`,
	`{ users(role: 1) { edges { cursor } } }`,
	`{ users(role: true) { edges { cursor } } }`,
	`{ users(search: 1) { edges { cursor } } }`,
	`{ users(search: x) { edges { cursor } } }`,
	`{ user(id: 1.5) { id } }`,
	`{ user(id: true) { id } }`,
	`{ user(id: x) { id } }`,
	`{ user(id: ["x", "y"]) { id } }`,
	`{ me @skip(if: "true") { id } }`,
	`{ me @skip(if: null) { id } }`,
	`mutation { login(input: "x") { tokenType } }`,
	`mutation { login(input: [{email: "a", password: "b"}]) { tokenType } }`,
	`mutation { login(input: {email: "a", password: "b", rememberMe: 1}) { tokenType } }`,
	`query($first: Int = "x") { users(first: $first) { edges { cursor } } }`,
	`query($id: ID! = null) { user(id: $id) { id } }`,
	`query($id: ID! = $other, $other: ID!) { user(id: $id) { id } a: user(id: $other) { id } }`,
	// Variables.
	`query($a: Int) { me { id } }`,
	`{ user(id: $id) { id } }`,
	`query A($id: ID!) { user(id: $id) { id } } query B { user(id: $id) { id } }`,
	`query($id: ID!, $id: ID!) { user(id: $id) { id } }`,
	`query($id: ID) { user(id: $id) { id } }`,
	`query($id: String!) { user(id: $id) { id } }`,
	`query($ids: [ID!]!) { user(id: $ids) { id } }`,
	`query($u: User) { me { id } }`,
	`query($if: Boolean) { me @skip(if: $if) { id } }`,
	`mutation($p: String) { login(input: {email: "a", password: $p}) { tokenType } }`,
	`query { ...F } fragment F on Query { user(id: $id) { id } }`,
	`query($id: ID! @skip(if: true)) { user(id: $id) { id } }`,
	// Fragments.
	`{ me { id } } fragment F on User { id }`,
	`{ me { ...F } } fragment F on User { id ...F }`,
	`{ me { ...F } } fragment F on User { ...G } fragment G on User { ... { ...F } }`,
	`{ me { ...F } } fragment F on User { id } fragment F on User { name }`,
	`{ me { ...F } } fragment F on Session { id }`,
	`{ me { ... on Session { id } } }`,
	`{ me { ... on Role { id } } }`,
	`{ me { ... on LoginInput { email } } }`,
	`{ me { ...F } } fragment F on String { id }`,
	`{ me { ...on } } fragment on on User { id }`,
	`fragment F on User { id }`,
	// Operations.
	`query A { me { id } } query A { me { id } }`,
	`query A { me { id } } mutation A { logout }`,
	`{ me { id } } query A { me { id } }`,
	`{ me { id } } { me { id } }`,
	// Fields.
	`{ me }`,
	`{ me { id { x } } }`,
	`{ sessions }`,
	`{ me { role { name } } }`,
	`{ me { a: id a: name } }`,
	`{ me { id: name id } }`,
	`{ a: me { id } a: sessions { id } }`,
	`{ a: user(id: 1) { id } a: user(id: 2) { id } }`,
	`{ me { a: id } ...F } fragment F on Query { me { a: name } }`,
	`{ users(first: 1) { edges { cursor } } users { edges { cursor } } }`,
	// Duplicates.
	`{ user(id: 1, id: 1) { id } }`,
	`{ me @skip(if: false) @skip(if: false) { id } }`,
	`mutation { login(input: {email: "a", email: "a", password: "b"}) { tokenType } }`,
	// Misplaced directives.
	`query @skip(if: true) { me { id } }`,
	`{ me { ...F } } fragment F on User @include(if: true) { id }`,
	`{ me @auth { id } }`,
	`{ me @deprecated { id } }`,
	// Other documents.
	`type A { a: Int }`,
	`{ me { id } } type A { a: Int }`,
	`extend type User { a: Int }`,
	`schema { query: Query }`,
	`"text" { me { id } }`,
	// Malformed documents.
	` `,
	`# only a comment`,
	"\ufeff",
	`{`,
	`}`,
	`{}`,
	`{ me {} }`,
	`{ me { id }`,
	`{ me { id } } }`,
	`{ me { id ) }`,
	`{ me ( { id } }`,
	`{ me() { id } }`,
	`{ user(id: [1 }) { id } }`,
	`query`,
	`query A`,
	`query A() { me { id } }`,
	`query A($id) { me { id } }`,
	`query A($: ID) { me { id } }`,
	`query A($id: ) { me { id } }`,
	`query A($id: [ID) { me { id } }`,
	`query A($id: ID!!) { me { id } }`,
	`query A B { me { id } }`,
	`queri A { me { id } }`,
	`Query { me { id } }`,
	`me { id }`,
	`{ a: b: me { id } }`,
	`{ a: { id } }`,
	`{ : me { id } }`,
	`{ me: }`,
	`{ user(id) { id } }`,
	`{ user(id:) { id } }`,
	`{ user(id: $) { id } }`,
	`{ user(: 1) { id } }`,
	`{ user(id = 1) { id } }`,
	`{ user(id: {a}) { id } }`,
	`{ user(id: {a: }) { id } }`,
	`{ me @ { id } }`,
	`{ me @skip() { id } }`,
	`{ . }`,
	`{ .. }`,
	`{ ... }`,
	`{ me { .... } }`,
	`{ me { ...on User } }`,
	`{ me { ... on { id } } }`,
	`{ me { ... User { id } } }`,
	`fragment F { id }`,
	`fragment on User { id }`,
	`fragment F on { id }`,
	`fragment F User { id }`,
	`{ ...F } fragment F($a: ID! = 1) on Query { user(id: $a) { id } }`,
	`query($true: true) { me { id } }`,
	`{ user(id: "x) { id } }`,
	"{ user(id: \"x\n\") { id } }",
	`{ user(id: 'x') { id } }`,
	`{ user(id: """x) { id } }`,
	`{ user(id: """x"") { id } }`,
	`{ user(id: "\x") { id } }`,
	`{ user(id: "\u12") { id } }`,
	`{ user(id: "\u12G4") { id } }`,
	`{ user(id: "\U1234") { id } }`,
	`{ user(id: "\u{110000}") { id } }`,
	`{ user(id: "\u{}") { id } }`,
	"\x00{ me { id } }",
	"{ me { id } }\x00",
	"{ me\x00 { id } }",
	"{ me\x0b{ id } }",
	"{ me\x0c{ id } }",
	"{ me\u00a0{ id } }",
	"{ me\u2028{ id } }",
	"{ m\ufeffe { id } }",
	"{ mé { id } }",
	`{ users(first: 01) { edges { cursor } } }`,
	`{ users(first: -) { edges { cursor } } }`,
	`{ users(first: +1) { edges { cursor } } }`,
	`{ users(first: 1.) { edges { cursor } } }`,
	`{ users(first: .5) { edges { cursor } } }`,
	`{ users(first: 1e) { edges { cursor } } }`,
	`{ users(first: 1x) { edges { cursor } } }`,
	`{ users(first: 0x1F) { edges { cursor } } }`,
	`{ users(first: 1_000) { edges { cursor } } }`,
	`{ users(first: 1.2.3) { edges { cursor } } }`,
	`{ user(id: 1a: 2) { id } }`,
	`{ me { id; } }`,
	`{ me { id } } ?`,
	`{ me { id % } }`,
	`{ me & { id } }`,
	`{ me | { id } }`,
	`{ me { id ! } }`,
	`{ me { id$ } }`,
	`{ me { [id] } }`,
	`{ me { 1 } }`,
	`{ me { "id" } }`,

	// Objects in place of scalars.
	`{ users(first: {}) { edges { cursor } } }`,
	`{ users(search: {}) { edges { cursor } } }`,
	`{ users(role: {}) { edges { cursor } } }`,
	`{ user(id: {}) { id } }`,
	`query($id: ID! = {}) { user(id: $id) { id } }`,
	`mutation { login(input: {email: {}, password: {}}) { tokenType } }`,
	`{ me @skip(if: {}) { id } }`,
	`{ ... @include(if: {}) { me { id } } }`,
}

// Reasons for which gqlparser and graphql-js differ.
const (
	noSubscriptions   = "the schema has no subscriptions; graphql-js 16 reports that at execution"
	controlCharacters = "the specification of 2021 forbids control characters; its successor and graphql-js 16 allow them"
	bracedEscapes     = "the specification of 2021 has no escapes with braces; its successor and graphql-js 16 have them"

	noDocument        = "a missing document is BAD_USER_INPUT, not a validation error"
	intOverflow       = "gqlparser does not check the range of numbers; reading the argument returns BAD_USER_INPUT"
	fragmentVariables = "gqlparser parses variables of fragments, which were proposed and never specified; nothing uses them"
	loneSurrogates    = "gqlparser reads each half of a surrogate pair as U+FFFD"
)

// rejectedByServerOnly are documents that are valid to graphql-js only, with the reason.
var rejectedByServerOnly = map[string]string{
	`subscription { me { id } }`:            noSubscriptions,
	"{ user(id: \"\x00\") { id } }":         controlCharacters,
	"{ user(id: \"\"\"\x00\"\"\") { id } }": controlCharacters,
	"{ user(id: \"\x1f\") { id } }":         controlCharacters,
	"{ me { id } } # \x00":                  controlCharacters,
	`{ user(id: "\u{1F600}") { id } }`:      bracedEscapes,
}

// acceptedByServerOnly are documents that are valid to the server only, with the reason.
var acceptedByServerOnly = map[string]string{
	``: noDocument,
	`{ users(first: 2147483648) { edges { cursor } } }`:                                   intOverflow,
	`{ users(first: -2147483649) { edges { cursor } } }`:                                  intOverflow,
	`{ me { ...F } } fragment F($a: Int) on User { id }`:                                  fragmentVariables,
	`{ me { ...F } } fragment F($a: Int = 1) on User { id }`:                              fragmentVariables,
	`{ me { ...F } } fragment F($a: Nothing) on User { id }`:                              fragmentVariables,
	`query($id: ID!) { ...F } fragment F($id: ID! = 1) on Query { user(id: $id) { id } }`: fragmentVariables,
	`{ user(id: "\uD83D") { id } }`:                                                       loneSurrogates,
	`{ user(id: "\uDE00\uD83D") { id } }`:                                                 loneSurrogates,
}

// tooComplex are documents that the guard rejects before validation: a repeated word makes two
// fields that take a password.
var tooComplex = []string{
	`mutation { register register(input: {name: "Ada", email: "agreement@example.com", password: "correct horse battery staple"}) { user { id } } }`,
	`mutation { login login(input: {email: "a@example.com", password: "x", rememberMe: true, delivery: BODY}) { tokenType session { current } } }`,
	`mutation($input: LoginInput!) { login login(input: $input) { accessToken } }`,
	`mutation($p: String!, $d: TokenDelivery = BODY) { login login(input: {email: "a@example.com", password: $p, delivery: $d}) { tokenType } }`,
}

// TestGuardAgreesWithGraphQLJS checks that the server accepts the documents that graphql-js
// accepts, except for the listed differences.
func TestGuardAgreesWithGraphQLJS(t *testing.T) {
	t.Parallel()
	verdicts := graphQLJSVerdicts(t, slices.Concat(validDocuments, invalidDocuments, slices.Sorted(maps.Keys(rejectedByServerOnly)),
		slices.Sorted(maps.Keys(acceptedByServerOnly)), tooComplex, withTypos(validDocuments)))
	b := servertest.Start(t, dbtest.SQLite(t), "LOG_LEVEL", "error")
	valid := 0
	for _, js := range verdicts {
		ours, code := serverVerdict(t, b, js.Document, js.Operation)
		if js.Mistake == "" {
			valid++
		}
		wantJS, wantOurs := js.Mistake == "", js.Mistake == ""
		switch {
		case rejectedByServerOnly[js.Document] != "":
			wantJS, wantOurs = true, false
		case acceptedByServerOnly[js.Document] != "":
			wantJS, wantOurs = false, true
		case slices.Contains(validDocuments, js.Document):
			wantJS, wantOurs = true, true
		case slices.Contains(invalidDocuments, js.Document):
			wantJS, wantOurs = false, false
		}
		if (code == "QUERY_TOO_COMPLEX") != slices.Contains(tooComplex, js.Document) {
			t.Errorf("%q returns %s", js.Document, code)
		}
		if code == "INTERNAL" {
			t.Errorf("%q returns %s", js.Document, code)
		}
		if (js.Mistake == "") != wantJS || (ours == "") != wantOurs {
			t.Errorf("%q: graphql-js accepts it: %t, want %t (%s); the server accepts it: %t, want %t (%s)",
				js.Document, js.Mistake == "", wantJS, js.Mistake, ours == "", wantOurs, ours)
		}
	}
	t.Logf("%d documents, of which %d are valid to graphql-js", len(verdicts), valid)
}

type verdict struct {
	Document, Operation string
	Mistake             string // "" for a valid document
}

// graphQLJSVerdicts returns the verdicts of graphql-js on each document once, and on its own
// introspection queries.
func graphQLJSVerdicts(t *testing.T, documents []string) (verdicts []verdict) {
	t.Helper()
	run := npmtest.InstallScript(t, "test/browser/testdata/agreement", "agreement.mjs")
	content, err := json.Marshal(documents)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "documents.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run("schema.graphqls", file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &verdicts); err != nil {
		t.Fatal(err)
	}
	return verdicts
}

// serverVerdict returns what is wrong with a document according to the server, and the last code of
// the response. Errors about missing variables and unknown operations have codes of validation, but
// only concern valid documents.
func serverVerdict(t *testing.T, b *servertest.Server, document, operation string) (mistake, code string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": document, "operationName": operation})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Post(http.Header{}, string(body)).Errors {
		code, _ = e.Extensions["code"].(string)
		ofVariables := len(e.Path) > 0 && e.Path[0] == "variable"
		switch code {
		case errcode.ParseFailed, errcode.ValidationFailed:
			if !ofVariables && e.Message != "operation not found" {
				mistake = e.Message
			}
		case "QUERY_TOO_COMPLEX":
			mistake = e.Message
		}
	}
	return mistake, code
}

var (
	documentTokenPattern = regexp.MustCompile(`"""(?:[^\\]|\\.)*?"""|"(?:[^"\\]|\\.)*"|#[^\n\r]*|\.\.\.|[_A-Za-z]\w*|-?[0-9][-+.\w]*|[^\s,\x{feff}]`)
	wordPattern          = regexp.MustCompile(`^\w`)
)

// withTypos returns all documents with one typo: a token that is missing, repeated or swapped with
// the next one, or an additional letter in a name or number.
func withTypos(documents []string) (list []string) {
	for _, document := range documents {
		tokens := documentTokenPattern.FindAllStringIndex(document, -1)
		for n, at := range tokens {
			before, token, after := document[:at[0]], document[at[0]:at[1]], document[at[1]:]
			list = append(list, before+after, before+token+" "+token+after)
			if wordPattern.MatchString(token) {
				list = append(list, before+token+"x"+after)
			}
			if n+1 < len(tokens) {
				next := tokens[n+1]
				list = append(list, before+document[next[0]:next[1]]+document[at[1]:next[0]]+token+document[next[1]:])
			}
		}
	}
	return list
}

package guard

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

var documentSchema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	directive @credential on FIELD_DEFINITION
	interface Node { id: ID!  unlock(code: String): Boolean }
	type User implements Node { id: ID!  name(in: [[Int]], of: Filter): String  friends: [User!]  unlock(code: String): Boolean @credential  login: String }
	type Query { me: User  node: Node  login: String }
	type Account { login(password: String): User @credential  me: User }
	type Mutation { login(password: String): User @credential  refresh: User @credential  logout: Boolean  account: Account }
	input Filter { and: [Filter!]  id: ID }
`})

func newDocuments(tb testing.TB, limits Limits) *Documents {
	tb.Helper()
	d := &Documents{Limits: limits}
	if err := d.Validate(&graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return documentSchema }}); err != nil {
		tb.Fatal(err)
	}
	return d
}

// exceededLimit returns the name of the limit that a document exceeds, or "".
func exceededLimit(tb testing.TB, err *gqlerror.Error) string {
	tb.Helper()
	if err == nil {
		return ""
	}
	name, ok := err.Extensions["limit"].(string)
	if !ok || err.Extensions["code"] != "QUERY_TOO_COMPLEX" {
		tb.Fatalf("got %v with %v, want QUERY_TOO_COMPLEX with a limit", err, err.Extensions)
	}
	return name
}

func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, strings.ReplaceAll(format, "#", "%[1]d"), i)
	}
	return b.String()
}

func TestDocumentsEnforceEachLimit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits Limits
		text   string
		want   string // the exceeded limit; "" if accepted
	}{
		{"as many tokens as allowed", Limits{Tokens: 6}, `{ me { id } }`, ""},
		{"one token more", Limits{Tokens: 6}, `{ me { id id } }`, "tokens"},
		{"a comment counts as a token", Limits{Tokens: 6}, "{ me { id } } # more", "tokens"},
		{"tokens in a string do not count", Limits{Tokens: 10}, `{ login(a: "{ { { \" { {") }`, ""},
		{"tokens in a block string do not count", Limits{Tokens: 10, Nesting: 2}, `{ login(a: """ { [ \""" { """) }`, ""},
		{"brackets in a comment do not count", Limits{Nesting: 2}, "{ me # { { {\n { id } }", ""},
		{"a name as long as allowed", Limits{NameLength: 5}, `{ login }`, ""},
		{"a longer name", Limits{NameLength: 5}, `{ logins }`, "nameLength"},
		{"a long string is not a name", Limits{NameLength: 5}, `{ login(a: "0123456789") }`, ""},
		{"selection sets within one another", Limits{Nesting: 2}, `{ me { id } }`, ""},
		{"one too deep", Limits{Nesting: 2}, `{ me { friends { id } } }`, "nesting"},
		{"inline fragments nest too", Limits{Nesting: 2}, `{ me { ... { id } } }`, "nesting"},
		{"lists nest too", Limits{Nesting: 3}, `{ login(a: [[1]]) }`, "nesting"},
		{"objects nest too", Limits{Nesting: 3}, `{ login(a: {b: {c: 1}}) }`, "nesting"},
		{"types of variables nest too", Limits{Nesting: 3}, `query($a: [[[Int]]]) { login }`, "nesting"},
		{"consecutive brackets do not nest", Limits{Nesting: 2}, `{ me { id } a: me { id } }`, ""},
		{"as many operations as allowed", Limits{Operations: 2}, `query A { login } query B { login }`, ""},
		{"one operation more", Limits{Operations: 2}, `query A { login } query B { login } query C { login }`, "operations"},
		{"as many fragments as allowed", Limits{Fragments: 1}, `{ ...F } fragment F on Query { login }`, ""},
		{"one fragment more, without a spread", Limits{Fragments: 1}, `{ ...F } fragment F on Query { login } fragment G on Query { login }`, "fragments"},
		{"as many variables as allowed", Limits{Variables: 2}, `query($a: Int, $b: Int) { login }`, ""},
		{"one variable more, in another operation", Limits{Variables: 2}, `query A($a: Int, $b: Int) { login } query B($a: Int) { login }`, "variables"},
		{"as many directives as allowed", Limits{Directives: 2}, `{ a: login @skip(if: true) b: login @skip(if: true) }`, ""},
		{"one more unknown directive", Limits{Directives: 2}, `{ a: login @skip(if: true) b: login @skip(if: true) c: login @x }`, "directives"},
		{"as many directives as allowed at one location", Limits{NodeDirectives: 2}, `{ login @a @b }`, ""},
		{"one directive more on a field", Limits{NodeDirectives: 2}, `{ login @a @a @a }`, "nodeDirectives"},
		{"one directive more on an operation", Limits{NodeDirectives: 2}, `query @a @a @a { login }`, "nodeDirectives"},
		{"one directive more on an inline fragment", Limits{NodeDirectives: 2}, `{ ... @a @a @a { login } }`, "nodeDirectives"},
		{"one directive more on a spread", Limits{NodeDirectives: 2}, `{ ...F @a @a @a } fragment F on Query { login }`, "nodeDirectives"},
		{"one directive more on a fragment", Limits{NodeDirectives: 2}, `{ ...F } fragment F on Query @a @a @a { login }`, "nodeDirectives"},
		{"fields as deep as allowed", Limits{Depth: 3}, `{ me { friends { id } } }`, ""},
		{"one level more", Limits{Depth: 3}, `{ me { friends { friends { id } } } }`, "depth"},
		{"an inline fragment adds no level", Limits{Depth: 2}, `{ ... { me { ... { id } } } }`, ""},
		{"the levels of a fragment are added", Limits{Depth: 3}, `{ me { friends { ...F } } } fragment F on User { friends { id } }`, "depth"},
		{"the deepest path counts", Limits{Depth: 3}, `{ login me { ...F friends { ...F } } } fragment F on User { friends { id } }`, "depth"},
		{"as many fields as allowed", Limits{Fields: 3}, `{ login me { id } }`, ""},
		{"one field more", Limits{Fields: 3}, `{ login me { id name } }`, "fields"},
		{"fields of all operations count", Limits{Fields: 3}, `query A { me { id } } query B { me { id } }`, "fields"},
		{"a fragment's fields count at each spread", Limits{Fields: 5}, `{ me { ...F friends { ...F } } } fragment F on User { id name }`, "fields"},
		{"a fragment's fields count once for one spread", Limits{Fields: 4}, `{ me { friends { ...F } } } fragment F on User { id name }`, ""},
		{"a skipped field counts", Limits{Fields: 1}, `{ login me @skip(if: true) }`, "fields"},
		{"as many aliases as allowed", Limits{Aliases: 2}, `{ a: login b: login login }`, ""},
		{"one alias more", Limits{Aliases: 2}, `{ a: login b: login c: login }`, "aliases"},
		{"an alias equal to the name does not count", Limits{Aliases: 1}, `{ login: login me: me { id: id } }`, ""},
		{"a fragment's aliases count at each spread", Limits{Aliases: 1}, `{ me { ...F friends { ...F } } } fragment F on User { a: id }`, "aliases"},
		{"as many root fields as allowed in a query", Limits{QueryFields: 2}, `{ login me { id name friends { id } } }`, ""},
		{"one root field more", Limits{QueryFields: 2}, `{ login me { id } __typename }`, "rootFields"},
		{"root fields in fragments count", Limits{QueryFields: 2}, `{ login ...F ... { login } } fragment F on Query { login }`, "rootFields"},
		{"the same root field again counts", Limits{QueryFields: 2}, `{ login login login }`, "rootFields"},
		{"as many root fields as allowed in a mutation", Limits{MutationFields: 2}, `mutation { a: logout b: logout }`, ""},
		{"one root field more in a mutation", Limits{MutationFields: 2}, `mutation { a: logout b: logout c: logout }`, "rootFields"},
		{"as much introspection as allowed", Limits{Introspection: 2}, `{ __schema { queryType { name } } __type(name: "A") { name } __typename }`, ""},
		{"one more, in a fragment", Limits{Introspection: 2}, `{ __schema { queryType { name } } a: __type(name: "A") { name } ...F } fragment F on Query { __type(name: "A") { name } }`, "introspection"},
		{"one credential field", Limits{}, `mutation { login(password: "x") { id } logout }`, ""},
		{"one credential field in each of two operations", Limits{}, `mutation A { login { id } } mutation B { login { id } }`, ""},
		{"two credential fields under aliases", Limits{}, `mutation { a: login { id } b: login { id } }`, "credentialFields"},
		{"the same credential field twice", Limits{}, `mutation { login { id } login { id } }`, "credentialFields"},
		{"two different credential fields", Limits{}, `mutation { login { id } refresh { id } }`, "credentialFields"},
		{"two credential fields through a fragment spread twice", Limits{}, `mutation { ...F ...F } fragment F on Mutation { login { id } }`, "credentialFields"},
		{"two credential fields through inline fragments", Limits{}, `mutation { ... { login { id } } ... on Mutation { a: login { id } } }`, "credentialFields"},
		{"two credential fields, one of them skipped", Limits{}, `mutation($no: Boolean!) { login @include(if: $no) { id } a: login @skip(if: $no) { id } }`, "credentialFields"},
		{"two credential fields below the root", Limits{}, `mutation { account { a: login { id } b: login { id } } }`, "credentialFields"},
		{"one credential field at the root and one below", Limits{}, `mutation { login { id } account { login { id } } }`, "credentialFields"},
		{"two credential fields through an interface", Limits{}, `{ node { a: unlock b: unlock } }`, "credentialFields"},
		{"two fields of the same name on another type", Limits{}, `{ a: login b: login me { login } }`, ""},
		{"a shared response position", Limits{ValidationSteps: 6}, `{ me { id } me { id } }`, "validation"},
		{"as many steps as allowed through nested inline fragments", Limits{ValidationSteps: 7}, `{ ... { ... { me { id } } } }`, ""},
		{"one step more", Limits{ValidationSteps: 6}, `{ ... { ... { me { id } } } }`, "validation"},
		{"separate response positions", Limits{ValidationSteps: 4}, `{ me { id } a: me { id } }`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := exceededLimit(t, newDocuments(t, tt.limits).check(tt.text, nil)); got != tt.want {
				t.Errorf("got limit %q, want %q", got, tt.want)
			}
		})
	}
}

// Fragment bombs are small, and counting them must be cheap.
func TestFragmentBombsAreRejectedCheaply(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"spreads only", `{ ...F0 } ` + fragmentChain(20, "Query", `...NEXT ...NEXT`, `login`), "rootFields"},
		{"through fields", `{ me { ...F0 } } ` + fragmentChain(12, "User", `a: friends { ...NEXT } b: friends { ...NEXT }`, `id`), "fields"},
		{"49 levels that would count to 10^40", `{ me { ...F0 } } ` + fragmentChain(48, "User", `...NEXT ...NEXT ...NEXT ...NEXT ...NEXT ...NEXT ...NEXT`, `id`), "fields"},
		{"2^64 fields, which is 0 if it overflows", `{ me { ...F0 } } ` + fragmentChain(32, "User", `...NEXT ...NEXT ...NEXT ...NEXT`, `id`), "fields"},
		{"in aliases", `{ me { ...F0 } } ` + fragmentChain(9, "User", `...NEXT ...NEXT`, `a: id`), "aliases"},
		{"in inline fragments", `{ me { ...F0 } } ` + fragmentChain(12, "User", `... { ...NEXT } ... on User { ...NEXT }`, `id`), "fields"},
		{"without a spread", `{ login } ` + fragmentChain(20, "User", `...NEXT ...NEXT`, `id`), "validation"},
		{"of login", `mutation { ...F0 } ` + fragmentChain(5, "Mutation", `...NEXT ...NEXT`, `login { id }`), "credentialFields"},
		{"in one operation of two", `query A { login } query B { me { ...F0 } } ` + fragmentChain(20, "User", `...NEXT ...NEXT`, `id`), "fields"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDocuments(t, Limits{})
			document, err := parser.ParseQuery(&ast.Source{Input: tt.text})
			if err != nil {
				t.Fatal(err)
			}
			if got := exceededLimit(t, d.check(tt.text, nil)); got != tt.want {
				t.Errorf("got limit %q, want %q", got, tt.want)
			}
			counter := newComplexityCounter(document, d.credentials, nil)
			_ = counter.check(document, d.Limits)
			if n := countWritten(document); counter.steps > n {
				t.Errorf("got %d steps for %d selections", counter.steps, n)
			}
			c := overlapCounter{fragments: counter.fragments, limit: 1000}
			_ = c.check(document)
			if c.steps > 1100 {
				t.Errorf("got %d steps with a limit of 1000", c.steps)
			}
		})
	}
}

// fragmentChain returns the fragments F0, which spreads F1, and so on. The last contains end.
func fragmentChain(n int, on, body, end string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on %s { %s } ", i, on, strings.ReplaceAll(body, "NEXT", fmt.Sprintf("F%d", i+1)))
	}
	fmt.Fprintf(&b, "fragment F%d on %s { %s }", n, on, end)
	return b.String()
}

// countWritten counts the selections of a document without expanding fragments.
func countWritten(document *ast.QueryDocument) (n int) {
	var count func(ast.SelectionSet)
	count = func(set ast.SelectionSet) {
		for _, selection := range set {
			n++
			switch s := selection.(type) {
			case *ast.Field:
				count(s.SelectionSet)
			case *ast.InlineFragment:
				count(s.SelectionSet)
			}
		}
	}
	for _, operation := range document.Operations {
		count(operation.SelectionSet)
	}
	for _, fragment := range document.Fragments {
		count(fragment.SelectionSet)
	}
	return n
}

func TestFragmentCyclesAreRejected(t *testing.T) {
	for name, text := range map[string]string{
		"of one":                         `{ ...F } fragment F on Query { ...F }`,
		"of two":                         `{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }`,
		"below a field":                  `{ me { ...F } } fragment F on User { friends { id ...F } friends { ...F } }`,
		"in an inline fragment":          `{ me { ...F } } fragment F on User { ... { ... on User { ...F } } }`,
		"without a spread":               `{ login } fragment F on Query { ...G } fragment G on Query { ...F }`,
		"in the second of two namesakes": `{ ...F } fragment F on Query { login } fragment F on Query { ...F }`,
		"found while comparing fields":   `{ me { ...F } } fragment F on User { friends { friends { ...F } ...F } }`,
	} {
		t.Run(name, func(t *testing.T) {
			err := newDocuments(t, Limits{}).check(text, nil)
			if err == nil || err.Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" || len(err.Locations) != 1 ||
				!strings.HasPrefix(err.Message, `Cannot spread fragment "`) {
				t.Errorf("got %v, want a validation error at one location", err)
			}
		})
	}
}

func TestInvalidDocumentsAreLeftToValidation(t *testing.T) {
	for name, text := range map[string]string{
		"an empty document":          ``,
		"a truncated document":       `{ me {`,
		"brackets that do not match": `}}}} ]]] {`,
		"an invalid character":       "{ \x00 }",
		"an unterminated string":     `{ login(a: "`,
		"an unknown fragment":        `{ ...F }`,
		"an unknown type":            `{ ... on Nothing { x { y } } }`,
		"an unknown field":           `mutation { nothing { login } x { login } }`,
		"a missing root type":        `subscription { login }`,
		"two fragments of one name":  `{ ...F } fragment F on Query { login } fragment F on Query { login }`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := newDocuments(t, Limits{}).check(text, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// typeRef is the fragment of graphql-js, which follows nine wrappers since version 16.
var typeRef = `fragment TypeRef on __Type { kind name ` + strings.Repeat(`ofType { kind name `, 9) + strings.Repeat(`}`, 10)

// graphqlJS is the introspection query of GraphiQL and Apollo's tools: the result of graphql-js
// 16's getIntrospectionQuery with all options.
var graphqlJS = `
    query IntrospectionQuery {
      __schema {
        description
        queryType { name kind }
        mutationType { name kind }
        subscriptionType { name kind }
        types {
          ...FullType
        }
        directives {
          name
          description
          isRepeatable
          locations
          args(includeDeprecated: true) {
            ...InputValue
          }
        }
      }
    }

    fragment FullType on __Type {
      kind
      name
      description
      specifiedByURL
      isOneOf
      fields(includeDeprecated: true) {
        name
        description
        args(includeDeprecated: true) {
          ...InputValue
        }
        type {
          ...TypeRef
        }
        isDeprecated
        deprecationReason
      }
      inputFields(includeDeprecated: true) {
        ...InputValue
      }
      interfaces {
        ...TypeRef
      }
      enumValues(includeDeprecated: true) {
        name
        description
        isDeprecated
        deprecationReason
      }
      possibleTypes {
        ...TypeRef
      }
    }

    fragment InputValue on __InputValue {
      name
      description
      type { ...TypeRef }
      defaultValue
      isDeprecated
      deprecationReason
    }

    ` + typeRef

func TestRealClientDocumentsPass(t *testing.T) {
	const user = `__typename id name email role emailVerified createdAt`
	for _, tt := range []struct{ name, text string }{
		{"the introspection of graphql-js and GraphiQL", graphqlJS},
		{"the introspection of gqlgen's tools", introspection.Query},
		{"a login", `mutation Login($input: LoginInput!) { login(input: $input) { accessToken tokenType expiresAt user { ` + user + ` } __typename } }`},
		{
			"a page of twelve components that share a user, each with its own fragment, and Apollo's __typename everywhere",
			`query Page($first: Int!, $after: String, $wide: Boolean!) { viewer: me { ` + repeat(12, `...C# `) + `__typename } ` +
				`users(first: $first, after: $after) { edges { cursor node { ` + repeat(6, `...C# `) + `__typename } __typename } pageInfo { hasNextPage endCursor __typename } __typename } } ` +
				repeat(12, `fragment C# on User { `+user+` f#(x: $first) @include(if: $wide) } `),
		},
		{"twenty fragments of the same ten fields at one position", `{ me { ` + repeat(20, `...F# `) + ` } } ` + repeat(20, `fragment F# on User { a b c d e f g h i j } `)},
		{"a batch of 40 users by alias", `{ ` + repeat(40, `u#: user(id: "#") { ...U } `) + `} fragment U on User { ` + user + ` }`},
		{"a form of 300 fields", `{ me { ` + repeat(300, `field# `) + `} }`},
		{"a comment tree 14 levels deep", `{ me ` + strings.Repeat(`{ id friends `, 13) + `{ id }` + strings.Repeat(`}`, 13) + ` }`},
		{"30 optional fields", `query($a: Boolean!) { me { ` + repeat(30, `f# @include(if: $a) `) + `} }`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := newDocuments(t, Limits{}).check(tt.text, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVariableValuesAreLimited(t *testing.T) {
	d := newDocuments(t, Limits{VariableValues: 6})
	for _, tt := range []struct {
		name      string
		variables map[string]any
		want      string
	}{
		{"no variables", nil, ""},
		{"as many as allowed", map[string]any{"a": 1, "b": []any{1, nil}, "c": map[string]any{}}, ""},
		{"one more in a list", map[string]any{"a": 1, "b": []any{1, 2, 3}, "c": map[string]any{}}, "variableValues"},
		{"one more in an object", map[string]any{"a": 1, "b": []any{1, 2}, "c": map[string]any{"d": nil}}, "variableValues"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := d.MutateOperationParameters(t.Context(), &graphql.RawParams{Query: `{ login }`, Variables: tt.variables})
			if got := exceededLimit(t, err); got != tt.want {
				t.Errorf("got limit %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCachedDocumentsAreNotCheckedAgain(t *testing.T) {
	d := newDocuments(t, Limits{Fields: 1, VariableValues: 2})
	d.Cache = NewDocumentCache()
	const text = `{ me { id } }`
	if err := d.MutateOperationParameters(t.Context(), &graphql.RawParams{Query: text}); exceededLimit(t, err) != "fields" {
		t.Fatal(err)
	}
	d.Cache.Add(t.Context(), text, new(ast.QueryDocument))
	if err := d.MutateOperationParameters(t.Context(), &graphql.RawParams{Query: text}); err != nil {
		t.Error(err)
	}
	if err := d.MutateOperationParameters(t.Context(), &graphql.RawParams{Query: text, Variables: map[string]any{"a": 1, "b": 2}}); exceededLimit(t, err) != "variableValues" {
		t.Error("variables differ in each request:", err)
	}
}

// docs/reference/limits.md has a row for each limit, with its maximum.
func TestLimitsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	d := DefaultLimits
	for name, maximum := range map[string]any{
		"tokens": d.Tokens, "nameLength": d.NameLength, "nesting": d.Nesting, "operations": d.Operations, "fragments": d.Fragments,
		"variables": d.Variables, "variableValues": d.VariableValues, "directives": d.Directives, "nodeDirectives": d.NodeDirectives,
		"depth": d.Depth, "fields": d.Fields, "aliases": d.Aliases, "introspection": d.Introspection, "credentialFields": d.CredentialFields,
		"rootFields": fmt.Sprintf("%d, %d", d.QueryFields, d.MutationFields), "cost": d.Cost, "validation": d.ValidationSteps,
	} {
		if row := fmt.Sprintf("| `%s` | %v | ", name, maximum); !strings.Contains(string(text), row) || limitNames[name] == "" {
			t.Errorf("want a row that begins with %s", row)
		}
	}
}

func TestLimitErrorNamesLimitAndMaximum(t *testing.T) {
	for name := range limitNames {
		if err := tooComplex(name, 7); err.Extensions["max"] != 7 || err.Extensions["limit"] != name || limitNames[name] == "" {
			t.Error(err, err.Extensions)
		}
	}
	if got := (Limits{Depth: 3}).withDefaults(); got.Depth != 3 || got.Tokens != DefaultLimits.Tokens || (Limits{}).withDefaults() != DefaultLimits {
		t.Errorf("got %+v", got)
	}
}

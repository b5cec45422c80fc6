package guard

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

var listSchema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { me: User  sessions(first: Int! = 50, after: String): [Session!]  users(first: Int = 20, last: Int): Users  friends(first: Int): [User!]
		words(last: Int): [String!]  odd(first: String, last: [Int!]): [User!]  node: Node  all: [User!] }
	type Mutation { clear(first: Int! = 2): [Session!] }
	type Session { id: ID! createdAt: ID! }
	interface Node { friends(first: Int = 7): [User!] }
	type User implements Node { id: ID! friends(first: Int = 3): [User!] }
	type Users { edges: [Edge!]! pageInfo: ID }
	type Edge { node: User! }`})

func costOf(t *testing.T, text string, values map[string]any) int {
	t.Helper()
	document, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatal(err)
	}
	counter := newComplexityCounter(document, credentialsOf(listSchema), values)
	return counter.selectionSet(counter.rootType(document.Operations[0].Operation), document.Operations[0].SelectionSet).cost
}

func TestCostMultipliesListItems(t *testing.T) {
	t.Parallel()
	number := func(n string) map[string]any { return map[string]any{"n": json.Number(n)} }
	for _, row := range []struct {
		name, text string
		variables  map[string]any
		want       int
	}{
		{"fields cost one each", `{ me { id } node { friends } }`, nil, 2 + 1 + 1 + 7*10},
		{"an item costs ten plus its fields", `{ sessions(first: 20) { id createdAt } }`, nil, 1 + 20*12},
		{"the argument's default counts", `{ sessions { id } }`, nil, 1 + 50*11},
		{"a null argument counts as its default", `{ users(first: null) { pageInfo } }`, nil, 1 + 20*11},
		{"the fields of a page count for each item", `{ users(first: 3) { edges { node { id } } pageInfo } }`, nil, 1 + 3*14},
		{"the larger of first and last counts", `{ users(last: 50) { pageInfo } }`, nil, 1 + 50*11},
		{"the default of first counts beside last", `{ users(last: 5) { pageInfo } }`, nil, 1 + 20*11},
		{"a list of scalars", `{ words(last: 5) }`, nil, 1 + 5*10},
		{"a missing size", `{ words friends { id } all { id } }`, nil, 1 + 2 + 2},
		{"zero items", `{ sessions(first: 0) { id } }`, nil, 1},
		{"a negative size", `{ sessions(first: -5) { id } }`, nil, 1},
		{"more than a list returns", `{ sessions(first: 2147483647) { id } }`, nil, 1 + 100*11},
		{"more than an integer can hold", `{ sessions(first: 99999999999999999999) { id } }`, nil, 1 + 100*11},
		{"a string as the size", `{ sessions(first: "five") { id } }`, nil, 1 + 100*11},
		{"arguments of other types are not sizes", `{ odd(first: "5", last: [5]) { id } }`, nil, 2},
		{"lists within lists multiply", `{ friends(first: 10) { friends(first: 10) { id } } }`, nil, 1 + 10*(10+1+10*11)},
		{"in an interface", `{ node { ... on User { friends { id } } friends { id } } }`, nil, 1 + 1 + 3*11 + 1 + 7*11},
		{"a fragment counts wherever it is spread", `{ a: friends(first: 2) { ...F } b: friends(first: 3) { ...F } } fragment F on User { friends { id } }`, nil, 2 + 5*(10+1+3*11)},
		{"a variable", `query($n: Int!) { sessions(first: $n) { id } }`, number("4"), 1 + 4*11},
		{"a variable's default", `query($n: Int! = 6) { sessions(first: $n) { id } }`, nil, 1 + 6*11},
		{"a missing variable", `query($n: Int) { users(first: $n) { pageInfo } }`, nil, 1 + 20*11},
		{"a null variable", `query($n: Int = 90) { users(first: $n) { pageInfo } }`, map[string]any{"n": nil}, 1 + 20*11},
		{"a string variable", `query($n: Int) { users(first: $n) { pageInfo } }`, map[string]any{"n": "5"}, 1 + 100*11},
		{"a variable with an exponent", `query($n: Int) { users(first: $n) { pageInfo } }`, number("1e2"), 1 + 100*11},
		{"an undeclared variable", `{ users(first: $n) { pageInfo } }`, nil, 1 + 20*11},
		{"the largest default of several operations", `query A($n: Int = 1) { ...F } query B($n: Int = 80) { ...F } fragment F on Query { sessions(first: $n) { id } }`, nil, 1 + 80*11},
		{"a mutation", `mutation { clear { id } }`, nil, 1 + 2*11},
	} {
		if got := costOf(t, row.text, row.variables); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
}

func TestCostDoesNotOverflow(t *testing.T) {
	t.Parallel()
	text := `{ ` + strings.Repeat(`friends(first: 100) { `, 30) + `id` + strings.Repeat(` }`, 30) + ` }`
	if got := costOf(t, text, nil); got < DefaultLimits.Cost || got > math.MaxInt32 {
		t.Errorf("got cost %d, want one over the limit without overflow", got)
	}
}

// A cached document's cost depends on the variables of each request.
func TestCachedDocumentCostFollowsVariables(t *testing.T) {
	t.Parallel()
	const text = `query($n: Int! = 50) { a: sessions(first: $n) { id } b: sessions(first: $n) { id } }`
	document, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatal(err)
	}
	d := &Documents{Cache: NewDocumentCache(), Limits: Limits{Cost: 1000}.withDefaults(), credentials: credentialsOf(listSchema)}
	for _, cached := range []bool{false, true} {
		if cached {
			d.Cache.Add(t.Context(), text, document)
		}
		for n, want := range map[string]bool{"40": true, "46": false, "100": false, "1": true} {
			refused := d.MutateOperationParameters(t.Context(), &graphql.RawParams{Query: text, Variables: map[string]any{"n": json.Number(n)}})
			if (refused == nil) != want {
				t.Errorf("%s items, cached %v: got %v, want accepted: %v", n, cached, refused, want)
			}
		}
		if refused := d.MutateOperationParameters(t.Context(), &graphql.RawParams{Query: text}); refused == nil || refused.Extensions["limit"] != "cost" || refused.Extensions["max"] != 1000 {
			t.Errorf("default, cached %v: got %v, want the limit cost", cached, refused)
		}
	}
}

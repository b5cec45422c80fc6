package guard

import (
	"math"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// FuzzDocuments compares the limits with a naive count, for documents small enough. An accepted
// document must be safe to validate, and the check must not take more steps than there are tokens.
func FuzzDocuments(f *testing.F) {
	for _, seed := range []string{
		`{ me { id } }`, `query A($a: [Int!] = [1], $b: Filter = {and: [{id: "x"}]}) { me { name(in: [[1], [2]], of: {id: $b}) @skip(if: $a) } }`,
		`mutation { a: login { id } ...F } fragment F on Mutation { logout account { login { id } } }`,
		`{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }`,
		`{ me { ...F0 } } ` + fragmentChain(6, "User", `...NEXT ... { a: friends { ...NEXT } }`, `id`),
		`{ node { ... on User { unlock id } unlock } }`, "{ login(a: \"\\u00df\", b: \"\"\" \\\"\"\" \"\"\") # {\n }", "\ufeff{ me { id, } }",
		`{ me { id } me { id name } me { friends { id } friends { name } } }`, `subscription { login } fragment F on Nothing { x }`,
		strings.Repeat(`{ me `, 40), graphqlJS, `{ a(x: [[[[[[[[[[1]]]]]]]]]]) }`, `{ me @a @b @c @d @e @f @g @h @i @j @k { id } }`,
	} {
		f.Add(seed)
	}
	d := newDocuments(f, Limits{})
	exact := newDocuments(f, Limits{Depth: 6, Fields: 40, Aliases: 4, QueryFields: 6, MutationFields: 3, Introspection: math.MaxInt32, ValidationSteps: math.MaxInt32})
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > DefaultMaxBytes {
			t.Skip("a body is not as long")
		}
		refused := d.check(text, nil)
		if scanTokens(&ast.Source{Input: text}, d.Limits) != nil {
			return // not safe to parse
		}
		document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, d.Limits.Tokens)
		if err != nil {
			if refused != nil {
				t.Errorf("rejected a document that does not parse (%v): %v", err, refused)
			}
			return
		}
		counter := newComplexityCounter(document, d.credentials, nil)
		_ = counter.check(document, d.Limits)
		if n := countTokens(text); counter.steps > n {
			t.Errorf("got %d steps for %d tokens", counter.steps, n)
		}
		if refused == nil {
			validate(document)
		}
		if checkDefinitions(document, exact.Limits) == nil && counter.nodeDirectives <= exact.Limits.NodeDirectives {
			compareWithNaiveCounter(t, exact, document, text)
		}
	})
}

func countTokens(text string) (n int) {
	for lex := lexer.New(&ast.Source{Input: text}); ; n++ {
		if token, err := lex.ReadToken(); err != nil || token.Kind == lexer.EOF {
			return n
		}
	}
}

// validate panics or hangs if validation does.
func validate(document *ast.QueryDocument) {
	_ = validator.ValidateWithRules(documentSchema, document, ValidationRules(true)())
}

// naiveCounter counts without remembering fragments.
type naiveCounter struct {
	credentials
	document *ast.QueryDocument
	path     []string
	budget   int
	hasCycle bool
}

func compareWithNaiveCounter(t *testing.T, d *Documents, document *ast.QueryDocument, text string) {
	n := naiveCounter{credentials: d.credentials, document: document, budget: 50_000}
	var all complexity
	within := true
	for _, operation := range document.Operations {
		own := n.selectionSet(n.rootType(operation.Operation), operation.SelectionSet)
		roots := d.Limits.QueryFields
		if operation.Operation == ast.Mutation {
			roots = d.Limits.MutationFields
		}
		within = within && own.root <= roots && own.credentials <= d.Limits.CredentialFields
		all.add(own)
	}
	for _, fragment := range document.Fragments {
		n.selectionSet(n.schema.Types[fragment.TypeCondition], fragment.SelectionSet)
	}
	within = within && all.depth <= d.Limits.Depth && all.fields <= d.Limits.Fields && all.aliases <= d.Limits.Aliases && !n.hasCycle
	if n.budget <= 0 {
		return // too large to count
	}
	if err := d.check(text, nil); (err == nil) != within {
		t.Errorf("got %v, the naive count is %+v (cycle: %v)", err, all, n.hasCycle)
	}
}

func (n *naiveCounter) selectionSet(parent *ast.Definition, set ast.SelectionSet) (sum complexity) {
	for _, selection := range set {
		if n.budget--; n.budget <= 0 {
			return sum
		}
		switch s := selection.(type) {
		case *ast.Field:
			fieldType, takesCredential := n.lookUpField(parent, s.Name)
			below := n.selectionSet(fieldType, s.SelectionSet)
			sum.depth = max(sum.depth, below.depth+1)
			sum.root++
			sum.fields += below.fields + 1
			sum.aliases += below.aliases
			sum.credentials += below.credentials
			if s.Alias != s.Name {
				sum.aliases++
			}
			if takesCredential {
				sum.credentials++
			}
		case *ast.InlineFragment:
			on := parent
			if s.TypeCondition != "" {
				on = n.schema.Types[s.TypeCondition]
			}
			sum.add(n.selectionSet(on, s.SelectionSet))
		case *ast.FragmentSpread:
			sum.add(n.expand(s))
		}
	}
	return sum
}

func (n *naiveCounter) expand(s *ast.FragmentSpread) complexity {
	fragment := n.document.Fragments.ForName(s.Name)
	for _, name := range n.path {
		if name == s.Name {
			n.hasCycle = true
			return complexity{}
		}
	}
	if fragment == nil {
		return complexity{}
	}
	n.path = append(n.path, s.Name)
	defer func() { n.path = n.path[:len(n.path)-1] }()
	return n.selectionSet(n.schema.Types[fragment.TypeCondition], fragment.SelectionSet)
}

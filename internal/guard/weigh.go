package guard

import (
	"cmp"
	"fmt"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// saturated is as far as anything is counted: more than any limit, and less than
// what a sum of two could overflow.
const saturated = 1 << 30

func add(a, b int) int { return min(a+b, saturated) }

// weight is what a selection set comes to with its fragments expanded.
type weight struct {
	depth         int
	fields        int
	aliases       int
	root          int // fields of this set itself
	introspection int
	credentials   int
	cost          int
}

func (w *weight) add(other weight) {
	w.depth = max(w.depth, other.depth)
	w.fields = add(w.fields, other.fields)
	w.aliases = add(w.aliases, other.aliases)
	w.root = add(w.root, other.root)
	w.introspection = add(w.introspection, other.introspection)
	w.credentials = add(w.credentials, other.credentials)
	w.cost = add(w.cost, other.cost)
}

// weigher walks a document once. Each fragment is weighed when it is first
// spread and remembered, so the walk takes as many steps as the document has
// selections, though what it counts may be astronomical. Fragments that spread
// one another in a circle have no weight; they end the walk.
type weigher struct {
	credentials
	values    variables
	fragments map[string]*ast.FragmentDefinition
	weights   map[string]weight
	open      map[string]bool // being weighed further up
	steps     int

	circle         *ast.FragmentSpread // the first that was found
	nodeDirectives int                 // the most at one place
}

func newWeigher(document *ast.QueryDocument, c credentials, values map[string]any) *weigher {
	w := &weigher{credentials: c, values: variables{values, document}}
	if len(document.Fragments) == 0 {
		return w
	}
	w.fragments = make(map[string]*ast.FragmentDefinition, len(document.Fragments))
	w.weights = make(map[string]weight, len(document.Fragments))
	w.open = make(map[string]bool)
	for _, fragment := range document.Fragments {
		if _, twice := w.fragments[fragment.Name]; !twice { // gqlparser takes the first, too
			w.fragments[fragment.Name] = fragment
		}
	}
	return w
}

func (w *weigher) check(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	var all weight
	cost := 0 // of the dearest operation
	for _, operation := range document.Operations {
		w.directives(operation.Directives)
		own := w.set(w.root(operation.Operation), operation.SelectionSet)
		if err := w.checkOperation(operation.Operation, own, limits); err != nil {
			return err
		}
		all.add(own)
		cost = max(cost, own.cost)
	}
	for _, fragment := range document.Fragments { // also those that nobody spreads
		w.fragment(fragment)
	}
	if w.circle != nil {
		return circular(w.circle)
	}
	return cmp.Or(
		within("depth", all.depth, limits.Depth),
		within("fields", all.fields, limits.Fields),
		within("aliases", all.aliases, limits.Aliases),
		within("introspection", all.introspection, limits.Introspection),
		within("nodeDirectives", w.nodeDirectives, limits.NodeDirectives),
		within("cost", cost, limits.Cost),
	)
}

func (w *weigher) checkOperation(operation ast.Operation, own weight, limits Limits) *gqlerror.Error {
	roots := limits.QueryFields
	if operation == ast.Mutation {
		roots = limits.MutationFields
	}
	return cmp.Or(
		within("credentialFields", own.credentials, limits.CredentialFields),
		within("rootFields", own.root, roots),
	)
}

// checkCost is the part of check that depends on the values of variables.
func (w *weigher) checkCost(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	for _, operation := range document.Operations {
		own := w.set(w.root(operation.Operation), operation.SelectionSet)
		if err := within("cost", own.cost, limits.Cost); err != nil {
			return err
		}
	}
	return nil
}

func (w *weigher) set(parent *ast.Definition, set ast.SelectionSet) (sum weight) {
	for _, selection := range set {
		w.steps++
		switch s := selection.(type) {
		case *ast.Field:
			sum.add(w.field(parent, s))
		case *ast.InlineFragment:
			w.directives(s.Directives)
			if s.TypeCondition != "" {
				sum.add(w.set(w.schema.Types[s.TypeCondition], s.SelectionSet))
			} else {
				sum.add(w.set(parent, s.SelectionSet))
			}
		case *ast.FragmentSpread:
			w.directives(s.Directives)
			sum.add(w.spread(s))
		}
	}
	return sum
}

func (w *weigher) field(parent *ast.Definition, f *ast.Field) weight {
	w.directives(f.Directives)
	answers, takesCredential := w.follow(parent, f.Name)
	sum := w.set(answers, f.SelectionSet)
	sum.cost = w.cost(parent, f, sum.cost)
	sum.root = 1
	sum.depth++
	sum.fields = add(sum.fields, 1)
	if f.Alias != f.Name {
		sum.aliases = add(sum.aliases, 1)
	}
	if f.Name == "__schema" || f.Name == "__type" {
		sum.introspection = add(sum.introspection, 1)
	}
	if takesCredential {
		sum.credentials = add(sum.credentials, 1)
	}
	return sum
}

func (w *weigher) spread(s *ast.FragmentSpread) weight {
	fragment := w.fragments[s.Name]
	if fragment == nil { // which validation will report
		return weight{}
	}
	if w.open[s.Name] {
		w.circle = s
		return weight{}
	}
	return w.fragment(fragment)
}

func (w *weigher) fragment(f *ast.FragmentDefinition) weight {
	known, ok := w.weights[f.Name]
	if ok && w.fragments[f.Name] == f {
		return known
	}
	w.open[f.Name] = true
	defer delete(w.open, f.Name)
	w.directives(f.Directives)
	sum := w.set(w.schema.Types[f.TypeCondition], f.SelectionSet)
	if !ok {
		w.weights[f.Name] = sum
	}
	return sum
}

func (w *weigher) directives(list ast.DirectiveList) {
	w.nodeDirectives = max(w.nodeDirectives, len(list))
}

// circular is what the validation would say. It must not come so far: one of its
// rules follows circles until the stack overflows.
func circular(s *ast.FragmentSpread) *gqlerror.Error {
	err := Error(errcode.ValidationFailed, fmt.Sprintf(`Cannot spread fragment "%s" within itself.`, s.Name))
	err.Rule = "NoFragmentCycles"
	err.Locations = []gqlerror.Location{{Line: s.Position.Line, Column: s.Position.Column}}
	return err
}

package guard

import (
	"cmp"
	"fmt"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxCount caps every count. It exceeds each limit, and the sum of two capped counts does not
// overflow.
const maxCount = 1 << 30

func saturatingAdd(a, b int) int { return min(a+b, maxCount) }

// complexity is the complexity of a selection set with its fragments expanded.
type complexity struct {
	depth         int
	fields        int
	aliases       int
	root          int // fields of this set, not of those below
	introspection int
	credentials   int
	cost          int
}

func (w *complexity) add(other complexity) {
	w.depth = max(w.depth, other.depth)
	w.fields = saturatingAdd(w.fields, other.fields)
	w.aliases = saturatingAdd(w.aliases, other.aliases)
	w.root = saturatingAdd(w.root, other.root)
	w.introspection = saturatingAdd(w.introspection, other.introspection)
	w.credentials = saturatingAdd(w.credentials, other.credentials)
	w.cost = saturatingAdd(w.cost, other.cost)
}

// complexityCounter walks a document once. It computes a fragment's complexity at the first spread
// and remembers it. So the walk takes one step per selection, although the counts may be
// astronomical. A spread that closes a cycle counts nothing and ends the walk.
type complexityCounter struct {
	credentials
	values       variables
	fragments    map[string]*ast.FragmentDefinition
	complexities map[string]complexity
	active       map[string]bool // fragments whose selections are being counted
	steps        int

	cycle          *ast.FragmentSpread // a spread that closes a cycle
	nodeDirectives int                 // the largest number at one location
}

func newComplexityCounter(document *ast.QueryDocument, c credentials, values map[string]any) *complexityCounter {
	w := &complexityCounter{credentials: c, values: variables{values, document}}
	if len(document.Fragments) == 0 {
		return w
	}
	w.fragments = make(map[string]*ast.FragmentDefinition, len(document.Fragments))
	w.complexities = make(map[string]complexity, len(document.Fragments))
	w.active = make(map[string]bool)
	for _, fragment := range document.Fragments {
		if _, twice := w.fragments[fragment.Name]; !twice { // gqlparser uses the first, too
			w.fragments[fragment.Name] = fragment
		}
	}
	return w
}

func (w *complexityCounter) check(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	var all complexity
	cost := 0 // of the most expensive operation
	for _, operation := range document.Operations {
		w.directives(operation.Directives)
		own := w.selectionSet(w.rootType(operation.Operation), operation.SelectionSet)
		if err := w.checkOperation(operation.Operation, own, limits); err != nil {
			return err
		}
		all.add(own)
		cost = max(cost, own.cost)
	}
	for _, fragment := range document.Fragments { // including fragments without a spread
		w.fragment(fragment)
	}
	if w.cycle != nil {
		return cycleError(w.cycle)
	}
	return cmp.Or(
		checkLimit("depth", all.depth, limits.Depth),
		checkLimit("fields", all.fields, limits.Fields),
		checkLimit("aliases", all.aliases, limits.Aliases),
		checkLimit("introspection", all.introspection, limits.Introspection),
		checkLimit("nodeDirectives", w.nodeDirectives, limits.NodeDirectives),
		checkLimit("cost", cost, limits.Cost),
	)
}

func (w *complexityCounter) checkOperation(operation ast.Operation, own complexity, limits Limits) *gqlerror.Error {
	roots := limits.QueryFields
	if operation == ast.Mutation {
		roots = limits.MutationFields
	}
	return cmp.Or(
		checkLimit("credentialFields", own.credentials, limits.CredentialFields),
		checkLimit("rootFields", own.root, roots),
	)
}

// checkCost repeats the part of check that depends on the values of variables.
func (w *complexityCounter) checkCost(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	for _, operation := range document.Operations {
		own := w.selectionSet(w.rootType(operation.Operation), operation.SelectionSet)
		if err := checkLimit("cost", own.cost, limits.Cost); err != nil {
			return err
		}
	}
	return nil
}

func (w *complexityCounter) selectionSet(parent *ast.Definition, set ast.SelectionSet) (sum complexity) {
	for _, selection := range set {
		w.steps++
		switch s := selection.(type) {
		case *ast.Field:
			sum.add(w.field(parent, s))
		case *ast.InlineFragment:
			w.directives(s.Directives)
			if s.TypeCondition != "" {
				sum.add(w.selectionSet(w.schema.Types[s.TypeCondition], s.SelectionSet))
			} else {
				sum.add(w.selectionSet(parent, s.SelectionSet))
			}
		case *ast.FragmentSpread:
			w.directives(s.Directives)
			sum.add(w.spread(s))
		}
	}
	return sum
}

func (w *complexityCounter) field(parent *ast.Definition, f *ast.Field) complexity {
	w.directives(f.Directives)
	answers, takesCredential := w.lookUpField(parent, f.Name)
	sum := w.selectionSet(answers, f.SelectionSet)
	sum.cost = w.cost(parent, f, sum.cost)
	sum.root = 1
	sum.depth++
	sum.fields = saturatingAdd(sum.fields, 1)
	if f.Alias != f.Name {
		sum.aliases = saturatingAdd(sum.aliases, 1)
	}
	if f.Name == "__schema" || f.Name == "__type" {
		sum.introspection = saturatingAdd(sum.introspection, 1)
	}
	if takesCredential {
		sum.credentials = saturatingAdd(sum.credentials, 1)
	}
	return sum
}

func (w *complexityCounter) spread(s *ast.FragmentSpread) complexity {
	fragment := w.fragments[s.Name]
	if fragment == nil { // reported by validation
		return complexity{}
	}
	if w.active[s.Name] {
		w.cycle = s
		return complexity{}
	}
	return w.fragment(fragment)
}

func (w *complexityCounter) fragment(f *ast.FragmentDefinition) complexity {
	known, ok := w.complexities[f.Name]
	if ok && w.fragments[f.Name] == f {
		return known
	}
	w.active[f.Name] = true
	defer delete(w.active, f.Name)
	w.directives(f.Directives)
	sum := w.selectionSet(w.schema.Types[f.TypeCondition], f.SelectionSet)
	if !ok {
		w.complexities[f.Name] = sum
	}
	return sum
}

func (w *complexityCounter) directives(list ast.DirectiveList) {
	w.nodeDirectives = max(w.nodeDirectives, len(list))
}

// cycleError returns the validation's error for a fragment cycle. Validation itself must not see
// the document, because one of its rules follows cycles until the stack overflows.
func cycleError(s *ast.FragmentSpread) *gqlerror.Error {
	err := Error(errcode.ValidationFailed, fmt.Sprintf(`Cannot spread fragment "%s" within itself.`, s.Name))
	err.Rule = "NoFragmentCycles"
	err.Locations = []gqlerror.Location{{Line: s.Position.Line, Column: s.Position.Column}}
	return err
}

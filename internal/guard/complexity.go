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

func (c *complexity) add(other complexity) {
	c.depth = max(c.depth, other.depth)
	c.fields = saturatingAdd(c.fields, other.fields)
	c.aliases = saturatingAdd(c.aliases, other.aliases)
	c.root = saturatingAdd(c.root, other.root)
	c.introspection = saturatingAdd(c.introspection, other.introspection)
	c.credentials = saturatingAdd(c.credentials, other.credentials)
	c.cost = saturatingAdd(c.cost, other.cost)
}

// complexityCounter walks a document once. It computes a fragment's complexity at the first spread
// and remembers it. So the walk takes one step per selection, although the counts may be
// astronomical. A spread that closes a cycle counts nothing.
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

func newComplexityCounter(document *ast.QueryDocument, creds credentials, values map[string]any) *complexityCounter {
	c := &complexityCounter{credentials: creds, values: variables{values, document}}
	if len(document.Fragments) == 0 {
		return c
	}
	c.fragments = make(map[string]*ast.FragmentDefinition, len(document.Fragments))
	c.complexities = make(map[string]complexity, len(document.Fragments))
	c.active = make(map[string]bool)
	for _, fragment := range document.Fragments {
		// gqlparser uses the first, too.
		if _, isDuplicate := c.fragments[fragment.Name]; !isDuplicate {
			c.fragments[fragment.Name] = fragment
		}
	}
	return c
}

func (c *complexityCounter) check(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	var all complexity
	cost := 0 // of the most expensive operation
	for _, operation := range document.Operations {
		c.directives(operation.Directives)
		own := c.selectionSet(c.rootType(operation.Operation), operation.SelectionSet)
		if err := c.checkOperation(operation.Operation, own, limits); err != nil {
			return err
		}
		all.add(own)
		cost = max(cost, own.cost)
	}
	for _, fragment := range document.Fragments { // including fragments without a spread
		c.fragment(fragment)
	}
	if c.cycle != nil {
		return cycleError(c.cycle)
	}
	return cmp.Or(
		checkLimit("depth", all.depth, limits.Depth),
		checkLimit("fields", all.fields, limits.Fields),
		checkLimit("aliases", all.aliases, limits.Aliases),
		checkLimit("introspection", all.introspection, limits.Introspection),
		checkLimit("nodeDirectives", c.nodeDirectives, limits.NodeDirectives),
		checkLimit("cost", cost, limits.Cost),
	)
}

func (c *complexityCounter) checkOperation(operation ast.Operation, own complexity, limits Limits) *gqlerror.Error {
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
func (c *complexityCounter) checkCost(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	for _, operation := range document.Operations {
		own := c.selectionSet(c.rootType(operation.Operation), operation.SelectionSet)
		if err := checkLimit("cost", own.cost, limits.Cost); err != nil {
			return err
		}
	}
	return nil
}

func (c *complexityCounter) selectionSet(parent *ast.Definition, set ast.SelectionSet) (sum complexity) {
	for _, selection := range set {
		c.steps++
		switch s := selection.(type) {
		case *ast.Field:
			sum.add(c.field(parent, s))
		case *ast.InlineFragment:
			c.directives(s.Directives)
			if s.TypeCondition != "" {
				sum.add(c.selectionSet(c.schema.Types[s.TypeCondition], s.SelectionSet))
			} else {
				sum.add(c.selectionSet(parent, s.SelectionSet))
			}
		case *ast.FragmentSpread:
			c.directives(s.Directives)
			sum.add(c.spread(s))
		}
	}
	return sum
}

func (c *complexityCounter) field(parent *ast.Definition, f *ast.Field) complexity {
	c.directives(f.Directives)
	fieldType, takesCredential := c.lookUpField(parent, f.Name)
	sum := c.selectionSet(fieldType, f.SelectionSet)
	sum.cost = c.cost(parent, f, sum.cost)
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

func (c *complexityCounter) spread(s *ast.FragmentSpread) complexity {
	fragment := c.fragments[s.Name]
	if fragment == nil { // reported by validation
		return complexity{}
	}
	if c.active[s.Name] {
		c.cycle = s
		return complexity{}
	}
	return c.fragment(fragment)
}

func (c *complexityCounter) fragment(f *ast.FragmentDefinition) complexity {
	known, ok := c.complexities[f.Name]
	if ok && c.fragments[f.Name] == f {
		return known
	}
	c.active[f.Name] = true
	defer delete(c.active, f.Name)
	c.directives(f.Directives)
	sum := c.selectionSet(c.schema.Types[f.TypeCondition], f.SelectionSet)
	if !ok {
		c.complexities[f.Name] = sum
	}
	return sum
}

func (c *complexityCounter) directives(list ast.DirectiveList) {
	c.nodeDirectives = max(c.nodeDirectives, len(list))
}

// cycleError returns the validation's error for a fragment cycle. Validation itself must not see
// the document, because one of its rules follows cycles until the stack overflows.
func cycleError(s *ast.FragmentSpread) *gqlerror.Error {
	err := Error(errcode.ValidationFailed, fmt.Sprintf(`Cannot spread fragment "%s" within itself.`, s.Name))
	err.Rule = "NoFragmentCycles"
	err.Locations = []gqlerror.Location{{Line: s.Position.Line, Column: s.Position.Column}}
	return err
}

package guard

import (
	"iter"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// overlapCounter estimates the time of the validation rule OverlappingFieldsCanBeMerged before it
// runs. For each response position the rule compares every two fields, then their selections with
// each other, and every two fragments spread there. Each definition is validated on its own, with
// its spreads.
//
// A step is one visit of a field by the rule, plus one for each value of its arguments. Counting
// costs a fraction of a step, and ends when the limit is exceeded. The document must have no
// fragment cycles.
type overlapCounter struct {
	fragments map[string]*ast.FragmentDefinition
	pairs     map[[2]string]bool // fragments already compared
	sizes     map[string]int
	limit     int
	steps     int
}

func (c *overlapCounter) check(document *ast.QueryDocument) *gqlerror.Error {
	for _, operation := range document.Operations {
		c.countPosition([]ast.SelectionSet{operation.SelectionSet})
	}
	for _, fragment := range document.Fragments {
		c.countPosition([]ast.SelectionSet{fragment.SelectionSet})
	}
	return checkLimit("validation", c.steps, c.limit)
}

// countPosition counts the steps for selection sets that share a response position.
func (c *overlapCounter) countPosition(sets []ast.SelectionSet) {
	p := responsePosition{overlapCounter: c, sets: len(sets)}
	for _, set := range sets {
		p.collect(set, 1)
	}
	c.compareFragments(p.spreads)
	slices.SortFunc(p.visits, func(a, b fieldVisit) int { return strings.Compare(a.field.Alias, b.field.Alias) })
	for same := range byResponseName(p.visits) {
		if c.steps > c.limit {
			return
		}
		var below []ast.SelectionSet
		for _, v := range same {
			c.steps += (len(same) - 1) * v.times * fieldSize(v.field)
			if len(v.field.SelectionSet) > 0 {
				below = append(below, v.field.SelectionSet)
			}
		}
		if len(below) > 0 {
			c.countPosition(below)
		}
	}
}

// byResponseName yields the runs of visits with the same response name.
func byResponseName(visits []fieldVisit) iter.Seq[[]fieldVisit] {
	return func(yield func([]fieldVisit) bool) {
		for len(visits) > 0 {
			n := 1
			for n < len(visits) && visits[n].field.Alias == visits[0].field.Alias {
				n++
			}
			if !yield(visits[:n]) {
				return
			}
			visits = visits[n:]
		}
	}
}

// responsePosition collects the fields that share a response position.
type responsePosition struct {
	*overlapCounter
	sets    int
	visits  []fieldVisit
	spreads []string
}

// fieldVisit is a field and its number of visits: one for its selection set, and one for each
// inline fragment there that contains it.
type fieldVisit struct {
	field *ast.Field
	times int
}

// collect visits each field of a set, once for each set to compare it with.
func (p *responsePosition) collect(set ast.SelectionSet, times int) {
	for _, selection := range set {
		if p.steps += p.sets * times; p.steps > p.limit {
			return
		}
		switch s := selection.(type) {
		case *ast.Field:
			p.steps += p.sets * times * (fieldSize(s) - 1)
			p.visits = append(p.visits, fieldVisit{s, times})
		case *ast.InlineFragment:
			p.collect(s.SelectionSet, times+1)
		case *ast.FragmentSpread:
			p.spreads = append(p.spreads, s.Name)
			if f := p.fragments[s.Name]; f != nil {
				p.collect(f.SelectionSet, times)
			}
		}
	}
}

// compareFragments counts the comparisons of fragments. Two fragments are compared once per
// document.
func (c *overlapCounter) compareFragments(names []string) {
	for i, a := range names {
		for _, b := range names[:i] {
			if c.steps++; c.steps > c.limit {
				return
			}
			if pair := [2]string{min(a, b), max(a, b)}; a != b && !c.pairs[pair] {
				if c.pairs == nil {
					c.pairs, c.sizes = map[[2]string]bool{}, map[string]int{}
				}
				c.pairs[pair] = true
				c.steps += c.fragmentSize(a) + c.fragmentSize(b)
			}
		}
	}
}

// fragmentSize returns the number of selections in a fragment, without those of its spreads.
func (c *overlapCounter) fragmentSize(name string) int {
	size, known := c.sizes[name]
	if f := c.fragments[name]; f != nil && !known {
		size = countSelections(f.SelectionSet)
		c.sizes[name] = size
	}
	return size
}

func countSelections(set ast.SelectionSet) int {
	n := len(set)
	for _, selection := range set {
		if inline, ok := selection.(*ast.InlineFragment); ok {
			n += countSelections(inline.SelectionSet)
		}
	}
	return n
}

func fieldSize(f *ast.Field) int {
	n := 1 + len(f.Directives) + countArguments(f.Arguments)
	for _, directive := range f.Directives {
		n += countArguments(directive.Arguments)
	}
	return n
}

func countArguments(list ast.ArgumentList) (n int) {
	for _, argument := range list {
		n += countLiterals(argument.Value)
	}
	return n
}

func countLiterals(v *ast.Value) int {
	n := 1
	for _, child := range v.Children {
		n += countLiterals(child.Value)
	}
	return n
}

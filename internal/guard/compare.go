package guard

import (
	"iter"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// comparer foretells how long the validation will take. Its rule
// OverlappingFieldsCanBeMerged compares all fields that share a place in the
// answer, each with each, and then what is selected in each with what is
// selected in each other; and all fragments that are spread at one place, too.
// Each definition is validated for itself, with what it spreads.
//
// A step is one field that the validation looks at once more, and one more for
// each value of its arguments. Counting costs a fraction of a step, and ends
// when the limit is passed. There must be no circles left.
type comparer struct {
	fragments map[string]*ast.FragmentDefinition
	pairs     map[[2]string]bool // fragments that have been compared
	sizes     map[string]int
	limit     int
	steps     int
}

func (c *comparer) check(document *ast.QueryDocument) *gqlerror.Error {
	for _, operation := range document.Operations {
		c.place([]ast.SelectionSet{operation.SelectionSet})
	}
	for _, fragment := range document.Fragments {
		c.place([]ast.SelectionSet{fragment.SelectionSet})
	}
	return within("validation", c.steps, c.limit)
}

// place counts what becomes of the selection sets that are answered at one place.
func (c *comparer) place(sets []ast.SelectionSet) {
	p := place{comparer: c, sets: len(sets)}
	for _, set := range sets {
		p.collect(set, 1)
	}
	c.compareFragments(p.spreads)
	slices.SortFunc(p.looks, func(a, b look) int { return strings.Compare(a.field.Alias, b.field.Alias) })
	for same := range chunks(p.looks) {
		if c.steps > c.limit {
			return
		}
		var below []ast.SelectionSet
		for _, l := range same {
			c.steps += (len(same) - 1) * l.times * size(l.field)
			if len(l.field.SelectionSet) > 0 {
				below = append(below, l.field.SelectionSet)
			}
		}
		if len(below) > 0 {
			c.place(below)
		}
	}
}

// chunks are the runs of one name.
func chunks(looks []look) iter.Seq[[]look] {
	return func(yield func([]look) bool) {
		for len(looks) > 0 {
			n := 1
			for n < len(looks) && looks[n].field.Alias == looks[0].field.Alias {
				n++
			}
			if !yield(looks[:n]) {
				return
			}
			looks = looks[n:]
		}
	}
}

// place gathers the fields that share it.
type place struct {
	*comparer
	sets    int
	looks   []look
	spreads []string
}

// look is a field, and how often it is looked at: once for the set it is in,
// and once for each inline fragment there that it is in.
type look struct {
	field *ast.Field
	times int
}

// collect looks at each field of a set once for every set to compare it with.
func (p *place) collect(set ast.SelectionSet, times int) {
	for _, selection := range set {
		if p.steps += p.sets * times; p.steps > p.limit {
			return
		}
		switch s := selection.(type) {
		case *ast.Field:
			p.steps += p.sets * times * (size(s) - 1)
			p.looks = append(p.looks, look{s, times})
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

// compareFragments: two fragments are compared once in a document.
func (c *comparer) compareFragments(names []string) {
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
				c.steps += c.size(a) + c.size(b)
			}
		}
	}
}

// size is how many selections the validation finds in a fragment, not looking
// into those that it spreads.
func (c *comparer) size(name string) int {
	size, known := c.sizes[name]
	if f := c.fragments[name]; f != nil && !known {
		size = selections(f.SelectionSet)
		c.sizes[name] = size
	}
	return size
}

func selections(set ast.SelectionSet) int {
	n := len(set)
	for _, selection := range set {
		if inline, ok := selection.(*ast.InlineFragment); ok {
			n += selections(inline.SelectionSet)
		}
	}
	return n
}

func size(f *ast.Field) int {
	n := 1 + len(f.Directives) + arguments(f.Arguments)
	for _, directive := range f.Directives {
		n += arguments(directive.Arguments)
	}
	return n
}

func arguments(list ast.ArgumentList) (n int) {
	for _, argument := range list {
		n += values(argument.Value)
	}
	return n
}

func values(v *ast.Value) int {
	n := 1
	for _, child := range v.Children {
		n += values(child.Value)
	}
	return n
}

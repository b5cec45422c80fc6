package policytest

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// form is a way to write a selection down. It gets a selection, a field with all that it has ("text", "edges { … }"), and
// the type that it is selected on, and writes it as it likes.
type form struct {
	name   string
	every  writing // of each field on the way and of those at the end
	last   writing // of those at the end only
	second bool    // the operation stands behind another one
}

type writing func(d *document, on, selection string) string

var forms = []form{
	{name: "plain"},
	{name: "alias", every: aliased},
	{name: "alias of another field's name", last: disguised},
	{name: "named fragment", every: named},
	{name: "fragment within a fragment", last: func(d *document, on, s string) string { return named(d, on, named(d, on, s)) }},
	{name: "inline fragment with a type", every: func(_ *document, on, s string) string { return "... on " + on + " { " + s + " }" }},
	{name: "inline fragment without a type", every: func(_ *document, _, s string) string { return "... { " + s + " }" }},
	{name: "fragment on an interface or a union", last: abstract},
	{name: "@include(if: true)", last: onField("include", true)},
	{name: "@skip(if: false)", last: onField("skip", false)},
	{name: "@include(if: false)", last: onField("include", false)},
	{name: "@skip(if: true)", last: onField("skip", true)},
	{name: "fragment with @include(if: true)", every: func(d *document, _, s string) string {
		return "... @include(if: " + d.variable("Boolean!", true) + ") { " + s + " }"
	}},
	{name: "twice, by two aliases", last: func(d *document, on, s string) string { return aliased(d, on, s) + " " + aliased(d, on, s) }},
	{name: "twice, merged", last: func(d *document, on, s string) string { return s + " " + named(d, on, s) }},
	{name: "second operation", second: true},
}

// allAtOnce is the form of documents with many routes: each field has an alias of its own.
var allAtOnce = form{name: "all at once", every: aliased}

func aliased(d *document, _, selection string) string { return d.name("alias") + ": " + selection }

func named(d *document, on, selection string) string {
	name := d.name("Fragment")
	d.fragments = append(d.fragments, "fragment "+name+" on "+on+" { "+selection+" }")
	return "..." + name
}

// disguised gives each field the name of the next one: a verdict that went by the name in the answer would be another's.
func disguised(d *document, on, selection string) string {
	def := d.proof.Schema.Types[on]
	var taken, names []string
	for _, member := range membersOf(d.proof.Schema, def) {
		taken = append(taken, d.harmlessFields(member)...)
	}
	for _, field := range def.Fields {
		if !slices.Contains(taken, field.Name) && !introspection(field.Name) {
			names = append(names, field.Name)
		}
	}
	i := slices.Index(names, nameOf(selection))
	return names[(i+1)%len(names)] + ": " + selection
}

// abstract selects a field through the interfaces that have it and the unions that its type is in. Where there are none, it
// is a fragment on the type within another one.
func abstract(d *document, on, selection string) string {
	var through []string
	for _, def := range d.proof.Schema.GetImplements(d.proof.Schema.Types[on]) {
		switch {
		case def.Kind == ast.Interface && def.Fields.ForName(nameOf(selection)) != nil:
			through = append(through, "... on "+def.Name+" { "+selection+" }")
		case def.Kind == ast.Union:
			through = append(through, "... on "+def.Name+" { ... on "+on+" { "+selection+" } }")
		}
	}
	if len(through) == 0 {
		through = []string{"... on " + on + " { ... on " + on + " { " + selection + " } }"}
	}
	slices.Sort(through)
	return strings.Join(through, " ")
}

// onField writes a directive behind a field and its arguments. Its argument is a variable, so that what is parsed is the same
// document whether or not the field is left out.
func onField(directive string, value bool) writing {
	return func(d *document, _, selection string) string {
		head, below, has := strings.Cut(selection, " {")
		head += " @" + directive + "(if: " + d.variable("Boolean!", value) + ")"
		if has {
			return head + " {" + below
		}
		return head
	}
}

// nameOf is the name of the field that is selected.
func nameOf(selection string) string {
	if i := strings.IndexAny(selection, " ("); i >= 0 {
		return selection[:i]
	}
	return selection
}

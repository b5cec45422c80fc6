package policytest

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// form is a way to write a selection in GraphQL. Its wrappers get a complete selection ("text",
// "edges { … }") and the type that it is selected on, and return an equivalent selection.
type form struct {
	name              string
	wrapEach          wrapper // for each field along the route and at its end
	wrapLast          wrapper // for the fields at the end only
	isSecondOperation bool    // the document has another operation first
}

type wrapper func(d *document, on, selection string) string

var forms = []form{
	{name: "plain"},
	{name: "alias", wrapEach: aliased},
	{name: "alias of another field's name", wrapLast: aliasedAsOtherField},
	{name: "named fragment", wrapEach: inFragment},
	{name: "fragment within a fragment", wrapLast: func(d *document, on, s string) string { return inFragment(d, on, inFragment(d, on, s)) }},
	{name: "inline fragment with a type", wrapEach: func(_ *document, on, s string) string { return "... on " + on + " { " + s + " }" }},
	{name: "inline fragment without a type", wrapEach: func(_ *document, _, s string) string { return "... { " + s + " }" }},
	{name: "fragment on an interface or a union", wrapLast: viaAbstractTypes},
	{name: "@include(if: true)", wrapLast: withDirective("include", true)},
	{name: "@skip(if: false)", wrapLast: withDirective("skip", false)},
	{name: "@include(if: false)", wrapLast: withDirective("include", false)},
	{name: "@skip(if: true)", wrapLast: withDirective("skip", true)},
	{name: "fragment with @include(if: true)", wrapEach: func(d *document, _, s string) string {
		return "... @include(if: " + d.variable("Boolean!", true) + ") { " + s + " }"
	}},
	{name: "twice, by two aliases", wrapLast: func(d *document, on, s string) string { return aliased(d, on, s) + " " + aliased(d, on, s) }},
	{name: "twice, merged", wrapLast: func(d *document, on, s string) string { return s + " " + inFragment(d, on, s) }},
	{name: "second operation", isSecondOperation: true},
}

// combinedForm is the form of documents with many routes. Each field has a unique alias.
var combinedForm = form{name: "all at once", wrapEach: aliased}

func aliased(d *document, _, selection string) string { return d.name("alias") + ": " + selection }

func inFragment(d *document, on, selection string) string {
	name := d.name("Fragment")
	d.fragments = append(d.fragments, "fragment "+name+" on "+on+" { "+selection+" }")
	return "..." + name
}

// aliasedAsOtherField gives each field the name of the next one as alias. A decision by response
// name would be that of the wrong field.
func aliasedAsOtherField(d *document, on, selection string) string {
	def := d.proof.Schema.Types[on]
	var taken, names []string
	for _, member := range possibleTypes(d.proof.Schema, def) {
		taken = append(taken, d.openFields(member)...)
	}
	for _, field := range def.Fields {
		if !slices.Contains(taken, field.Name) && !isIntrospection(field.Name) {
			names = append(names, field.Name)
		}
	}
	i := slices.Index(names, fieldName(selection))
	return names[(i+1)%len(names)] + ": " + selection
}

// viaAbstractTypes selects a field through the interfaces that have it and the unions that contain
// its type. Without any, it nests a fragment on the type in another one.
func viaAbstractTypes(d *document, on, selection string) string {
	var through []string
	for _, def := range d.proof.Schema.GetImplements(d.proof.Schema.Types[on]) {
		switch {
		case def.Kind == ast.Interface && def.Fields.ForName(fieldName(selection)) != nil:
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

// withDirective adds a directive to a field. Its argument is a variable, so that the parsed
// document is the same whether or not the field is skipped.
func withDirective(directive string, value bool) wrapper {
	return func(d *document, _, selection string) string {
		head, below, has := strings.Cut(selection, " {")
		head += " @" + directive + "(if: " + d.variable("Boolean!", value) + ")"
		if has {
			return head + " {" + below
		}
		return head
	}
}

// fieldName returns the name of the selected field.
func fieldName(selection string) string {
	if i := strings.IndexAny(selection, " ("); i >= 0 {
		return selection[:i]
	}
	return selection
}

package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// document is one that is being written.
type document struct {
	proof        *proof
	form         form
	page         int // as in trial
	names        int
	fragments    []string
	declarations []string
	variables    map[string]any
}

func (d *document) name(prefix string) string {
	d.names++
	return fmt.Sprint(prefix, d.names)
}

func (d *document) variable(typeName string, value any) string {
	name := d.name("v")
	d.declarations = append(d.declarations, "$"+name+": "+typeName)
	d.variables[name] = value
	return "$" + name
}

// along is the selection that leads along a route to fields at its end.
func (d *document) along(l leg) string {
	on := l.route.end
	if l.route.direct != nil {
		on = l.route.direct
	}
	var selections []string
	for _, field := range l.fields {
		selections = append(selections, d.write(on, d.call(l.Case, l.route.end, field)+d.leaves(field), true))
	}
	text := strings.Join(selections, " ")
	for i, s := range slices.Backward(l.route.steps) {
		text = d.write(s.parent, d.call(l.Case, s.parent, s.field)+" { "+d.within(l.route, i, text)+" }", false)
	}
	return text
}

// write is a selection in the document's form.
func (d *document) write(on *ast.Definition, selection string, last bool) string {
	if d.form.every != nil {
		selection = d.form.every(d, on.Name, selection)
	}
	if last && d.form.last != nil {
		selection = d.form.last(d, on.Name, selection)
	}
	return selection
}

// call is a field's name and arguments.
func (d *document) call(c Case, on *ast.Definition, field *ast.FieldDefinition) string {
	values := d.proof.arguments(c, on.Name+"."+field.Name, field)
	for _, arg := range field.Arguments {
		_, given := values[arg.Name]
		if d.page > 0 && !given && (arg.Name == "first" || arg.Name == "last" && field.Arguments.ForName("first") == nil) && arg.Type.Name() == "Int" {
			values[arg.Name] = d.page
		}
	}
	args := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, name+": "+d.variable(field.Arguments.ForName(name).Type.String(), values[name]))
	}
	if len(args) == 0 {
		return field.Name
	}
	return field.Name + "(" + strings.Join(args, ", ") + ")"
}

// within adds what is harmless to what is selected on the answer of a route's i-th step.
func (d *document) within(r route, i int, selection string) string {
	at, last := r.end, i+1 == len(r.steps)
	if !last {
		at = r.steps[i+1].parent
	}
	def := d.proof.Schema.Types[r.steps[i].field.Type.Name()]
	switch {
	case def.Kind == ast.Object:
		return d.harmless(def) + " " + selection
	case last && r.direct != nil:
		text := "__typename"
		for _, member := range membersOf(d.proof.Schema, def) {
			text += " ... on " + member.Name + " { " + d.harmless(member) + " }"
		}
		return text + " " + selection
	}
	return "__typename ... on " + at.Name + " { " + d.harmless(at) + " " + selection + " }"
}

// leaves is what is selected on what the field at the end answers, if that is an object.
func (d *document) leaves(field *ast.FieldDefinition) string {
	switch def := d.proof.Schema.Types[field.Type.Name()]; def.Kind {
	case ast.Object:
		return " { " + d.harmless(def) + " }"
	case ast.Interface, ast.Union:
		return " { __typename }"
	}
	return ""
}

// harmless is what everybody may see of an object, as far as the proof looks at it: which type it is, whose it is, and a
// sibling that is never null.
func (d *document) harmless(def *ast.Definition) string {
	path := segments(d.proof.Owners[def.Name])
	text := "__typename"
	for i, name := range d.harmlessFields(def) {
		if i == 0 && len(path) > 0 {
			name = strings.Join(path, " { __typename ") + strings.Repeat(" }", len(path)-1)
		}
		text += " " + name
	}
	return text
}

// harmlessFields are the fields in it: the one that tells the owner, if there is one, and the sibling.
func (d *document) harmlessFields(def *ast.Definition) (names []string) {
	if path := segments(d.proof.Owners[def.Name]); len(path) > 0 {
		names = path[:1:1]
	}
	for _, field := range def.Fields {
		_, gated := d.proof.Policy.Rule(def.Name, field.Name)
		leaf := d.proof.Schema.Types[field.Type.Name()].IsLeafType()
		if !gated && leaf && field.Type.NonNull && len(field.Arguments) == 0 && !slices.Contains(names, field.Name) {
			return append(names, field.Name)
		}
	}
	return names
}

// finish makes a whole document of what is selected on the root, and names the operation to run.
func (d *document) finish(root ast.Operation, selection string) (query, operation string) {
	query = string(root) + " Proof"
	if len(d.declarations) > 0 {
		query += "(" + strings.Join(d.declarations, ", ") + ")"
	}
	query += " { __typename " + selection + " }"
	if d.form.second {
		query = "query First { __typename } " + query
	}
	return strings.Join(append([]string{query}, d.fragments...), " "), "Proof"
}

// segments are the names in a dotted path.
func segments(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, ".")
}

package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// document builds the text of a GraphQL document.
type document struct {
	proof        *proof
	form         form
	page         int // as in testCase
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

// pathSelection returns the selection along a route to the fields at its end.
func (d *document) pathSelection(l queryPath) string {
	on := l.route.end
	if l.route.direct != nil {
		on = l.route.direct
	}
	var selections []string
	for _, field := range l.fields {
		selections = append(selections, d.wrap(on, d.call(l.Case, l.route.end, field)+d.subselection(field), true))
	}
	text := strings.Join(selections, " ")
	for i, s := range slices.Backward(l.route.steps) {
		text = d.wrap(s.parent, d.call(l.Case, s.parent, s.field)+" { "+d.stepSelection(l.route, i, text)+" }", false)
	}
	return text
}

// wrap writes a selection in the document's form.
func (d *document) wrap(on *ast.Definition, selection string, last bool) string {
	if d.form.wrapEach != nil {
		selection = d.form.wrapEach(d, on.Name, selection)
	}
	if last && d.form.wrapLast != nil {
		selection = d.form.wrapLast(d, on.Name, selection)
	}
	return selection
}

// call returns a field's name and arguments.
func (d *document) call(c Case, on *ast.Definition, field *ast.FieldDefinition) string {
	values := d.proof.arguments(c, on.Name+"."+field.Name, field)
	for _, arg := range field.Arguments {
		_, given := values[arg.Name]
		isPageSize := arg.Type.Name() == "Int" &&
			(arg.Name == "first" || arg.Name == "last" && field.Arguments.ForName("first") == nil)
		if d.page > 0 && !given && isPageSize {
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

// stepSelection adds openSelection to the selection on the result of a route's i-th step.
func (d *document) stepSelection(r route, i int, selection string) string {
	at, last := r.end, i+1 == len(r.steps)
	if !last {
		at = r.steps[i+1].parent
	}
	def := d.proof.Schema.Types[r.steps[i].field.Type.Name()]
	switch {
	case def.Kind == ast.Object:
		return d.openSelection(def) + " " + selection
	case last && r.direct != nil:
		text := "__typename"
		for _, member := range possibleTypes(d.proof.Schema, def) {
			text += " ... on " + member.Name + " { " + d.openSelection(member) + " }"
		}
		return text + " " + selection
	}
	return "__typename ... on " + at.Name + " { " + d.openSelection(at) + " " + selection + " }"
}

// subselection returns the selection on the result of a field at the end, if it is an object.
func (d *document) subselection(field *ast.FieldDefinition) string {
	switch def := d.proof.Schema.Types[field.Type.Name()]; def.Kind {
	case ast.Object:
		return " { " + d.openSelection(def) + " }"
	case ast.Interface, ast.Union:
		return " { __typename }"
	}
	return ""
}

// openSelection selects what the proof needs of an object and every actor may read: its type, its
// owner, and a non-null sibling of the gated fields.
func (d *document) openSelection(def *ast.Definition) string {
	path := splitPath(d.proof.Owners[def.Name])
	text := "__typename"
	for i, name := range d.openFields(def) {
		if i == 0 && len(path) > 0 {
			name = strings.Join(path, " { __typename ") + strings.Repeat(" }", len(path)-1)
		}
		text += " " + name
	}
	return text
}

// openFields returns the fields of openSelection: the owner, if the type has one, and the sibling.
func (d *document) openFields(def *ast.Definition) (names []string) {
	if path := splitPath(d.proof.Owners[def.Name]); len(path) > 0 {
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

// build returns the complete document, and the name of the operation to run.
func (d *document) build(root ast.Operation, selection string) (query, operation string) {
	query = string(root) + " Proof"
	if len(d.declarations) > 0 {
		query += "(" + strings.Join(d.declarations, ", ") + ")"
	}
	query += " { __typename " + selection + " }"
	if d.form.isSecondOperation {
		query = "query First { __typename } " + query
	}
	return strings.Join(append([]string{query}, d.fragments...), " "), "Proof"
}

// splitPath returns the names in a dotted path.
func splitPath(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, ".")
}

package policytest

import (
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// route is a path of fields from a root type to the objects of a type. The empty route ends at the
// root type itself.
type route struct {
	root  ast.Operation
	steps []step
	end   *ast.Definition // the type that the last step leads to
	// direct is the interface on which the fields at the end are selected, as in { entry { text }
	// }. If it is nil, they are selected on end, in a fragment if the last step returns an
	// interface or a union.
	direct *ast.Definition
}

// step is one field of a route.
type step struct {
	parent *ast.Definition
	field  *ast.FieldDefinition
}

func (r route) key() (name string) {
	if len(r.steps) > 0 {
		name = r.steps[0].field.Name
	}
	for _, s := range r.steps {
		name += s.shape()
	}
	if r.direct != nil {
		name += " as " + r.direct.Name
	}
	return name
}

// shape is the part of a step that distinguishes routes: list or type. The object type behind an
// interface or a union is in the next step's parent.
func (s step) shape() string {
	if s.field.Type.Elem != nil {
		return " []"
	}
	return " " + s.field.Type.Name()
}

// String formats the route: "users.edges.node".
func (r route) String() (text string) {
	for i, s := range r.steps {
		if i > 0 {
			text += "."
		}
		text += s.field.Name
	}
	if r.direct != nil {
		text += " as " + r.direct.Name
	}
	return text
}

// maxSteps is the maximum length of a route. The server rejects documents that are deeper than
// about twice as much.
const maxSteps = 6

// findRoutes finds the routes to every object type. Of the routes with the same root field and the
// same shapes it keeps the shortest.
func findRoutes(schema *ast.Schema) map[string][]route {
	f := &routeFinder{schema: schema, found: map[string]map[string]route{}}
	for _, root := range []struct {
		operation ast.Operation
		def       *ast.Definition
	}{{ast.Query, schema.Query}, {ast.Mutation, schema.Mutation}} {
		if root.def != nil {
			f.visit(route{root: root.operation, end: root.def}, []string{root.def.Name})
		}
	}
	routes := map[string][]route{}
	for name, byKey := range f.found {
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			routes[name] = append(routes[name], byKey[key])
		}
	}
	return routes
}

type routeFinder struct {
	schema *ast.Schema
	found  map[string]map[string]route // by the type's name, by key
}

// visit adds r and continues from its end, to types that the route has not passed.
func (f *routeFinder) visit(r route, passed []string) {
	f.add(r)
	if len(r.steps) == maxSteps {
		return
	}
	for _, field := range r.end.Fields {
		def := f.schema.Types[field.Type.Name()]
		if isIntrospection(field.Name) || def == nil {
			continue
		}
		next := route{root: r.root, steps: append(slices.Clone(r.steps), step{r.end, field})}
		for _, member := range possibleTypes(f.schema, def) {
			if slices.Contains(passed, member.Name) {
				continue
			}
			next.end = member
			f.visit(next, append(slices.Clone(passed), member.Name))
			if def.Kind == ast.Interface {
				f.add(route{root: next.root, steps: next.steps, end: member, direct: def})
			}
		}
	}
}

func (f *routeFinder) add(r route) {
	byKey := f.found[r.end.Name]
	if byKey == nil {
		byKey = map[string]route{}
		f.found[r.end.Name] = byKey
	}
	if known, ok := byKey[r.key()]; !ok || len(r.steps) < len(known.steps) {
		byKey[r.key()] = r
	}
}

// possibleTypes returns the object types that a field of this type can return.
func possibleTypes(schema *ast.Schema, def *ast.Definition) []*ast.Definition {
	if def.IsCompositeType() {
		return schema.GetPossibleTypes(def)
	}
	return nil
}

func isIntrospection(name string) bool { return len(name) > 1 && name[:2] == "__" }

package guard

import (
	"encoding/json"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// itemCost is what an item of a list costs beside its fields: a row is read for it, and an object made.
	itemCost = 10
	// maxItems is how many items of a list are counted. Fieldgate's own fields refuse to answer more.
	maxItems = 100
)

// sizeArguments say how many items a list is asked for. Of several that are given, the largest counts.
var sizeArguments = []string{"first", "last"}

// variables are the values that a document's variables have in a request.
type variables struct {
	given    map[string]any
	document *ast.QueryDocument
}

// dependsOnVariables reports whether the cost of a document can depend on its variables: sizes are of the type Int.
func dependsOnVariables(document *ast.QueryDocument) bool {
	return slices.ContainsFunc(document.Operations, func(o *ast.OperationDefinition) bool {
		return slices.ContainsFunc(o.VariableDefinitions, func(v *ast.VariableDefinition) bool { return v.Type.Name() == "Int" })
	})
}

// items returns how many items a field is asked for, at most maxItems, and whether it takes a size at all.
func (w *complexityCounter) items(parent *ast.Definition, f *ast.Field) (n int, sized bool) {
	if parent == nil {
		return 0, false
	}
	field := parent.Fields.ForName(f.Name)
	if field == nil {
		return 0, false
	}
	for _, name := range sizeArguments {
		def := field.Arguments.ForName(name)
		if def == nil || def.Type.Elem != nil || def.Type.Name() != "Int" {
			continue
		}
		size, given := 0, false
		if argument := f.Arguments.ForName(name); argument != nil {
			size, given = w.values.size(argument.Value)
		}
		if !given {
			size, given = w.values.size(def.DefaultValue)
		}
		n, sized = max(n, size), sized || given
	}
	return n, sized
}

// fieldSize reads the value of an argument that says how many; given is false for null, and for a variable without a value.
// Whatever is no number counts as much as can be: the validation will refuse it.
func (v variables) size(value *ast.Value) (n int, given bool) {
	switch {
	case value == nil || value.Kind == ast.NullValue:
		return 0, false
	case value.Kind != ast.Variable:
		return clampItems(json.Number(value.Raw)), true
	}
	if sent, ok := v.given[value.Raw]; ok {
		if number, ok := sent.(json.Number); ok {
			return clampItems(number), true
		}
		return maxItems, sent != nil
	}
	// A default differs by operation, and a fragment is weighed once for all of them.
	for _, operation := range v.document.Operations {
		if def := operation.VariableDefinitions.ForName(value.Raw); def != nil && def.DefaultValue != nil && def.DefaultValue.Kind != ast.Variable {
			other, has := v.size(def.DefaultValue)
			n, given = max(n, other), given || has
		}
	}
	return n, given
}

func clampItems(number json.Number) int {
	n, err := number.Int64()
	if err != nil || n > maxItems {
		return maxItems
	}
	return int(max(n, 0))
}

// cost is what a field comes to with its selections, which cost so much together.
func (w *complexityCounter) cost(parent *ast.Definition, f *ast.Field, selections int) int {
	n, sized := w.items(parent, f)
	if !sized {
		return saturatingAdd(1, selections)
	}
	return saturatingAdd(1, min(n*min(saturatingAdd(itemCost, selections), maxCount/maxItems), maxCount))
}

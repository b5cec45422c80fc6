package guard

import (
	"encoding/json"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// itemCost is the cost of a list item besides its fields, for reading a row and creating an
	// object.
	itemCost = 10
	// maxItems caps the counted items of a list. Fieldgate's own fields never return more.
	maxItems = 100
)

// sizeArguments name the arguments that set the size of a list. If several are given, the largest
// counts.
var sizeArguments = []string{"first", "last"}

// variables holds the values of a document's variables in a request.
type variables struct {
	given    map[string]any
	document *ast.QueryDocument
}

// dependsOnVariables reports whether the cost of a document can depend on its variables. Only
// variables of type Int set the size of a list.
func dependsOnVariables(document *ast.QueryDocument) bool {
	return slices.ContainsFunc(document.Operations, func(o *ast.OperationDefinition) bool {
		return slices.ContainsFunc(o.VariableDefinitions, func(v *ast.VariableDefinition) bool { return v.Type.Name() == "Int" })
	})
}

// items returns how many items a field requests, at most maxItems, and whether it has a size at
// all.
func (c *complexityCounter) items(parent *ast.Definition, f *ast.Field) (n int, sized bool) {
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
			size, given = c.values.size(argument.Value)
		}
		if !given {
			size, given = c.values.size(def.DefaultValue)
		}
		n, sized = max(n, size), sized || given
	}
	return n, sized
}

// size reads the value of a size argument. given is false for null and for a variable without a
// value. A value that is not a number counts as maxItems; validation rejects it.
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
	// A default may differ by operation, but a fragment is counted once for all of them.
	for _, operation := range v.document.Operations {
		def := operation.VariableDefinitions.ForName(value.Raw)
		if def != nil && def.DefaultValue != nil && def.DefaultValue.Kind != ast.Variable {
			size, hasSize := v.size(def.DefaultValue)
			n, given = max(n, size), given || hasSize
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

// cost returns the cost of a field whose selections together cost the given amount.
func (c *complexityCounter) cost(parent *ast.Definition, f *ast.Field, selections int) int {
	n, sized := c.items(parent, f)
	if !sized {
		return saturatingAdd(1, selections)
	}
	return saturatingAdd(1, min(n*min(saturatingAdd(itemCost, selections), maxCount/maxItems), maxCount))
}

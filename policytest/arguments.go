package policytest

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// arguments returns the values of a field's arguments: those of its fixture, and placeholders for
// the other required ones.
func (p *proof) arguments(c Case, coordinate string, field *ast.FieldDefinition) map[string]any {
	values := map[string]any{}
	given := p.fixture(c, coordinate).Arguments
	for _, arg := range field.Arguments {
		if value, ok := given[arg.Name]; ok {
			values[arg.Name] = value
		} else if isRequired(arg.Type, arg.DefaultValue) {
			values[arg.Name] = p.placeholderValue(c, arg.Type)
		}
	}
	return values
}

func (p *proof) fixture(c Case, coordinate string) Fixture {
	if fixture := p.Fixtures[coordinate]; fixture != nil {
		return fixture(c)
	}
	return Fixture{}
}

func isRequired(t *ast.Type, defaultValue *ast.Value) bool { return t.NonNull && defaultValue == nil }

// placeholder is the value of strings and of custom scalars, most of which are strings.
const placeholder = "policytest"

// placeholderValue returns a valid value of a type. For enum Role it is the weakest role, so that
// no user is promoted by mistake.
func (p *proof) placeholderValue(c Case, t *ast.Type) any {
	if t.Elem != nil {
		return []any{p.placeholderValue(c, t.Elem)}
	}
	def := p.Schema.Types[t.Name()]
	switch {
	case def == nil:
		return nil
	case def.Name == "Role":
		return p.Policy.Roles()[0]
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Kind == ast.InputObject:
		return p.placeholderInput(c, def)
	}
	switch def.Name {
	case "ID":
		return c.Subject.ID
	case "Int", "Float":
		return 1
	case "Boolean":
		return false
	case "Time":
		return "2026-01-31T09:30:00Z"
	}
	return placeholder
}

func (p *proof) placeholderInput(c Case, def *ast.Definition) map[string]any {
	values := map[string]any{}
	for _, field := range def.Fields {
		if isRequired(field.Type, field.DefaultValue) {
			values[field.Name] = p.placeholderValue(c, field.Type)
		}
	}
	return values
}

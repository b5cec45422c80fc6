package guard

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// ValidationRules returns the rules of the GraphQL specification (section 5). Without
// introspection, __schema and __type are rejected like unknown fields. Errors then suggest no
// names, because suggestions reveal the schema as well.
//
// gqlgen modifies the result, so each document gets a new one. gqlgen's SetDisableSuggestion
// replaces two of the rules and must be set as well.
//
// Only the first [maxErrors] errors of a document are kept.
func ValidationRules(introspection bool) func() *rules.Rules {
	return func() *rules.Rules {
		r := rules.NewDefaultRules()
		r.AddRule("NoObjectsForScalars", noObjectsForScalars)
		if !introspection {
			r.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
			r.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
			r.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
			r.AddRule("NoIntrospection", noIntrospection)
			// gqlgen adds these two if they are missing, and their errors must count too.
			r.AddRule(rules.FieldsOnCorrectTypeRuleWithoutSuggestions.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc)
			r.AddRule(rules.ScalarLeafsRuleWithoutSuggestions.Name, rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc)
		}
		keepFirstErrors(r)
		return r
	}
}

// noObjectsForScalars adds a part of "Values of Correct Type" that gqlparser's rule lacks. That
// rule accepts an object without fields for any type, and gqlgen panics if it is the condition of
// @skip. The schema's own scalars are not checked, because some of them take objects.
func noObjectsForScalars(observers *core.Events, addError core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind != ast.ObjectValue || value.Definition == nil {
			return
		}
		if value.Definition.Kind == ast.Enum || value.Definition.Kind == ast.Scalar && value.Definition.BuiltIn {
			addError(core.Message("Expected value of type %q.", value.Definition.Name), core.At(value.Position))
		}
	})
}

func noIntrospection(observers *core.Events, addError core.AddErrFunc) {
	observers.OnField(func(_ *core.Walker, field *ast.Field) {
		if strings.HasPrefix(field.Name, "__") && field.Name != "__typename" {
			addError(core.Message("introspection is disabled"), core.At(field.Position))
		}
	})
}

package guard

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// ValidationRules are those of the GraphQL specification (section 5). Without
// introspection __schema and __type are refused like fields that do not exist,
// and no error suggests a name: suggestions spell the schema out as well.
//
// gqlgen takes the result apart, so there is a new one a document. Its own
// SetDisableSuggestion replaces two of the rules and must be set too.
//
// Of a document's errors the first [maxErrors] are kept.
func ValidationRules(introspection bool) func() *rules.Rules {
	return func() *rules.Rules {
		r := rules.NewDefaultRules()
		r.AddRule("NoObjectsForScalars", noObjectsForScalars)
		if !introspection {
			r.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
			r.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
			r.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
			r.AddRule("NoIntrospection", noIntrospection)
			// gqlgen adds these two unless they are there, and their errors must count as well.
			r.AddRule(rules.FieldsOnCorrectTypeRuleWithoutSuggestions.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc)
			r.AddRule(rules.ScalarLeafsRuleWithoutSuggestions.Name, rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc)
		}
		keepFirstErrors(r)
		return r
	}
}

// noObjectsForScalars is a part of "Values of Correct Type" that gqlparser's own
// rule leaves out: an object without fields passes for any type, and gqlgen
// panics where it is the condition of @skip. Scalars of the schema's own are left
// alone, since some take objects.
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
			addError(core.Message("introspection is off"), core.At(field.Position))
		}
	})
}

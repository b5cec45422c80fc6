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
func ValidationRules(introspection bool) func() *rules.Rules {
	return func() *rules.Rules {
		r := rules.NewDefaultRules()
		if introspection {
			return r
		}
		r.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
		r.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
		r.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
		r.AddRule("NoIntrospection", noIntrospection)
		return r
	}
}

func noIntrospection(observers *core.Events, addError core.AddErrFunc) {
	observers.OnField(func(_ *core.Walker, field *ast.Field) {
		if strings.HasPrefix(field.Name, "__") && field.Name != "__typename" {
			addError(core.Message("introspection is off"), core.At(field.Position))
		}
	})
}

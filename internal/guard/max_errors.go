package guard

import (
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// maxErrors bounds the validation errors in an answer. The first ones are enough to fix a document,
// and a response must not be larger than its request.
const maxErrors = 20

// keepFirstErrors makes the rules drop every error after the first maxErrors. The rules still visit
// the whole document, whose size Limits bound.
func keepFirstErrors(r *rules.Rules) {
	found := 0
	for name, rule := range r.GetInner() {
		r.ReplaceRule(name, func(observers *core.Events, addError core.AddErrFunc) {
			rule(observers, func(options ...core.ErrorOption) {
				if found++; found <= maxErrors {
					addError(options...)
				}
			})
		})
	}
}

package guard

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// maxErrors is how many mistakes of a document are told. Who has made more has
// enough to mend, and each costs more than what it is found in: a suggestion
// compares a name with all others.
const maxErrors = 20

// givenUp is thrown out of a validation. The validator cannot be stopped in
// another way; graphql-js does the same.
type givenUp gqlerror.List

// giveUp makes rules that throw givenUp on the first mistake after maxErrors.
func giveUp(r *rules.Rules) {
	found := gqlerror.List{}
	for name, rule := range r.GetInner() {
		r.ReplaceRule(name, func(observers *core.Events, addError core.AddErrFunc) {
			rule(observers, func(options ...core.ErrorOption) {
				if len(found) == maxErrors {
					panic(givenUp(found))
				}
				addError(append(options, func(err *gqlerror.Error) { found = append(found, err) })...)
			})
		})
	}
}

// prepare is exec's CreateOperationContext for rules that give up. Other panics
// pass.
func prepare(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (op *graphql.OperationContext, errs gqlerror.List) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case givenUp:
			errs = gqlerror.List(thrown)
			for _, err := range errs {
				errcode.Set(err, errcode.ValidationFailed)
			}
		default:
			panic(thrown)
		}
	}()
	return exec.CreateOperationContext(ctx, params)
}

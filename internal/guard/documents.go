package guard

import (
	"cmp"
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// Documents refuses documents that ask for too much, with QUERY_TOO_COMPLEX and
// the limit, before gqlgen parses or validates them. Both could be made to take
// minutes, or to overflow the stack, by a few hundred bytes: the parser follows
// brackets as deep as they go, and several rules of the validation take time
// that is exponential in what they read.
//
// What passes is parsed a second time by gqlgen, which offers no way to hand it
// over. The check costs a tenth of what gqlgen does to a small document
// afterwards, and about as much for an introspection query, but only the first
// time: a document in the cache has passed before. Of that only the cost is
// looked at again, if variables decide how long its lists are.
type Documents struct {
	Limits Limits         // each that is 0 is that of DefaultLimits
	Cache  *DocumentCache // the server's; nil checks each document each time

	credentials credentials
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = (*Documents)(nil)

// ExtensionName is what gqlgen knows it by.
func (*Documents) ExtensionName() string { return "Documents" }

// Validate reads from the schema which fields take a credential. gqlgen calls it
// once, before the first request.
func (d *Documents) Validate(schema graphql.ExecutableSchema) error {
	d.Limits = d.Limits.withDefaults()
	d.credentials = credentialsOf(schema.Schema())
	return nil
}

// MutateOperationParameters changes nothing.
func (d *Documents) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if err := checkLimit("variableValues", countValues(params.Variables), d.Limits.VariableValues); err != nil {
		return err
	}
	if d.Cache != nil {
		if document, passed := d.Cache.Get(ctx, params.Query); passed {
			return d.checkVariables(document, params.Variables)
		}
	}
	return d.check(params.Query, params.Variables)
}

// checkVariables looks at what can have changed since a document passed.
func (d *Documents) checkVariables(document *ast.QueryDocument, variables map[string]any) *gqlerror.Error {
	if !dependsOnVariables(document) {
		return nil
	}
	return newComplexityCounter(document, d.credentials, variables).checkCost(document, d.Limits)
}

func (d *Documents) check(text string, variables map[string]any) *gqlerror.Error {
	source := &ast.Source{Input: text}
	if err := scanTokens(source, d.Limits); err != nil {
		return err
	}
	document, err := parser.ParseQueryWithTokenLimit(source, d.Limits.Tokens)
	if err != nil {
		return nil // gqlgen will find the same, and say so
	}
	if err := checkDefinitions(document, d.Limits); err != nil {
		return err
	}
	w := newComplexityCounter(document, d.credentials, variables)
	if err := w.check(document, d.Limits); err != nil {
		return err
	}
	c := overlapCounter{fragments: w.fragments, limit: d.Limits.ValidationSteps}
	return c.check(document)
}

// checkDefinitions holds what is counted as it is written to its limits.
func checkDefinitions(document *ast.QueryDocument, limits Limits) *gqlerror.Error {
	variables := 0
	for _, operation := range document.Operations {
		variables += len(operation.VariableDefinitions)
	}
	for _, fragment := range document.Fragments {
		variables += len(fragment.VariableDefinition)
	}
	return cmp.Or(
		checkLimit("operations", len(document.Operations), limits.Operations),
		checkLimit("fragments", len(document.Fragments), limits.Fragments),
		checkLimit("variables", variables, limits.Variables),
	)
}

// countValues counts a value and those in it. The decoder has bounded how deep
// they nest.
func countValues(value any) int {
	n := 1
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			n += countValues(v)
		}
	case []any:
		for _, v := range value {
			n += countValues(v)
		}
	}
	return n
}

package guard

import (
	"cmp"
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// Documents rejects documents over a limit, with QUERY_TOO_COMPLEX and the limit's name, before
// gqlgen parses or validates them. A few hundred bytes could make both take minutes or overflow the
// stack. The parser follows brackets without a depth limit, and several validation rules take
// exponential time.
//
// gqlgen parses an accepted document again, because its API does not accept a parsed one. The check
// costs a tenth of gqlgen's work for a small document, and about as much for an introspection
// query. It runs only for documents that are not in the cache. For a cached document only the cost
// is checked again, if variables set the size of its lists.
type Documents struct {
	Limits Limits         // a limit of 0 is that of DefaultLimits
	Cache  *DocumentCache // the server's cache; if nil, each document is checked each time

	credentials credentials
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = (*Documents)(nil)

// ExtensionName returns the name of the extension.
func (*Documents) ExtensionName() string { return "Documents" }

// Validate reads from the schema which fields take a credential. gqlgen calls it once, before the
// first request.
func (d *Documents) Validate(schema graphql.ExecutableSchema) error {
	d.Limits = d.Limits.withDefaults()
	d.credentials = credentialsOf(schema.Schema())
	return nil
}

// MutateOperationParameters checks the document and changes nothing.
func (d *Documents) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if err := checkLimit("variableValues", countValues(params.Variables), d.Limits.VariableValues); err != nil {
		return err
	}
	if d.Cache != nil {
		if document, isCached := d.Cache.Get(ctx, params.Query); isCached {
			return d.checkVariables(document, params.Variables)
		}
	}
	return d.check(params.Query, params.Variables)
}

// checkVariables checks what can differ since a document was accepted.
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
		return nil // gqlgen reports the same error
	}
	if err := checkDefinitions(document, d.Limits); err != nil {
		return err
	}
	counter := newComplexityCounter(document, d.credentials, variables)
	if err := counter.check(document, d.Limits); err != nil {
		return err
	}
	overlaps := overlapCounter{fragments: counter.fragments, limit: d.Limits.ValidationSteps}
	return overlaps.check(document)
}

// checkDefinitions checks the limits on definitions, which need no expansion.
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

// countValues counts a value and those in it. The decoder has bounded the nesting depth.
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

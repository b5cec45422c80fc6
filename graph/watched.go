package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
	"fieldgate/internal/trace"
)

// watched is a transport whose requests are counted, and whose spans learn what was asked for.
type watched struct {
	graphql.Transport
	meter Meter // nil: nobody counts
}

// Do is called by gqlgen.
func (m watched) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	o := &observed{GraphExecutor: exec, kind: "none", code: fgerr.Internal} // which stays so after a panic
	start := time.Now()
	defer func() {
		if m.meter != nil {
			m.meter.Operation(o.kind, o.code, time.Since(start))
		}
		if span := trace.From(r.Context()); o.code != "" && span.Recording() {
			span.Set(trace.String("error.type", o.code))
			if fault(o.code) {
				span.Fail()
			}
		}
	}()
	m.Transport.Do(w, r, o)
}

// fault: the code of an error for which the client can do nothing.
func fault(code string) bool {
	return code == fgerr.Internal || code == fgerr.Unavailable || code == fgerr.Overloaded
}

// observed is an executor that remembers what became of its one request.
type observed struct {
	graphql.GraphExecutor
	kind, code string
}

// DispatchError is called by the transport.
func (o *observed) DispatchError(ctx context.Context, errs gqlerror.List) *graphql.Response {
	response := o.GraphExecutor.DispatchError(ctx, errs)
	o.code = codeOf(response)
	return response
}

// DispatchOperation is called by the transport.
func (o *observed) DispatchOperation(ctx context.Context, op *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	o.kind = kindOf(op.Operation)
	if span := trace.From(ctx); span.Recording() {
		span.Rename(o.kind + " " + rootOf(op.Operation.SelectionSet))
		span.Set(trace.String("graphql.operation.type", o.kind))
	}
	responses, ctx := o.GraphExecutor.DispatchOperation(ctx, op)
	return func(ctx context.Context) *graphql.Response {
		response := responses(ctx)
		o.code = codeOf(response)
		return response
	}, ctx
}

func kindOf(op *ast.OperationDefinition) string {
	if op.Operation == ast.Mutation {
		return "mutation"
	}
	return "query"
}

// rootOf names the first root field, as the schema does, with dots behind it if there are others. What the client calls the
// operation would be any name, and a list of all fields one of very many.
func rootOf(set ast.SelectionSet) string {
	switch first := set[0].(type) { // a document without one is not valid
	case *ast.Field:
		if len(set) > 1 {
			return first.Name + " …"
		}
		return first.Name
	case *ast.InlineFragment:
		return rootOf(first.SelectionSet)
	case *ast.FragmentSpread:
		return rootOf(first.Definition.SelectionSet)
	}
	return "…"
}

// codeOf is the code of the first error.
func codeOf(response *graphql.Response) string {
	if response == nil || len(response.Errors) == 0 {
		return ""
	}
	code, _ := response.Errors[0].Extensions["code"].(string)
	return code
}

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

// instrumentedTransport is a transport whose requests are counted, and whose spans learn what was asked for.
type instrumentedTransport struct {
	graphql.Transport
	metrics Metrics // nil: nobody counts
}

// Do is called by gqlgen.
func (m instrumentedTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	o := &instrumentedExecutor{GraphExecutor: exec, kind: "none", code: fgerr.Internal} // which stays so after a panic
	start := time.Now()
	defer func() {
		if m.metrics != nil {
			m.metrics.Operation(o.kind, o.code, time.Since(start))
		}
		if span := trace.From(r.Context()); o.code != "" && span.IsRecording() {
			span.Set(trace.String("error.type", o.code))
			if isServerFault(o.code) {
				span.Fail()
			}
		}
	}()
	m.Transport.Do(w, r, o)
}

// isServerFault: the code of an error for which the client can do nothing.
func isServerFault(code string) bool {
	return code == fgerr.Internal || code == fgerr.Unavailable || code == fgerr.Overloaded
}

// instrumentedExecutor is an executor that remembers what became of its one request.
type instrumentedExecutor struct {
	graphql.GraphExecutor
	kind, code string
}

// DispatchError is called by the transport.
func (o *instrumentedExecutor) DispatchError(ctx context.Context, errs gqlerror.List) *graphql.Response {
	response := o.GraphExecutor.DispatchError(ctx, errs)
	o.code = firstErrorCode(response)
	return response
}

// DispatchOperation is called by the transport.
func (o *instrumentedExecutor) DispatchOperation(ctx context.Context, op *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	o.kind = operationKind(op.Operation)
	if span := trace.From(ctx); span.IsRecording() {
		span.Rename(o.kind + " " + rootFieldName(op.Operation.SelectionSet))
		span.Set(trace.String("graphql.operation.type", o.kind))
	}
	responses, ctx := o.GraphExecutor.DispatchOperation(ctx, op)
	return func(ctx context.Context) *graphql.Response {
		response := responses(ctx)
		o.code = firstErrorCode(response)
		return response
	}, ctx
}

func operationKind(op *ast.OperationDefinition) string {
	if op.Operation == ast.Mutation {
		return "mutation"
	}
	return "query"
}

// rootFieldName names the first root field, as the schema does, with dots behind it if there are others. What the client calls the
// operation would be any name, and a list of all fields one of very many.
func rootFieldName(set ast.SelectionSet) string {
	switch first := set[0].(type) { // a document without one is not valid
	case *ast.Field:
		if len(set) > 1 {
			return first.Name + " …"
		}
		return first.Name
	case *ast.InlineFragment:
		return rootFieldName(first.SelectionSet)
	case *ast.FragmentSpread:
		return rootFieldName(first.Definition.SelectionSet)
	}
	return "…"
}

// firstErrorCode is the code of the first error.
func firstErrorCode(response *graphql.Response) string {
	if response == nil || len(response.Errors) == 0 {
		return ""
	}
	code, _ := response.Errors[0].Extensions["code"].(string)
	return code
}

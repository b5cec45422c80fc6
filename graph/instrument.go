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

// instrumentedTransport is a transport that counts requests and adds the operation and the error
// code to their spans.
type instrumentedTransport struct {
	graphql.Transport
	metrics Metrics // nil disables metrics
}

// Do implements graphql.Transport.
func (m instrumentedTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	// After a panic the code stays INTERNAL.
	o := &instrumentedExecutor{GraphExecutor: exec, kind: "none", code: fgerr.Internal}
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

// isServerFault reports whether a code means that the server failed and the client did nothing
// wrong.
func isServerFault(code string) bool {
	return code == fgerr.Internal || code == fgerr.Unavailable || code == fgerr.Overloaded
}

// instrumentedExecutor is an executor that records the kind and the error code of its one request.
type instrumentedExecutor struct {
	graphql.GraphExecutor
	kind, code string
}

// DispatchError implements graphql.GraphExecutor.
func (o *instrumentedExecutor) DispatchError(ctx context.Context, errs gqlerror.List) *graphql.Response {
	response := o.GraphExecutor.DispatchError(ctx, errs)
	o.code = firstErrorCode(response)
	return response
}

// DispatchOperation implements graphql.GraphExecutor.
func (o *instrumentedExecutor) DispatchOperation(
	ctx context.Context, op *graphql.OperationContext,
) (graphql.ResponseHandler, context.Context) {
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

// rootFieldName returns the schema's name of the first root field, followed by " …" if the
// operation has more. The client's name of the operation could be anything, and the list of all
// root fields has too many values for a span name.
func rootFieldName(set ast.SelectionSet) string {
	switch first := set[0].(type) { // validation rejects an empty selection set
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

// firstErrorCode returns the code of a response's first error, or "".
func firstErrorCode(response *graphql.Response) string {
	if response == nil || len(response.Errors) == 0 {
		return ""
	}
	code, _ := response.Errors[0].Extensions["code"].(string)
	return code
}

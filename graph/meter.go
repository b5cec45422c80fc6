package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// Meter is told what happens, to count it. What it is told is from closed lists: types of operations, Codes, DenialReasons,
// and the schema's fields and limits.
type Meter interface {
	// Operation is told of each request: its type, query, mutation or none if it was refused before it had one; the code of
	// its first error, "" if there is none; and how long it took.
	Operation(kind, code string, took time.Duration)
	// Denied is told of each execution of a field ("Type.field") that was denied, and why.
	Denied(field, reason string)
	// Limited is told of each execution of a field that a limit has refused, and what the limit counts by.
	Limited(field, by string)
}

// Codes are all codes that an error can have.
func Codes() []string {
	return []string{
		codeUnauthenticated, codeForbidden, codeBadUserInput, codeInvalidCredentials, codeEmailTaken, codeInvalidToken,
		codeEmailNotVerified, codeOverloaded, codeUnavailable, codeNotFound, codeConflict, codeRateLimited, codeTooComplex,
		codeInternal, errcode.ParseFailed, errcode.ValidationFailed,
	}
}

// reasonForbidden is why a field is denied to somebody who is signed in.
const reasonForbidden = "forbidden"

// DenialReasons are all reasons for which a field is denied.
func DenialReasons() []string {
	return []string{reasonForbidden, string(auth.Missing), string(auth.Expired), string(auth.Invalid), string(auth.Revoked)}
}

// Deniable are the fields of a policy that can be denied, by their coordinates.
func Deniable(p *policy.Policy) (fields []string) {
	for _, rule := range p.Rules() {
		if !rule.Public || rule.Reports() { // behind one that reports, a resolver may miss the person
			fields = append(fields, rule.Coordinate())
		}
	}
	return fields
}

// metered is a transport whose requests are counted.
type metered struct {
	graphql.Transport
	meter Meter
}

// Do is called by gqlgen.
func (m metered) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	o := &observed{GraphExecutor: exec, kind: "none", code: codeInternal} // which stays so after a panic
	start := time.Now()
	defer func() { m.meter.Operation(o.kind, o.code, time.Since(start)) }()
	m.Transport.Do(w, r, o)
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

// codeOf is the code of the first error.
func codeOf(response *graphql.Response) string {
	if response == nil || len(response.Errors) == 0 {
		return ""
	}
	code, _ := response.Errors[0].Extensions["code"].(string)
	return code
}

package guard

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
)

// DefaultMaxBytes is room for any document within reason and its variables. The
// parser behind has no limit of its own on nesting, so this is one of the walls
// that keep it from overflowing the stack.
const DefaultMaxBytes = 128 << 10

// POST is the transport for every operation: one a request, as JSON in the body
// of a POST. gqlgen's own POST repeats a malformed body in its answer, passwords
// included, and is lenient about everything that is refused here. It stands last
// in the list of transports and refuses the methods that no transport serves.
//
// A refused request is answered with the status that fits (405, 406, 408, 413,
// 415, or 400), an operation that fails to parse or validate with the status
// that its media type asks for, an executed one with 200. Only the last has
// "data". A retryAfter in an error's extensions, an int of seconds, is said in
// the Retry-After header too.
//
// The zero value is ready to use.
type POST struct {
	MaxBytes int64 // of the body; 0 is DefaultMaxBytes
}

var _ graphql.Transport = POST{}

// Supports is true for any request, so that it is Do that says what is wrong.
func (POST) Supports(*http.Request) bool { return true }

// Do answers one request. A panic is left to gqlgen's server, which has it
// presented like any other error.
func (p POST) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	media, acceptable := negotiate(r.Header.Values("Accept"))
	// Before anything can panic: gqlgen's recovery names no type.
	w.Header().Set("Content-Type", string(media)+"; charset=utf-8")

	start := graphql.Now()
	params, no := p.read(w, r, acceptable)
	if no != nil {
		no.writeTo(ctx, w, exec, media)
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	execute(ctx, w, exec, media, params, nil)
}

// execute answers the operation that params ask for. check, unless it is nil, may
// refuse a document that was parsed.
func execute(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, media mediaType, params *graphql.RawParams, check func(*ast.QueryDocument) *refusal) {
	op, errs := exec.CreateOperationContext(ctx, params)
	if check != nil && op != nil && op.Doc != nil {
		// Before the errors: the method is wrong whatever else is.
		if no := check(op.Doc); no != nil {
			no.writeTo(ctx, w, exec, media)
			return
		}
	}
	if len(errs) == 0 && op.Operation.Operation == ast.Subscription {
		errs = gqlerror.List{Error(errcode.ValidationFailed, "subscriptions are not offered over HTTP POST")}
	}
	if len(errs) > 0 {
		redact(errs)
		if op != nil {
			ctx = graphql.WithOperationContext(ctx, op)
		}
		writeResponse(w, media.requestErrorStatus(), exec.DispatchError(ctx, errs))
		return
	}

	responses, ctx := exec.DispatchOperation(ctx, op)
	switch response := responses(ctx); {
	case response == nil: // cancelled before it ran
		gone := Error(fgerr.Unavailable, "the request was cancelled")
		gone.Extensions["retryAfter"] = 1
		writeResponse(w, http.StatusServiceUnavailable, exec.DispatchError(ctx, gqlerror.List{gone}))
	case len(response.Data) == 0: // stopped before it ran
		writeResponse(w, media.requestErrorStatus(), response)
	default:
		writeResponse(w, http.StatusOK, response)
	}
}

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

// DefaultMaxBytes is enough for any reasonable document and its variables. gqlgen's parser does not
// limit nesting, so this limit is one of those that keep it from overflowing the stack.
const DefaultMaxBytes = 128 << 10

// POST is the transport for all operations: one per request, as JSON in the body of a POST.
// gqlgen's own POST repeats a malformed body in its answer, with any password, and accepts much
// that is rejected here. It must be last in the list of transports, because it rejects methods that
// no transport supports.
//
// A rejected request gets the matching status (400, 405, 406, 408, 413 or 415). An operation that
// does not parse or validate gets the status of its media type. An executed operation gets 200, and
// only it has "data". A retryAfter in an error's extensions, an int in seconds, also sets the
// Retry-After header.
//
// The zero value is ready to use.
type POST struct {
	MaxBytes int64 // of the body; 0 is DefaultMaxBytes
}

var _ graphql.Transport = POST{}

// Supports returns true for any request, so that Do can report what is wrong.
func (POST) Supports(*http.Request) bool { return true }

// Do answers one request. A panic is left to gqlgen's server, which presents it like other errors.
func (p POST) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	media, acceptable := negotiate(r.Header.Values("Accept"))
	// Before anything can panic: gqlgen's recovery sets no content type.
	w.Header().Set("Content-Type", string(media)+"; charset=utf-8")

	start := graphql.Now()
	params, refused := p.read(w, r, acceptable)
	if refused != nil {
		refused.writeTo(ctx, w, exec, media)
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	execute(ctx, w, exec, media, params, nil)
}

// execute runs the operation of params and writes the answer. check, unless nil, may reject the
// parsed document.
func execute(
	ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, media mediaType,
	params *graphql.RawParams, check func(*ast.QueryDocument) *refusal,
) {
	op, errs := exec.CreateOperationContext(ctx, params)
	if check != nil && op != nil && op.Doc != nil {
		// Checked before the errors: the method is wrong in any case.
		if refused := check(op.Doc); refused != nil {
			refused.writeTo(ctx, w, exec, media)
			return
		}
	}
	if len(errs) == 0 && op.Operation.Operation == ast.Subscription {
		errs = gqlerror.List{Error(errcode.ValidationFailed, "subscriptions are not supported over HTTP POST")}
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
	case response == nil: // canceled before execution
		canceled := Error(fgerr.Unavailable, "the request was cancelled")
		canceled.Extensions["retryAfter"] = 1
		writeResponse(w, http.StatusServiceUnavailable, exec.DispatchError(ctx, gqlerror.List{canceled}))
	case len(response.Data) == 0: // stopped before execution
		writeResponse(w, media.requestErrorStatus(), response)
	default:
		writeResponse(w, http.StatusOK, response)
	}
}

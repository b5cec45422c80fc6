package guard

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
)

// FieldError names a part of the input that breaks a rule, and the rule.
type FieldError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// Error returns an error in the form of the API contract: a code, and the fields at fault, if any.
func Error(code, message string, fields ...FieldError) *gqlerror.Error {
	extensions := map[string]any{"code": code}
	if len(fields) > 0 {
		extensions["fields"] = fields
	}
	return &gqlerror.Error{Message: message, Extensions: extensions}
}

// refusal is the answer to a request that is rejected before gqlgen sees it.
type refusal struct {
	status int         // 0: the status of a request error in the answer's media type
	header http.Header // headers that the status requires; may be nil
	err    *gqlerror.Error
}

func (r *refusal) writeTo(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, media mediaType) {
	maps.Copy(w.Header(), r.header)
	writeResponse(w, cmp.Or(r.status, media.requestErrorStatus()), exec.DispatchError(ctx, gqlerror.List{r.err}))
}

// refuse returns a refusal that names one part of the request: a header, or "body".
func refuse(status int, part, message string) *refusal {
	return &refusal{
		status: status,
		err:    Error(fgerr.BadUserInput, part+" "+message, FieldError{part, message}),
	}
}

func (r *refusal) withHeader(name, value string) *refusal {
	r.header = http.Header{name: {value}}
	return r
}

// UnavailableHandler answers every request with status 503, the code UNAVAILABLE and Retry-After,
// in seconds.
func UnavailableHandler(message string, retryAfter int) http.Handler {
	err := Error(fgerr.Unavailable, message)
	err.Extensions["retryAfter"] = retryAfter
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", string(legacyJSON)+"; charset=utf-8")
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		writeResponse(w, http.StatusServiceUnavailable, &graphql.Response{Errors: gqlerror.List{err}})
	})
}

// RejectHandler answers every request with the status and an error that names one part of it.
// Handlers in front of the transport use it.
func RejectHandler(status int, part, message string) http.Handler {
	refused := refuse(status, part, message)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", string(legacyJSON)+"; charset=utf-8")
		writeResponse(w, refused.status, &graphql.Response{Errors: gqlerror.List{refused.err}})
	})
}

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

// FieldError says which part of the input breaks a rule, and which rule.
type FieldError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// Error makes an error as the contract has them: a code from its table, and the
// fields at fault, all of them at once, when there are any.
func Error(code, message string, fields ...FieldError) *gqlerror.Error {
	extensions := map[string]any{"code": code}
	if len(fields) > 0 {
		extensions["fields"] = fields
	}
	return &gqlerror.Error{Message: message, Extensions: extensions}
}

// refusal answers a request that is none, before gqlgen sees anything of it.
type refusal struct {
	status int         // 0: that of a request error in the media type of the answer
	header http.Header // what the status requires besides; may be nil
	err    *gqlerror.Error
}

func (r *refusal) writeTo(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, media mediaType) {
	maps.Copy(w.Header(), r.header)
	writeResponse(w, cmp.Or(r.status, media.requestErrorStatus()), exec.DispatchError(ctx, gqlerror.List{r.err}))
}

// refuse blames one part of the request: a header, or "body".
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

// UnavailableHandler answers every request with 503 and the code UNAVAILABLE, to be asked again after so many seconds.
func UnavailableHandler(message string, retryAfter int) http.Handler {
	err := Error(fgerr.Unavailable, message)
	err.Extensions["retryAfter"] = retryAfter
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", string(legacyJSON)+"; charset=utf-8")
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		writeResponse(w, http.StatusServiceUnavailable, &graphql.Response{Errors: gqlerror.List{err}})
	})
}

// RejectHandler answers every request alike: with the status, and an error that blames one part of it. It is for
// what stands in front of the transport.
func RejectHandler(status int, part, message string) http.Handler {
	no := refuse(status, part, message)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", string(legacyJSON)+"; charset=utf-8")
		writeResponse(w, no.status, &graphql.Response{Errors: gqlerror.List{no.err}})
	})
}

package guard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
)

// writeResponse writes a response as the GraphQL specification requires (section 7.1): errors
// first, and data only after an execution. graphql.Response itself encodes absent data as null.
func writeResponse(w http.ResponseWriter, status int, response *graphql.Response) {
	if response == nil || len(response.Errors) == 0 && len(response.Data) == 0 {
		// An extension returned nothing. An answer requires errors or data.
		status = http.StatusInternalServerError
		response = &graphql.Response{Errors: gqlerror.List{Error(fgerr.Internal, "internal error")}}
	}
	body := encodeResponse(response)
	if seconds := retryAfter(response.Errors); seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // on an error the client is gone
}

// encodeResponse copies data unchanged. gqlgen has just encoded it, and encoding/json would check
// and compact it again, byte by byte.
func encodeResponse(response *graphql.Response) []byte {
	var b bytes.Buffer
	size := len(`{"data":}`) + len(response.Data)
	if len(response.Errors) > 0 || len(response.Extensions) > 0 {
		size += 512
	}
	b.Grow(size)
	member := func(name string) {
		if b.Len() > 0 {
			b.WriteByte(',')
		} else {
			b.WriteByte('{')
		}
		b.WriteString(`"` + name + `":`)
	}
	if len(response.Errors) > 0 {
		member("errors")
		encodeValue(&b, response.Errors)
	}
	if len(response.Data) > 0 {
		member("data")
		b.Write(response.Data)
	}
	if len(response.Extensions) > 0 {
		member("extensions")
		encodeValue(&b, response.Extensions)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func encodeValue(b *bytes.Buffer, v any) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false) // the content type is JSON, so HTML escapes are not needed
	if err := e.Encode(v); err != nil {
		panic(fmt.Errorf("guard: an extension of the response does not encode: %w", err))
	}
	b.Truncate(b.Len() - 1) // the newline that Encode adds
}

// retryAfter returns the longest wait that any of the errors requests, in seconds.
func retryAfter(errs gqlerror.List) (seconds int) {
	for _, err := range errs {
		if s, ok := err.Extensions["retryAfter"].(int); ok {
			seconds = max(seconds, s)
		}
	}
	return seconds
}

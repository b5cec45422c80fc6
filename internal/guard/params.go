package guard

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/fgerr"
)

// decodeParams reads the parameters of a request from its body ("GraphQL over HTTP", JSON
// Encoding). null counts as absent. Unknown members are ignored, as the specification requires;
// "Query" is one of those.
//
// The draft's newest status for parameters of the wrong type is 422. Clients and the graphql-http
// audit (1.23) expect 400.
func decodeParams(body []byte) (*graphql.RawParams, *refusal) {
	value, err := decodeJSON(body, maxDepth)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "body", "is not well-formed JSON: "+err.Error())
	}
	object, ok := value.(map[string]any)
	if !ok {
		if _, batch := value.([]any); batch {
			return nil, refuse(http.StatusBadRequest, "body", "must be one JSON object: batches are not supported")
		}
		return nil, refuse(http.StatusBadRequest, "body", "must be a JSON object")
	}
	m := paramDecoder{object: object}
	params := &graphql.RawParams{
		Query:         param[string](&m, "query", "a string"),
		OperationName: param[string](&m, "operationName", "a string or null"),
		Variables:     param[map[string]any](&m, "variables", "an object or null"),
		Extensions:    param[map[string]any](&m, "extensions", "an object or null"),
	}
	return m.finish(params)
}

// finish returns the parameters, or a refusal with all errors found.
func (m *paramDecoder) finish(params *graphql.RawParams) (*graphql.RawParams, *refusal) {
	if params.Query == "" && len(m.fieldErrors) == 0 {
		if _, hash := params.Extensions["persistedQuery"].(map[string]any); hash {
			// Apollo's link and urql's exchange look for this message, and then send the query.
			return nil, &refusal{err: Error(fgerr.PersistedQueryNotSupported, "PersistedQueryNotSupported")}
		}
		m.fieldErrors = []FieldError{{"query", "must be a non-empty string"}}
	}
	if len(m.fieldErrors) > 0 {
		return nil, &refusal{
			status: http.StatusBadRequest,
			err:    Error(fgerr.BadUserInput, "invalid request parameters", m.fieldErrors...),
		}
	}
	return params, nil
}

// paramDecoder collects the errors of all members of an object, so that a client gets them at once.
type paramDecoder struct {
	object      map[string]any
	fieldErrors []FieldError
}

func param[T any](m *paramDecoder, name, want string) (value T) {
	if v := m.object[name]; v != nil {
		var ok bool
		if value, ok = v.(T); !ok {
			m.fieldErrors = append(m.fieldErrors, FieldError{name, "must be " + want})
		}
	}
	return value
}

package guard

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/fgerr"
)

// decodeParams reads the parameters of a request from its body ("GraphQL over
// HTTP", JSON Encoding). null stands for absent. Members of other names are
// ignored, as servers MUST; that "Query" is another name than "query" follows.
//
// The draft's newest status for parameters of the wrong type is 422; 400 is
// what clients and the graphql-http audit (1.23) expect.
func decodeParams(body []byte) (*graphql.RawParams, *refusal) {
	value, err := decodeJSON(body, maxDepth)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "body", "is not well-formed JSON: "+err.Error())
	}
	object, ok := value.(map[string]any)
	if !ok {
		if _, batch := value.([]any); batch {
			return nil, refuse(http.StatusBadRequest, "body", "must be one JSON object: operations are not taken in batches")
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

// finish returns the parameters, or says what is wrong with them.
func (m *paramDecoder) finish(params *graphql.RawParams) (*graphql.RawParams, *refusal) {
	if params.Query == "" && len(m.fieldErrors) == 0 {
		if _, hash := params.Extensions["persistedQuery"].(map[string]any); hash {
			// The message is what Apollo's link and urql's exchange look for. Both
			// then send the query.
			return nil, &refusal{err: Error(fgerr.PersistedQueryNotSupported, "PersistedQueryNotSupported")}
		}
		m.fieldErrors = []FieldError{{"query", "must be a string that is not empty"}}
	}
	if len(m.fieldErrors) > 0 {
		return nil, &refusal{
			status: http.StatusBadRequest,
			err:    Error(fgerr.BadUserInput, "the request's parameters are not well-formed", m.fieldErrors...),
		}
	}
	return params, nil
}

// paramDecoder collects what is wrong with the members of an object, so that a
// client hears of everything at once.
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

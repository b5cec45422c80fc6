package policytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// request is the body of a GraphQL request.
type request struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName,omitempty"`
	Variables     map[string]any `json:"variables,omitempty"`
}

// graphQLResponse is a decoded response.
type graphQLResponse struct {
	status int
	body   string
	data   map[string]any
	errors []responseError
}

type responseError struct {
	Message    string
	Path       []any
	Extensions map[string]any
}

func (e responseError) code() string {
	code, _ := e.Extensions["code"].(string)
	return code
}

// dottedPath formats the path: "users.edges.0.node".
func (e responseError) dottedPath() (text string) {
	for i, p := range e.Path {
		if i > 0 {
			text += "."
		}
		text += fmt.Sprint(p)
	}
	return text
}

func (p *proof) post(token string, q request) (*graphQLResponse, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var decoded struct {
		Data   map[string]any
		Errors []responseError
	}
	if err := json.Unmarshal(content, &decoded); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	return &graphQLResponse{response.StatusCode, string(content), decoded.Data, decoded.Errors}, nil
}

package servertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Response is the response of a server.
type Response struct {
	Status int
	Header http.Header
	Body   string
	Data   map[string]any // nil if the response has no data
	Errors []Error

	t testing.TB
}

// Error is an error of a GraphQL response.
type Error struct {
	Message    string
	Path       []any
	Extensions map[string]any
}

// Query sends a query as a user, or anonymously if as is nil. variables are names and values in
// turn.
func (s *Server) Query(as *User, query string, variables ...any) *Response {
	s.t.Helper()
	header := http.Header{}
	if as != nil {
		header.Set("Authorization", "Bearer "+as.Token)
	}
	return s.QueryWith(header, query, variables...)
}

// QueryWith is Query with these headers instead of a user.
func (s *Server) QueryWith(header http.Header, query string, variables ...any) *Response {
	s.t.Helper()
	vars := map[string]any{}
	for i := 0; i < len(variables); i += 2 {
		vars[variables[i].(string)] = variables[i+1]
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Post(header, string(body))
}

// Post sends a body to /graphql, as JSON unless the headers say otherwise.
func (s *Server) Post(header http.Header, body string) *Response {
	s.t.Helper()
	r, err := s.NewPost(header, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Do(r)
}

// NewPost returns the request that Post sends.
func (s *Server) NewPost(header http.Header, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/graphql", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header.Clone()
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// Get sends a GET request for a path.
func (s *Server) Get(path string) *Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Do(r)
}

// Do sends a request. It ends the test if no response arrives.
func (s *Server) Do(r *http.Request) *Response {
	s.t.Helper()
	a, err := s.Try(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// Try is Do with an error instead of a failed test. It may be called from any goroutine.
func (s *Server) Try(r *http.Request) (*Response, error) {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &Response{t: s.t, Status: response.StatusCode, Header: response.Header, Body: string(content)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		return a, a.decode()
	}
	return a, nil
}

// decode reads a JSON body, which need not be a GraphQL response.
func (a *Response) decode() error {
	var decoded struct {
		Data   map[string]any
		Errors any
	}
	if err := json.Unmarshal([]byte(a.Body), &decoded); err != nil {
		return fmt.Errorf("not JSON: %w in %s", err, a.Body)
	}
	a.Data = decoded.Data
	again, _ := json.Marshal(decoded.Errors)
	return json.Unmarshal(again, &a.Errors)
}

// UntilReady waits until /readyz reports that the server is ready.
func (s *Server) UntilReady() {
	s.t.Helper()
	for s.Get("/readyz").Status != http.StatusOK {
	}
}

// Must ends the test if the response has an error.
func (a *Response) Must() *Response {
	a.t.Helper()
	if a.Status != http.StatusOK || len(a.Errors) > 0 {
		a.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return a
}

// Codes returns the errors as "path CODE", such as "users.0.email FORBIDDEN", sorted.
func (a *Response) Codes() []string {
	list := make([]string, len(a.Errors))
	for i, e := range a.Errors {
		path := make([]string, len(e.Path))
		for j, p := range e.Path {
			path[j] = fmt.Sprint(p)
		}
		list[i] = strings.TrimSpace(strings.Join(path, ".") + " " + fmt.Sprint(e.Extensions["code"]))
	}
	slices.Sort(list)
	return list
}

// At returns the value at a dotted path in the data, such as "users.edges.0.node.id", or nil.
func (a *Response) At(path string) any {
	var v any = a.Data
	for name := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[name]
		case []any:
			i := 0
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// Text returns the string at a path. It ends the test if the string is missing or empty.
func (a *Response) Text(path string) string {
	a.t.Helper()
	s, ok := a.At(path).(string)
	if !ok || s == "" {
		a.t.Fatalf("no string at %s in %s", path, a.Body)
	}
	return s
}

// JSON returns the data as JSON with sorted names, for comparison.
func (a *Response) JSON() string {
	b, err := json.Marshal(a.Data)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// WantCodes fails the test unless the errors are exactly these, in the form and order of Codes.
func (a *Response) WantCodes(want ...string) {
	a.t.Helper()
	if !slices.Equal(a.Codes(), want) {
		a.t.Errorf("got %s\nwant %q", a.Body, want)
	}
}

// NewResponse makes a Response of what another client received. It returns an error if the body is
// not JSON.
func NewResponse(t testing.TB, status int, header http.Header, body string) (*Response, error) {
	a := &Response{t: t, Status: status, Header: header, Body: body}
	return a, a.decode()
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// operation is a request that every server answers alike.
type operation struct {
	body         string
	baselinePath string // the path of the baseline
	isCorrect    func(a *reply, p user) bool
}

// reply is the common part of the responses.
type reply struct {
	Data struct {
		Me    *userJSON
		User  *userJSON
		Login *struct{ AccessToken, TokenType string }
	}
	Errors []struct {
		Extensions struct{ Code string }
	}
}

// hasOnlyError reports whether the reply has exactly one error, with this code.
func (a *reply) hasOnlyError(code string) bool {
	return len(a.Errors) == 1 && a.Errors[0].Extensions.Code == code
}

var (
	me = operation{
		body: queryBody("{ me { id email name role } }", nil), baselinePath: pathMe,
		isCorrect: func(a *reply, p user) bool {
			return len(a.Errors) == 0 && a.Data.Me != nil && *a.Data.Me == userJSON{ID: p.id(), Name: p.name(), Email: p.email(), Role: "USER"}
		},
	}
	// A field that requires STAFF, requested by a USER.
	deniedField = operation{
		body: queryBody("query ($id: ID!) { user(id: $id) { name } }", map[string]string{"id": user(0).id()}), baselinePath: pathRefused,
		isCorrect: func(a *reply, _ user) bool { return a.hasOnlyError("FORBIDDEN") && a.Data.User == nil },
	}
	// The smallest query of a gated field.
	meID = operation{
		body: queryBody("{ me { id } }", nil), baselinePath: pathToken,
		isCorrect: func(a *reply, p user) bool {
			return len(a.Errors) == 0 && a.Data.Me != nil && *a.Data.Me == userJSON{ID: p.id()}
		},
	}
)

const password = "correct horse battery staple"

func login(p user, password string) operation {
	return operation{
		body: queryBody(fmt.Sprintf("mutation { login(input: {email: %q, password: %q}) { accessToken tokenType } }", p.email(), password), nil),
		isCorrect: func(a *reply, _ user) bool {
			return len(a.Errors) == 0 && a.Data.Login != nil && a.Data.Login.TokenType == "Bearer" && strings.Count(a.Data.Login.AccessToken, ".") == 2
		},
	}
}

func wrongLogin(p user) operation {
	op := login(p, "a wrong guess")
	// A server with a full password queue returns OVERLOADED, which is not counted as a guess.
	op.isCorrect = func(a *reply, _ user) bool {
		return a.Data.Login == nil && (a.hasOnlyError("INVALID_CREDENTIALS") || a.hasOnlyError("OVERLOADED"))
	}
	return op
}

// queryBody returns the body of a GraphQL request.
func queryBody(text string, variables map[string]string) string {
	body, err := json.Marshal(struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables,omitempty"`
	}{text, variables})
	if err != nil {
		panic(err) // strings always encode
	}
	return string(body)
}

// queryResult is a correct response.
type queryResult struct {
	reply
	body []byte
}

// send sends one request and returns the response. A wrong response is an error.
func (s *server) send(ctx context.Context, op operation, as user) (*queryResult, error) {
	token, err := s.b.accessToken(as)
	if err != nil {
		return nil, err
	}
	return s.sendWithToken(ctx, token, op, as)
}

func (s *server) sendWithToken(ctx context.Context, token string, op operation, as user) (*queryResult, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url(op), strings.NewReader(op.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := s.b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	a := new(queryResult)
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(a.body, &a.reply); err != nil || response.StatusCode != http.StatusOK || !op.isCorrect(&a.reply, as) {
		return nil, fmt.Errorf("%s answered %s with %d %s", s.name, op.body, response.StatusCode, bytes.TrimSpace(a.body))
	}
	return a, nil
}

// accessToken returns the access token of a user, and issues it on the first call.
func (b *bench) accessToken(p user) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if token, ok := b.tokenCache[p]; ok {
		return token, nil
	}
	token, _, err := b.tokens.Issue(p.session())
	b.tokenCache[p] = token
	return token, err
}

// loadRequests returns the requests of users with the server's responses. Each response is checked
// once; in the measurements it must be the same to the byte.
func (s *server) loadRequests(ctx context.Context, op operation, users []user) ([]loadRequest, error) {
	list := make([]loadRequest, len(users))
	for i, p := range users {
		a, err := s.send(ctx, op, p)
		if err != nil {
			return nil, err
		}
		token, err := s.b.accessToken(p)
		if err != nil {
			return nil, err
		}
		list[i] = loadRequest{token, string(a.body)}
	}
	return list, nil
}

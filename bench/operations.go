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

// operation is a request that everybody answers alike.
type operation struct {
	body   string
	byHand string // the path of the hand-written one
	right  func(a *reply, p person) bool
}

// reply is what the answers have in common.
type reply struct {
	Data struct {
		Me    *limitUser
		User  *limitUser
		Login *struct{ AccessToken, TokenType string }
	}
	Errors []struct {
		Extensions struct{ Code string }
	}
}

// only reports whether there is exactly one error, and it has this code.
func (a *reply) only(code string) bool {
	return len(a.Errors) == 1 && a.Errors[0].Extensions.Code == code
}

var (
	me = operation{
		body: query("{ me { id email name role } }", nil), byHand: pathMe,
		right: func(a *reply, p person) bool {
			return len(a.Errors) == 0 && a.Data.Me != nil && *a.Data.Me == limitUser{ID: p.id(), Name: p.name(), Email: p.email(), Role: "USER"}
		},
	}
	// A field for STAFF, asked for by a USER.
	refused = operation{
		body: query("query ($id: ID!) { user(id: $id) { name } }", map[string]string{"id": person(0).id()}), byHand: pathRefused,
		right: func(a *reply, _ person) bool { return a.only("FORBIDDEN") && a.Data.User == nil },
	}
	// The least of a gated field.
	meID = operation{
		body: query("{ me { id } }", nil), byHand: pathToken,
		right: func(a *reply, p person) bool {
			return len(a.Errors) == 0 && a.Data.Me != nil && *a.Data.Me == limitUser{ID: p.id()}
		},
	}
)

const password = "correct horse battery staple"

func login(p person, password string) operation {
	return operation{
		body: query(fmt.Sprintf("mutation { login(input: {email: %q, password: %q}) { accessToken tokenType } }", p.email(), password), nil),
		right: func(a *reply, _ person) bool {
			return len(a.Errors) == 0 && a.Data.Login != nil && a.Data.Login.TokenType == "Bearer" && strings.Count(a.Data.Login.AccessToken, ".") == 2
		},
	}
}

func guess(p person) operation {
	op := login(p, "a wrong guess")
	// Whose password queue is full says so; that was no guess.
	op.right = func(a *reply, _ person) bool {
		return a.Data.Login == nil && (a.only("INVALID_CREDENTIALS") || a.only("OVERLOADED"))
	}
	return op
}

// query is a request's body.
func query(text string, variables map[string]string) string {
	body, err := json.Marshal(struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables,omitempty"`
	}{text, variables})
	if err != nil {
		panic(err) // strings are always JSON
	}
	return string(body)
}

// answered is an answer that was right.
type answered struct {
	reply
	body []byte
}

// ask sends one request and returns the answer; one that is wrong is an error.
func (s *server) ask(ctx context.Context, op operation, as person) (*answered, error) {
	token, err := s.b.tokenOf(as)
	if err != nil {
		return nil, err
	}
	return s.askWith(ctx, token, op, as)
}

func (s *server) askWith(ctx context.Context, token string, op operation, as person) (*answered, error) {
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
	a := new(answered)
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(a.body, &a.reply); err != nil || response.StatusCode != http.StatusOK || !op.right(&a.reply, as) {
		return nil, fmt.Errorf("%s answered %s with %d %s", s.name, op.body, response.StatusCode, bytes.TrimSpace(a.body))
	}
	return a, nil
}

// tokenOf makes an access token once a person.
func (b *bench) tokenOf(p person) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if token, ok := b.made[p]; ok {
		return token, nil
	}
	token, _, err := b.tokens.Issue(p.session())
	b.made[p] = token
	return token, err
}

// asks are what people get from the server: each answer is looked at once, and from then on has to be the same bytes.
func (s *server) asks(ctx context.Context, op operation, people []person) ([]ask, error) {
	list := make([]ask, len(people))
	for i, p := range people {
		a, err := s.ask(ctx, op, p)
		if err != nil {
			return nil, err
		}
		token, err := s.b.tokenOf(p)
		if err != nil {
			return nil, err
		}
		list[i] = ask{token, string(a.body)}
	}
	return list, nil
}

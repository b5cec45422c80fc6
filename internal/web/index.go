package web

import (
	"encoding/json"
	"net/http"
)

// Index answers what this server is: its name and where its API is. It names no version.
func Index(name string) http.Handler {
	body, err := json.Marshal(struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		API         string `json:"api"`
		Keys        string `json:"keys"`
	}{name, "GraphQL API with authentication, sessions and roles", "/graphql", "/.well-known/jwks.json"})
	if err != nil {
		panic(err) // strings always encode
	}
	body = append(body, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	})
}

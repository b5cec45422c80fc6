package web

import (
	"encoding/json"
	"net/http"
)

// Index answers with the server's name and the paths of its API and keys. It does not reveal a
// version.
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

package guard_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/guard"
)

// BenchmarkPOST compares the transport with gqlgen's own for a login.
func BenchmarkPOST(b *testing.B) {
	body, err := json.Marshal(map[string]any{
		"operationName": "Login",
		"query":         "mutation Login($input: Login!) {\n  login(input: $input)\n}",
		"variables": map[string]any{"input": map[string]any{
			"email": "ada@example.org", "password": "correct horse battery staple", "role": "USER",
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name      string
		transport graphql.Transport
	}{{"guard", guard.POST{}}, {"gqlgen", transport.POST{}}} {
		b.Run(bb.name, func(b *testing.B) {
			h := handler.New(&graphql.ExecutableSchemaMock{
				SchemaFunc: func() *ast.Schema { return testSchema },
				ExecFunc:   func(context.Context) graphql.ResponseHandler { return fakeExec },
			})
			h.AddTransport(bb.transport)
			h.SetQueryCache(guard.NewDocumentCache())
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, jsonRequest(b.Context(), strings.NewReader(string(body))))
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

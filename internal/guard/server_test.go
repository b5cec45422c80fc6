package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/guard"
)

var testSchema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	directive @credential on FIELD_DEFINITION
	enum Role { USER ADMIN }
	input Login { email: String!  password: String!  role: Role  friends: [Login!] }
	type Query {
		hello: String
		echo(value: Any): Any
		fail: String
		broken: String!
		limited: Boolean
		panic: String
		add(a: Int, on: Boolean, id: ID, x: Float, role: Role): Int
		check(password: String): Boolean @credential
		me: Account
		node: Node
	}
	interface Node { proof(password: String): Boolean }
	type Account implements Node { name: String  proof(password: String): Boolean @credential }
	type Mutation { login(input: Login!): Boolean  plain(email: String, password: String): Boolean }
	type Subscription { tick: Int }
	scalar Any
`})

// fakeExec stands in for generated code and answers each root field. It handles only the first
// field.
func fakeExec(ctx context.Context) *graphql.Response {
	op := graphql.GetOperationContext(ctx)
	switch op.Operation.SelectionSet[0].(*ast.Field).Name {
	case "hello":
		return &graphql.Response{Data: []byte(`{"hello":"<b>ß & co</b>"}`)}
	case "echo":
		value, err := json.Marshal(map[string]any{"echo": op.Variables["value"]})
		if err != nil {
			panic(err)
		}
		return &graphql.Response{Data: value}
	case "fail":
		graphql.AddError(ctx, errors.New("it <failed>"))
		graphql.RegisterExtension(ctx, "cost", 3)
		return &graphql.Response{Data: []byte(`{"fail":null}`)}
	case "broken":
		graphql.AddError(ctx, errors.New("it failed"))
		return &graphql.Response{Data: []byte(`null`)}
	case "limited":
		for _, seconds := range []int{3, 40, 7} {
			err := guard.Error("RATE_LIMITED", "too many")
			err.Extensions["retryAfter"] = seconds
			graphql.AddError(ctx, err)
		}
		return &graphql.Response{Data: []byte(`{"limited":null}`)}
	case "panic":
		panic("a secret in a panic")
	default:
		return &graphql.Response{Data: []byte(`{"login":true}`)}
	}
}

func newHandler(post guard.POST) *handler.Server {
	schema := &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return testSchema },
		ExecFunc:   func(context.Context) graphql.ResponseHandler { return fakeExec },
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) {
			return 0, false
		},
	}
	srv := handler.New(schema)
	documents := &guard.Documents{} // not used as an extension, so it limits nothing
	if err := documents.Validate(schema); err != nil {
		panic(err)
	}
	srv.AddTransport(guard.GET{Documents: documents})
	srv.AddTransport(post)
	srv.SetRecoverFunc(func(context.Context, any) error {
		return guard.Error("INTERNAL", "internal error")
	})
	return srv
}

func newServer(t testing.TB, wrap ...func(http.Handler) http.Handler) string {
	var h http.Handler = newHandler(guard.POST{})
	for _, w := range wrap {
		h = w(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

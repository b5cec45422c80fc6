package graph

import (
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/graph/generated"
	"fieldgate/internal/account"
	"fieldgate/internal/guard"
	"fieldgate/internal/policy"
)

// maxTokens bounds a document before it is parsed: the parser goes as deep as the document does, and a stack
// that overflows ends the program.
const maxTokens = 2000

// Schema is the schema that the server was generated from, with all its directives.
func Schema() *ast.Schema { return generated.NewExecutableSchema(generated.Config{}).Schema() }

// Config is what a handler is made of. Every field is needed.
type Config struct {
	Accounts      *account.Service
	Policy        *policy.Policy
	Log           *slog.Logger
	Introspection bool
}

// NewHandler serves the API. It expects auth.Middleware in front of it.
func NewHandler(c Config) http.Handler {
	srv := handler.New(generated.NewExecutableSchema(generated.Config{
		Resolvers:  &Resolver{Accounts: c.Accounts},
		Directives: generated.DirectiveRoot{Auth: authDirective(c.Policy)},
	}))
	srv.AddTransport(guard.POST{})
	srv.SetParserTokenLimit(maxTokens)
	srv.SetQueryCache(guard.NewDocumentCache())
	srv.SetErrorPresenter(presenter(c.Log))
	srv.SetRecoverFunc(recoverPanic)
	srv.SetValidationRulesFn(guard.ValidationRules(c.Introspection))
	srv.SetDisableSuggestion(!c.Introspection)
	if c.Introspection {
		srv.Use(extension.Introspection{})
	}
	return srv
}

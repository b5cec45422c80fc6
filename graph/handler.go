package graph

import (
	"log/slog"
	"maps"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/app"
	"fieldgate/graph/generated"
	"fieldgate/internal/account"
	"fieldgate/internal/guard"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// Schema returns the schema that the server serves. It removes @defer, which gqlparser declares for
// every schema: the transports do not stream, so a deferred part would never arrive. A document
// with @defer fails validation. It also removes the directives that only gqlgen reads.
// Introspection lists none of these.
func Schema() *ast.Schema {
	schema := *generated.NewExecutableSchema(generated.Config{}).Schema()
	schema.Directives = maps.Clone(schema.Directives)
	for _, name := range []string{"defer", "goModel", "goField"} {
		delete(schema.Directives, name)
	}
	return &schema
}

// Config configures a handler. Every field but Metrics and Traced is required.
type Config struct {
	App           *app.App // what the product adds
	Accounts      *account.Service
	Policy        *policy.Policy
	Store         *models.Store   // keeps the rate limits
	DryRun        *DryRunRecorder // counts what report-only rules would deny
	Metrics       Metrics         // nil disables metrics
	Traced        bool            // adds the operation to the request's span
	Log           *slog.Logger
	Introspection bool
	LimitsOff     bool // disables @limit
	Explain       bool // adds hints to denials, for development
}

// NewHandler returns the handler of the API. It must run behind auth.Middleware.
func NewHandler(c Config) http.Handler {
	schema := Schema()
	if c.Introspection { // only introspection reads the descriptions
		schema = withRuleDescriptions(schema, c.Policy)
	}
	return Serve(generated.NewExecutableSchema(generated.Config{
		Schema:     schema,
		Resolvers:  &Resolver{App: c.App, Accounts: c.Accounts, Policy: c.Policy, limiter: newLimiter(c)},
		Directives: Directives(c),
	}), c)
}

// Directives returns the implementations of @auth and @public. It does not use c.Accounts.
func Directives(c Config) generated.DirectiveRoot {
	gate := &gate{policy: c.Policy, recorder: c.DryRun, limiter: newLimiter(c)}
	return generated.DirectiveRoot{Auth: gate.auth, Public: gate.public}
}

// Serve adds the transports, the document checks and the error presenter to a schema. NewHandler
// uses it for the API; tests use it for a schema with features that the API does not have.
func Serve(schema graphql.ExecutableSchema, c Config) http.Handler {
	srv := handler.New(schema)
	cache := guard.NewDocumentCache()
	documents := &guard.Documents{Cache: cache}
	for _, transport := range []graphql.Transport{guard.GET{Documents: documents}, guard.POST{}} {
		if c.Metrics != nil || c.Traced {
			transport = instrumentedTransport{transport, c.Metrics}
		}
		srv.AddTransport(transport)
	}
	srv.Use(documents)
	srv.SetParserTokenLimit(guard.DefaultLimits.Tokens) // package guard checks this limit first
	srv.SetQueryCache(cache)
	srv.AroundOperations(c.DryRun.deduplicateLog)
	srv.SetErrorPresenter(errorPresenter(c))
	srv.SetRecoverFunc(recoverPanic)
	srv.SetValidationRulesFn(guard.ValidationRules(c.Introspection))
	srv.SetDisableSuggestion(!c.Introspection)
	if c.Introspection {
		srv.Use(extension.Introspection{})
	}
	return srv
}

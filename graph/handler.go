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

// Schema returns the schema that the server was generated from, with all its directives. It has no @defer: gqlparser
// declares it for every schema, but the transports do not stream, so that a deferred part would never arrive. A document
// with it fails validation, and introspection does not list it. Nor does it list the directives that speak to gqlgen.
func Schema() *ast.Schema {
	schema := *generated.NewExecutableSchema(generated.Config{}).Schema()
	schema.Directives = maps.Clone(schema.Directives)
	for _, name := range []string{"defer", "goModel", "goField"} {
		delete(schema.Directives, name)
	}
	return &schema
}

// Config is what a handler is made of. Every field but Meter and Traced is needed.
type Config struct {
	App           *app.App // what the product adds
	Accounts      *account.Service
	Policy        *policy.Policy
	Store         *models.Store   // counts what is limited
	DryRun        *DryRunRecorder // counts what would be denied
	Metrics       Metrics         // nil: nobody counts
	Traced        bool            // the spans of requests are to be told what was asked for
	Log           *slog.Logger
	Introspection bool
	LimitsOff     bool // nothing is limited
	Explain       bool // a denial says what to do about it: for development
}

// NewHandler serves the API. It expects auth.Middleware in front of it.
func NewHandler(c Config) http.Handler {
	schema := Schema()
	if c.Introspection { // nothing else reads the descriptions
		schema = withRuleDescriptions(schema, c.Policy)
	}
	return Serve(generated.NewExecutableSchema(generated.Config{
		Schema:     schema,
		Resolvers:  &Resolver{App: c.App, Accounts: c.Accounts, Policy: c.Policy, limiter: newLimiter(c)},
		Directives: Directives(c),
	}), c)
}

// Directives are what runs behind @auth and @public. It takes no accounts.
func Directives(c Config) generated.DirectiveRoot {
	gate := &gate{policy: c.Policy, recorder: c.DryRun, limiter: newLimiter(c)}
	return generated.DirectiveRoot{Auth: gate.auth, Public: gate.public}
}

// Serve puts in front of a schema what every operation passes, and behind it what every error passes. NewHandler does that for the
// API; the tests do it for a schema that has what the API's has not.
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
	srv.SetParserTokenLimit(guard.DefaultLimits.Tokens) // the guard has counted before; this is the second wall
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

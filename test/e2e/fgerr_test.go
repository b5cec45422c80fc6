package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"fieldgate/fgerr"
	"fieldgate/graph"
	"fieldgate/graph/generated"
	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/web"
	"fieldgate/models"
	"fieldgate/servertest"
)

// productResolver is a product's resolver that returns err for three fields.
type productResolver struct {
	*graph.Resolver
	err error
}

type productQuery struct {
	generated.QueryResolver
	err error
}

type productMutation struct {
	generated.MutationResolver
	err error
}

type productSession struct {
	generated.SessionResolver
	err error
}

func (r *productResolver) Query() generated.QueryResolver {
	return productQuery{r.Resolver.Query(), r.err}
}

func (r *productResolver) Mutation() generated.MutationResolver {
	return productMutation{r.Resolver.Mutation(), r.err}
}

func (r *productResolver) Session() generated.SessionResolver {
	return productSession{r.Resolver.Session(), r.err}
}

func (q productQuery) Me(context.Context) (*models.User, error) { return nil, q.err }

func (m productMutation) RequestPasswordReset(context.Context, string) (bool, error) {
	return false, m.err
}

func (s productSession) Current(context.Context, *models.Session) (bool, error) { return false, s.err }

// bootWithResolverError starts a server whose resolvers Query.me, Session.current and
// Mutation.requestPasswordReset return err.
func bootWithResolverError(t *testing.T, err error, env ...string) *testServer {
	t.Helper()
	b := boot(t, dbtest.SQLite(t), env...)
	config := graph.Config{
		Accounts: b.internal.Accounts, Policy: b.internal.Policy, Store: b.internal.Store, DryRun: b.internal.Reports, Log: b.internal.Log, LimitsOff: b.internal.Config.LimitsOff,
	}
	if b.internal.Metrics != nil {
		config.Metrics = b.internal.Metrics
	}
	schema := generated.NewExecutableSchema(generated.Config{
		Resolvers:  &productResolver{&graph.Resolver{Accounts: b.internal.Accounts, Policy: b.internal.Policy}, err},
		Directives: graph.Directives(config),
	})
	product := web.Chain(graph.Serve(schema, config), web.RequestID,
		auth.Middleware(b.internal.Tokens, auth.NewSessions(b.internal.Store, 0), auth.RefreshCookie{}))
	b.URL = servertest.ServeOn(t, servertest.Listen(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Product") != "" {
			product.ServeHTTP(w, r)
			return
		}
		b.internal.Handler.ServeHTTP(w, r)
	})).URL
	return b
}

// queryProduct sends a query to the resolvers of the product.
func (b *testServer) queryProduct(as *servertest.User, query string) *servertest.Response {
	b.t.Helper()
	return b.QueryWith(http.Header{"Authorization": {"Bearer " + as.Token}, "Product": {"yes"}}, query)
}

func TestProductErrorsReachTheClientUnchanged(t *testing.T) {
	t.Parallel()
	outOfStock := fgerr.New("OUT_OF_STOCK", "only 3 are left", map[string]any{"left": 3, "code": "X", "requestId": "forged"})
	for name, row := range map[string]struct {
		err        error
		message    string
		extensions map[string]any
	}{
		"a code of the product": {
			outOfStock, "only 3 are left", map[string]any{"code": "OUT_OF_STOCK", "left": 3.0},
		},
		"wrapped": {
			fmt.Errorf("order 7: %w", outOfStock), "only 3 are left",
			map[string]any{"code": "OUT_OF_STOCK", "left": 3.0},
		},
		"joined with another error": {
			errors.Join(errors.New("secret"), outOfStock), "only 3 are left",
			map[string]any{"code": "OUT_OF_STOCK", "left": 3.0},
		},
		"a code of Fieldgate": {
			fgerr.New(fgerr.Conflict, "shipped already", nil), "shipped already",
			map[string]any{"code": "CONFLICT"},
		},
		"an outer code wins": {
			fmt.Errorf("%w: %w", fgerr.New("GONE", "it is gone", nil), models.ErrNotFound), "it is gone",
			map[string]any{"code": "GONE"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bootWithResolverError(t, row.err)
			got := b.queryProduct(b.NewUser("USER"), `{ mine: me { id } __typename }`)
			if len(got.Errors) != 1 || got.Errors[0].Message != row.message || !maps.Equal(got.Errors[0].Extensions, row.extensions) {
				t.Errorf("got %s", got.Body)
			}
			wantCodes(t, got, "mine "+fgerr.Code(row.err))
			if got.At("__typename") != "Query" {
				t.Error("the sibling field has no data")
			}
			if strings.Contains(b.Log.String(), "internal error") {
				t.Error("the error is logged as an internal error")
			}
		})
	}
}

func TestInvalidProductErrorsAreMaskedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err    error
		logged string
	}{
		"an error without a code": {errors.New("the secret is 42"), "the secret is 42"},
		"a reserved code": {
			fgerr.New(fgerr.Unauthenticated, "shown", nil), "UNAUTHENTICATED is reserved",
		},
		"a code that is not uppercase": {fgerr.New("outOfStock", "shown", nil), "outOfStock"},
		"an extension without a JSON form": {
			fgerr.New("OUT_OF_STOCK", "shown", map[string]any{"f": make(chan int)}), "cannot be encoded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bootWithResolverError(t, row.err)
			got := b.queryProduct(b.NewUser("USER"), `{ me { id } }`)
			wantCodes(t, got, "me INTERNAL")
			if got.Errors[0].Message != "internal error" || got.Errors[0].Extensions["requestId"] == "" {
				t.Errorf("got %s", got.Body)
			}
			lines := 0
			for _, record := range b.Log.Records(b.t) {
				if record["msg"] == "internal error" && strings.Contains(fmt.Sprint(record["error"]), row.logged) {
					lines++
				}
			}
			if lines != 1 {
				t.Errorf("got %d log lines, want 1", lines)
			}
		})
	}
}

func TestProductErrorsOfListSiblingsHaveTheirOwnPaths(t *testing.T) {
	t.Parallel()
	b := bootWithResolverError(t, fgerr.New("OUT_OF_STOCK", "only 3 are left", nil))
	p := b.NewUser("USER")
	b.Query(nil, login, "e", p.Email, "p", p.Password).Must()
	wantCodes(t, b.queryProduct(p, `{ sessions { current } }`), "sessions.0.current OUT_OF_STOCK", "sessions.1.current OUT_OF_STOCK")
}

func TestDenialsOfListSiblingsHaveTheirOwnPaths(t *testing.T) {
	t.Parallel()
	b := bootWithSchema(t, schemaReplacing(t, "): UserConnection @auth(role: STAFF)", "): UserConnection @auth"), dbtest.SQLite(t))
	caller := b.NewUser("USER")
	b.NewUser("USER")
	b.NewUser("USER")
	wantCodes(t, b.Query(caller, `{ users { edges { node { email } } } }`),
		"users.edges.1.node.email FORBIDDEN", "users.edges.2.node.email FORBIDDEN")
}

func TestProductCodesAddNoSeriesToTheMetrics(t *testing.T) {
	t.Parallel()
	b := bootWithResolverError(t, fgerr.New("OUT_OF_STOCK", "only 3 are left", nil), metricsEnv...)
	p, before := b.NewUser("USER"), b.scrape()
	b.queryProduct(p, `{ me { id } }`)
	after := b.scrape()
	if n := after.increase(before, "graph")[`graphql_requests_total{outcome="other",type="query"}`]; n != 1 || strings.Contains(b.exposition(), "OUT_OF_STOCK") {
		t.Errorf("outcome other grew by %v, want 1 and no series for the code", n)
	}
}

func TestProductErrorSetsRetryAfterAndIsNotCounted(t *testing.T) {
	t.Parallel()
	b := bootWithResolverError(t, fgerr.New(fgerr.Unavailable, "the warehouse is away", map[string]any{"retryAfter": 7}), "LIMITS", "on")
	p := b.NewUser("USER")
	for range 7 { // @limit allows 5
		got := b.queryProduct(p, `mutation { requestPasswordReset(email: "a@example.com") }`)
		wantCodes(t, got, "requestPasswordReset UNAVAILABLE")
		wantRetryAfter(t, got)
	}
}

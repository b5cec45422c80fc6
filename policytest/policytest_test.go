package policytest_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/graph"
	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/policy"
	"fieldgate/internal/web"
	"fieldgate/models"
	"fieldgate/policytest"
	"fieldgate/policytest/internal/sample"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// The sample has interfaces, unions, nested lists and objects of other users behind the server's
// own @auth. The server's own schema has none of these.
func TestSamplePolicyIsEnforced(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		policytest.Run(t, startServer(t, databaseURL, nil).app())
	})
}

// server serves the sample with the directives, the middleware and the document checks of the real
// server.
type server struct {
	t           *testing.T
	store       *models.Store
	tokens      *auth.Tokens
	policy      *policy.Policy
	sample      *sample.Sample
	clockOffset atomic.Int64 // added to the real time, in nanoseconds
	url         string
}

// fault is a defect in the enforcement.
type fault struct {
	directives func(*server, sample.DirectiveRoot) sample.DirectiveRoot
	around     func(http.Handler) http.Handler
}

func startServer(t *testing.T, databaseURL string, wrong *fault) *server {
	t.Helper()
	s := &server{t: t, sample: sample.New()}
	schema := sample.NewExecutableSchema(sample.Config{}).Schema()
	s.policy = must(policy.Compile(schema))(t)
	s.store = must(models.Open(databaseURL, models.Options{Now: s.now, Log: slog.New(slog.DiscardHandler)}))(t)
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	must(s.store.Migrate(t.Context()))(t)
	s.tokens = must(auth.NewTokens(auth.TokenConfig{
		Secrets: []string{"pxbDlPvYGlyFUVvbL5Vv4bLUNB3ZSq1w7wVbJ0JQG5s"}, Issuer: "sample", Audience: "sample", TTL: 15 * time.Minute,
		KnownRole: s.policy.IsRole, Now: s.now,
	}))(t)
	config := graphConfig(s, s.policy)
	directives := sample.DirectiveRoot(graph.Directives(config))
	handler := func(d sample.DirectiveRoot) http.Handler {
		return graph.Serve(sample.NewExecutableSchema(sample.Config{Resolvers: s.sample, Directives: d}), config)
	}
	api := handler(directives)
	if wrong != nil && wrong.directives != nil {
		api = handler(wrong.directives(s, directives))
	}
	if wrong != nil && wrong.around != nil {
		api = wrong.around(api)
	}
	server := httptest.NewServer(web.Chain(api, web.RequestID, auth.Middleware(s.tokens, auth.NewSessions(s.store, 0), auth.RefreshCookie{})))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func graphConfig(s *server, p *policy.Policy) graph.Config {
	log := slog.New(slog.DiscardHandler)
	return graph.Config{Policy: p, DryRun: graph.NewDryRunRecorder(p, log), Store: s.store, Log: log, LimitsOff: true}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (s *server) now() time.Time { return time.Now().Add(time.Duration(s.clockOffset.Load())) }

func (s *server) app() policytest.App {
	return policytest.App{
		URL: s.url, Schema: sample.NewExecutableSchema(sample.Config{}).Schema(), Policy: s.policy,
		Enrol: s.register, Disable: s.disable, SetRole: s.setRole, Prove: s.prove,
		Others: []policytest.Who{{Name: "a user whose token has expired", Make: s.registerWithExpiredToken}},
		Owners: map[string]string{"Note": "author.id", "Task": "author.id"},
		Runs:   s.sample.Runs, Statements: s.store.Queries, Quick: !dbtest.Exhaustive(),
	}
}

// register writes the rows of a user and a session directly.
func (s *server) register(role string) policytest.Person {
	s.t.Helper()
	now, id := s.store.Now(), newID()
	user := &models.User{ID: id, Email: id + "@example.com", EmailKey: id + "@example.com", Name: "Ada", NameKey: "ada", Role: role, CreatedAt: now, UpdatedAt: now}
	session := &models.Session{
		ID: newID(), UserID: id, User: user, RefreshHash: []byte(strings.ReplaceAll(newID(), "-", "")), CreatedAt: now, LastUsedAt: now,
		ExpiresAt: now.Add(24 * time.Hour),
	}
	requireNoError(s.t, s.store.CreateUser(s.t.Context(), user))
	requireNoError(s.t, s.store.CreateSession(s.t.Context(), session))
	token, _, err := s.tokens.Issue(session)
	requireNoError(s.t, err)
	return policytest.Person{ID: id, Role: role, Token: token}
}

func (s *server) registerWithExpiredToken() policytest.Person {
	s.t.Helper()
	s.clockOffset.Store(int64(-time.Hour))
	p := s.register("USER")
	s.clockOffset.Store(0)
	p.Role, p.Reason = "", "expired"
	return p
}

func (s *server) disable(p policytest.Person) {
	s.t.Helper()
	requireNoError(s.t, s.store.Disable(s.t.Context(), p.ID, s.store.Now()))
}

func (s *server) setRole(p policytest.Person, role string) {
	s.t.Helper()
	requireNoError(s.t, s.store.SetRole(s.t.Context(), p.ID, role))
}

// prove writes what a sign-in with second factors would have written.
func (s *server) prove(p policytest.Person, proof policytest.SessionProof) {
	s.t.Helper()
	ctx, now := s.t.Context(), s.store.Now()
	if proof.Enrolled {
		requireNoError(s.t, s.store.SaveFactor(ctx, &models.Factor{
			ID: newID(), UserID: p.ID, Kind: models.FactorTOTP, Secret: []byte("not used"), CreatedAt: now,
		}))
	}
	user := must(s.store.UserByID(ctx, p.ID))(s.t)
	session := must(s.store.Sessions(ctx, user, models.SessionPage{Limit: 1}, now))(s.t)[0]
	session.ProvedAt = new(now.Add(-proof.Age))
	requireNoError(s.t, s.store.ProveSession(ctx, session, false, "pwd", *session.ProvedAt))
	if proof.Second {
		requireNoError(s.t, s.store.ProveSession(ctx, session, true, "pwd,otp", now.Add(-proof.SecondAge)))
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func requireNoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Run fails if it cannot test a field. The error names the field and what to add.
func TestRunReportsFieldsItCannotTest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*testing.T, *server, *policytest.App)
		want   []string
	}{
		{
			"an unreachable type",
			func(t *testing.T, _ *server, a *policytest.App) { a.Schema, a.Policy = withUnreachableType(t) },
			[]string{"Island.treasure cannot be tested: no field of Query or Mutation leads to Island"},
		},
		{
			"a type without an owner",
			func(_ *testing.T, _ *server, a *policytest.App) { delete(a.Owners, "Note") },
			[]string{`Note.text cannot be tested: it has orOwner, but the owner of a Note is unknown. Set Owners["Note"]`},
		},
		{
			"an owner in a gated field",
			func(_ *testing.T, _ *server, a *policytest.App) { a.Owners["Note"] = "text" },
			[]string{`Owners["Note"] = "text": Note.text is gated`},
		},
		{
			"an owner in an unknown field",
			func(_ *testing.T, _ *server, a *policytest.App) { a.Owners["Note"] = "author.name" },
			[]string{`Owners["Note"] = "author.name": Author has no field name`},
		},
		{
			"a fixture for an unknown field",
			func(_ *testing.T, _ *server, a *policytest.App) {
				a.Fixtures = map[string]func(policytest.Case) policytest.Fixture{"Query.notes": nil}
			},
			[]string{`Fixtures["Query.notes"]: the schema has no such field`},
		},
		{
			"sessions whose proof cannot be set",
			func(_ *testing.T, _ *server, a *policytest.App) { a.Prove = nil },
			[]string{"Mutation.pay has maxAge or mfa and was tested with fresh sessions only. Set Prove"},
		},
		{
			"a field that never returns an object",
			func(_ *testing.T, s *server, _ *policytest.App) { s.sample.Empty = true },
			[]string{`Tag.origin never returned a value to an allowed actor. Add Fixtures for the fields that lead to it: "Query.findings"`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, dbtest.SQLite(t), nil)
			app := s.app()
			tt.change(t, s, &app)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := &reportRecorder{ctx: ctx, cancel: cancel, want: tt.want}
			if policytest.Run(r, app); !r.found {
				t.Errorf("got %q, want %q", r.messages, tt.want)
			}
		})
	}
}

// withUnreachableType returns the sample's schema with an additional type that no field returns.
func withUnreachableType(t *testing.T) (*ast.Schema, *policy.Policy) {
	t.Helper()
	source := must(os.ReadFile("internal/sample/schema.graphqls"))(t)
	schema := must(gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(source) + "type Island { treasure: String @auth }"}))(t)
	return schema, must(policy.Compile(schema))(t)
}

package e2e

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// TestInvalidRulesStopTheStart checks that a schema with missing or invalid rules stops the start
// with an error that names the field and the fix.
func TestInvalidRulesStopTheStart(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, old, new, want string }{
		{"a missing rule", "me: User @auth", "me: User", "Query.me"},
		{"a repeated rule", "me: User @auth", "me: User @auth @auth", "auth"},
		{"@auth and @public", "me: User @auth", "me: User @auth @public", "Query.me"},
		{"a gated non-null field", "me: User @auth", "me: User! @auth", "Query.me"},
		{"a rule on an interface", `"A user's account."`, `interface Named { name: String! @auth } "A user's account."`, "Named.name"},
		{"a mutation without a rule", "): AuthPayload! @public @credential", "): AuthPayload! @credential", "Mutation.register"},
		{"a limit of 0", `@limit(by: ADDRESS, count: 30, window: "15m")`, `@limit(by: ADDRESS, count: 0, window: "15m")`, "Mutation.login"},
		{"orOwner without an owner", "me: User @auth", "me: User @auth(orOwner: true)", "Query.me"},
		{"a cycle of roles", "registered user.\"\n  USER\n", "registered user.\"\n  USER @includes(roles: [ADMIN])\n", "Role"},
	} {
		t.Run(row.name, func(t *testing.T) {
			changed := strings.Replace(string(schema), row.old, row.new, 1)
			if changed == string(schema) {
				t.Fatalf("the schema has no %q", row.old)
			}
			parsed, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: changed})
			if err == nil {
				s := servertest.Options(t, dbtest.SQLite(t), io.Discard)
				s.Schema = parsed
				_, err = server.New(s)
			}
			if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "schema.graphqls:") {
				t.Errorf("got %v, want an error that names %s and its line", err, row.want)
			}
		})
	}
}

// TestFailedStartLeavesNoGoroutines checks that a server that cannot start stops everything that it
// has started.
func TestFailedStartLeavesNoGoroutines(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere", "there")
	for _, row := range []struct{ name, variable, value string }{
		{"a missing key file", "JWT_PRIVATE_KEY_FILES", nowhere},
		{"a missing database folder", "DATABASE_URL", "sqlite://" + nowhere},
		{"missing mail templates", "MAIL_TEMPLATES", nowhere},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := servertest.Options(t, dbtest.SQLite(t), io.Discard, row.variable, row.value, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			label := rand.Text()
			// Goroutines inherit labels.
			pprof.Do(t.Context(), pprof.Labels("start", label), func(context.Context) {
				if _, err := server.New(s); err == nil || !strings.HasPrefix(err.Error(), row.variable+": ") {
					t.Errorf("error %v, want one that begins with %s", err, row.variable)
				}
			})
			for begin := time.Now(); ; {
				var running strings.Builder
				if err := pprof.Lookup("goroutine").WriteTo(&running, 1); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(running.String(), label) {
					return
				}
				if time.Since(begin) > 10*time.Second {
					t.Fatalf("still running:\n%s", running.String())
				}
			}
		})
	}
}

// TestInvalidConfigurationNamesItsVariable checks that an invalid configuration stops the start
// with a line that names the variable and has no stack trace.
func TestInvalidConfigurationNamesItsVariable(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, variable, value string
		also                  map[string]string
	}{
		{"an unknown environment", "ENV", "prod", nil},
		{"an invalid port", "PORT", "http", nil},
		{"an invalid address", "ADDR", "nowhere", nil},
		{"an unsupported database", "DATABASE_URL", "postgres://localhost/x", nil},
		{"a database without a name", "DATABASE_URL", "mysql://root@localhost", nil},
		{"a database in a missing folder", "DATABASE_URL", "sqlite://nowhere/fieldgate.db", nil},
		{"a short secret", "JWT_SECRET", "too short", nil},
		{"a missing key file", "JWT_PRIVATE_KEY_FILES", "nowhere.pem", nil},
		{"a key file without a key", "JWT_PRIVATE_KEY_FILES", "go.mod", nil},
		{"a recheck over the maximum", "SESSION_RECHECK", "1h", nil},
		{"every origin", "CORS_ORIGINS", "*", nil},
		{"every address", "TRUSTED_PROXIES", "0.0.0.0/0", nil},
		{"a lifetime without a unit", "ACCESS_TOKEN_TTL", "900", nil},
		{"a lifetime above an hour", "ACCESS_TOKEN_TTL", "2h", nil},
		{"a negative lifetime", "REFRESH_TOKEN_TTL", "-1h", nil},
		{"a cost above the maximum", "BCRYPT_COST", "31", nil},
		{"a cost below the minimum", "BCRYPT_COST", "4", nil},
		{"an invalid length", "PASSWORD_MIN_LENGTH", "long", nil},
		{"an address with a path", "PUBLIC_URL", "https://example.com/api", nil},
		{"an unknown SameSite", "COOKIE_SAMESITE", "loose", nil},
		{"a mail server with an unknown scheme", "SMTP_URL", "smtps://mail.example.com", nil},
		{"a mail server's password without TLS", "SMTP_URL", "smtp://ada:pw@mail.example.com?tls=none", nil},
		{"a non-ASCII sender", "MAIL_FROM", "jörg@example.com", map[string]string{"SMTP_URL": "smtp://localhost"}},
		{"a missing folder", "MAIL_TEMPLATES", "nowhere", nil},
		{"an address with a query", "APP_URL", "https://app.example.com/?x=1", nil},
		{"neither true nor false", "REQUIRE_VERIFIED_EMAIL", "maybe", nil},
		{"neither true nor false", "INTROSPECTION", "maybe", nil},
		{"neither true nor false", "PLAYGROUND", "maybe", nil},
		{"a port alone", "METRICS_ADDR", "9090", nil},
		{"the API's port", "METRICS_ADDR", "127.0.0.1:8080", nil},
		{"an unknown protocol", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", nil},
		{"a collector without a scheme", "OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", nil},
		{"an unknown sampler", "OTEL_TRACES_SAMPLER", "some", nil},
		{"an unknown format", "LOG_FORMAT", "xml", nil},
		{"an unknown level", "LOG_LEVEL", "loud", nil},
		{"production without a key", "JWT_SECRET", "", map[string]string{"ENV": "production", "PUBLIC_URL": "https://a.example", "DATABASE_URL": "sqlite://x.db"}},
		{"production with a placeholder", "JWT_SECRET", "changemechangemechangemechangeme", map[string]string{"ENV": "production", "PUBLIC_URL": "https://a.example", "DATABASE_URL": "sqlite://x.db"}},
		{"production over http", "PUBLIC_URL", "http://a.example", map[string]string{"ENV": "production", "JWT_SECRET": servertest.Secret, "DATABASE_URL": "sqlite://x.db"}},
		{"production with the default database", "DATABASE_URL", "", map[string]string{"ENV": "production", "JWT_SECRET": servertest.Secret, "PUBLIC_URL": "https://a.example"}},
	} {
		t.Run(row.variable+" "+row.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"DATABASE_URL": dbtest.SQLite(t)}
			env[row.variable] = row.value
			for k, v := range row.also {
				env[k] = v
			}
			status, stdout, stderr := servertest.RunCLI(t, env, "")
			if status != 1 || stdout != "" {
				t.Errorf("status %d, stdout %q", status, stdout)
			}
			if !strings.Contains(stderr, row.variable) || !strings.Contains(stderr, "int:") || strings.Contains(stderr, "goroutine") {
				t.Errorf("the error must name %s and a hint, without a stack trace:\n%s", row.variable, stderr)
			}
			if row.variable == "JWT_SECRET" && row.value != "" && strings.Contains(stderr, row.value) {
				t.Errorf("the error shows the secret:\n%s", stderr)
			}
		})
	}
}

// TestDevelopmentKeySurvivesARestart checks that a development server without a secret creates a
// key that only its owner can read, and uses it again after a restart.
func TestDevelopmentKeySurvivesARestart(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	first := boot(t, databaseURL, "JWT_SECRET", "")
	p := first.NewUser("USER")
	second := boot(t, databaseURL, "JWT_SECRET", "")
	if got := second.Query(p, `{ me { id } }`).Must().At("me.id"); got != p.ID {
		t.Errorf("me is %v, want %s", got, p.ID)
	}
	info, err := os.Stat(strings.TrimPrefix(databaseURL, "sqlite://") + ".key")
	if err != nil || info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// serveOnce serves like the program until the server is ready, then stops it.
func (b *testServer) serveOnce(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l, done := servertest.Listen(t), make(chan error, 1)
	go func() { done <- b.internal.Serve(ctx, server.Listeners{API: []net.Listener{l}}) }()
	b.URL = "http://" + l.Addr().String()
	b.UntilReady()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServerIsNotReadyAfterItStops(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	b.serveOnce(t)
	if err := b.internal.Ready(t.Context()); err == nil {
		t.Error("a stopped server is ready")
	}
}

func TestPagesAndProbesAnswer(t *testing.T) {
	t.Parallel()
	sqlite := func() string { return dbtest.SQLite(t) }
	development := boot(t, sqlite())
	production := boot(t, sqlite(), "ENV", "production", "PUBLIC_URL", "https://a.example")
	noDatabase := boot(t, sqlite())
	if err := noDatabase.internal.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		b      *testServer
		path   string
		status int
		body   string
	}{
		{"liveness", development, "/healthz", 200, "ok\n"},
		{"readiness", development, "/readyz", 200, "ready\n"},
		{"liveness without a database", noDatabase, "/healthz", 200, "ok\n"},
		{"readiness without a database, without details", noDatabase, "/readyz", 503, "not ready\n"},
		{"the playground in development", development, "/", 200, "<!DOCTYPE html>"},
		{"a description of the server, in production", production, "/", 200, `{"name":"Fieldgate","description":"GraphQL API with authentication, sessions and roles","api":"/graphql","keys":"/.well-known/jwks.json"}`},
		{"an unknown path", development, "/fieldgate.db", 404, ""},
		{"the API refuses a GET that names no media type", development, "/graphql?query={__typename}", 406, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if status, body := row.b.get(row.path); status != row.status || !strings.Contains(body, row.body) {
				t.Errorf("%d %q, want %d %q", status, body, row.status, row.body)
			}
		})
	}
}

func TestIntrospectionIsOffInProduction(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://a.example")
	for _, query := range []string{
		`{ __schema { types { name } } }`, `{ __type(name: "User") { name } }`, `{ ...F } fragment F on Query { x: __schema { queryType { name } } }`,
		`{ mee { id } }`, `{ me { idd } }`, `mutation { login(inputt: 1) { tokenType } }`, `query($x: RegisterInputt) { __typename }`,
		`mutation { login(input: {emaill: "x", password: "x"}) { tokenType } }`, `{ users(role: STAF) { edges { cursor } } }`, `{ me }`,
	} {
		got := b.Query(nil, query)
		if len(got.Errors) == 0 || got.Data != nil || strings.Contains(got.Body, "Did you mean") || strings.Contains(got.Body, "queryType") {
			t.Errorf("%s: %s", query, got.Body)
		}
		for _, e := range got.Errors {
			if e.Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" {
				t.Errorf("%s: %s", query, got.Body)
			}
		}
	}
	b.Query(nil, `{ __typename }`).Must()
}

//go:build exhaustive

package browser

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/npmtest"
	"fieldgate/internal/repotest"
	"fieldgate/servertest"
)

// TestStockClientsWorkWithoutConfiguration checks that clients from npm, configured as in their
// documentation, sign in, query the own account and a denied field, and page through a list.
func TestStockClientsWorkWithoutConfiguration(t *testing.T) {
	t.Parallel()
	run := npmtest.InstallScripts(t, "test/browser/clients", "urql.mjs", "apollo.mjs", "graphql-request.mjs", "relay.mjs", "codegen.mjs", "scenario.mjs", "operations.graphql")
	schema, err := filepath.Abs("schema.graphqls")
	repotest.NoError(t, err)
	for _, client := range []struct {
		name    string
		methods []string // methods that the client uses by default
	}{
		{"urql", []string{"GET", "POST"}},
		{"apollo", []string{"GET", "POST"}},
		{"graphql-request", []string{"GET", "POST"}},
		{"relay", []string{"POST"}},
		{"codegen", []string{"POST"}},
	} {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			b := servertest.Start(t, dbtest.SQLite(t))
			user, admin := b.NewUser("USER"), b.NewUser("ADMIN")
			for range 3 {
				b.NewUser("USER")
			}
			if out, err := run(client.name+".mjs", b.URL+"/graphql", user.Email, admin.Email, servertest.Password, schema); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := loggedMethods(t, b.Log); !slices.Equal(got, client.methods) {
				t.Errorf("the client used %q, want %q", got, client.methods)
			}
		})
	}
}

// loggedMethods returns the methods of the requests in the log.
func loggedMethods(t *testing.T, log *servertest.Log) (list []string) {
	for _, record := range log.Records(t) {
		if method := fmt.Sprint(record["method"]); record["path"] == "/graphql" && !slices.Contains(list, method) {
			list = append(list, method)
		}
	}
	slices.Sort(list)
	return list
}

// TestCurlSignsInAndReadsAList does the same with curl and the flags of the README.
func TestCurlSignsInAndReadsAList(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		dbtest.SkipOrFail(t, "curl", "apt-get install curl")
	}
	b := servertest.Start(t, dbtest.SQLite(t))
	user, admin := b.NewUser("USER"), b.NewUser("ADMIN")
	run := func(p *servertest.User, args ...string) *servertest.Response {
		t.Helper()
		if p != nil {
			args = append(args, "-H", "Authorization: Bearer "+p.Token)
		}
		out, err := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "30"}, args...)...).Output()
		repotest.NoError(t, err)
		got, err := servertest.NewResponse(t, http.StatusOK, nil, string(out))
		repotest.NoError(t, err)
		return got
	}
	post := func(p *servertest.User, body string) *servertest.Response {
		return run(p, b.URL+"/graphql", "-H", "Content-Type: application/json", "--data", body)
	}
	get := func(p *servertest.User, query string) *servertest.Response {
		return run(p, "-G", b.URL+"/graphql", "-H", "Accept: application/json", "--data-urlencode", "query="+query)
	}
	signedIn := post(nil, `{"query": "mutation { login(input: {email: \"`+user.Email+`\", password: \"`+servertest.Password+`\", delivery: BODY}) { accessToken } }"}`).Must()
	user.Token = signedIn.Text("login.accessToken")
	const me, users = `{ me { email } }`, `{ users(first: 1) { edges { node { id } } pageInfo { hasNextPage endCursor } } }`
	for method, send := range map[string]func(*servertest.User, string) *servertest.Response{
		"GET": get, "POST": func(p *servertest.User, query string) *servertest.Response { return post(p, `{"query": "`+query+`"}`) },
	} {
		if email := send(user, me).Must().Text("me.email"); email != user.Email {
			t.Errorf("%s: me is %s", method, email)
		}
		send(user, users).WantCodes("users FORBIDDEN")
		page := send(admin, users).Must()
		if page.At("users.pageInfo.hasNextPage") != true || page.Text("users.edges.0.node.id") == "" {
			t.Errorf("%s: %s", method, page.Body)
		}
	}
	next := get(admin, `{ users(first: 1, after: "`+get(admin, users).Must().Text("users.pageInfo.endCursor")+`") { edges { node { id } } } }`).Must()
	if next.Text("users.edges.0.node.id") == get(admin, users).Must().Text("users.edges.0.node.id") {
		t.Errorf("the next page is the same: %s", next.Body)
	}
}

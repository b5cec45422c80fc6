//go:build exhaustive

package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"fieldgate/internal/dbtest"
)

// Clients as they come from npm sign in, ask for the own account and for a field that is denied, and read a list page by
// page, with the configuration of their own documentation.
func TestStockClientsWorkWithoutConfiguration(t *testing.T) {
	t.Parallel()
	run := installScripts(t, "test/clients", "urql.mjs", "apollo.mjs", "graphql-request.mjs", "relay.mjs", "codegen.mjs", "scenario.mjs", "operations.graphql")
	schema, err := filepath.Abs("schema.graphqls")
	withoutError(t, err)
	for _, client := range []struct {
		name    string
		methods []string // by which the client sends its requests, if nothing else is said
	}{
		{"urql", []string{"GET", "POST"}},
		{"apollo", []string{"GET", "POST"}},
		{"graphql-request", []string{"GET", "POST"}},
		{"relay", []string{"POST"}},
		{"codegen", []string{"POST"}},
	} {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t))
			user, admin := b.newPerson("USER"), b.newPerson("ADMIN")
			for range 3 {
				b.newPerson("USER")
			}
			if out, err := run(client.name+".mjs", b.url+"/graphql", user.email, admin.email, goodPassword, schema); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := b.methods(); !slices.Equal(got, client.methods) {
				t.Errorf("it asked by %q, want %q", got, client.methods)
			}
		})
	}
}

// methods are those of the requests in the log.
func (b *booted) methods() (list []string) {
	for _, record := range b.logged() {
		if method := fmt.Sprint(record["method"]); record["path"] == "/graphql" && !slices.Contains(list, method) {
			list = append(list, method)
		}
	}
	slices.Sort(list)
	return list
}

// curl does the same, with the flags of the README.
func TestCurlSignsInAndReadsAList(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		dbtest.LeftOut(t, "curl", "apt-get install curl")
	}
	b := boot(t, dbtest.SQLite(t))
	user, admin := b.newPerson("USER"), b.newPerson("ADMIN")
	ask := func(p *person, args ...string) *answer {
		t.Helper()
		if p != nil {
			args = append(args, "-H", "Authorization: Bearer "+p.token)
		}
		out, err := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "30"}, args...)...).Output()
		withoutError(t, err)
		a := &answer{t: t, status: 200, body: string(out)}
		var decoded struct {
			Data   map[string]any
			Errors json.RawMessage
		}
		withoutError(t, json.Unmarshal(out, &decoded))
		if a.data = decoded.Data; decoded.Errors != nil {
			withoutError(t, json.Unmarshal(decoded.Errors, &a.errors))
		}
		return a
	}
	post := func(p *person, body string) *answer {
		return ask(p, b.url+"/graphql", "-H", "Content-Type: application/json", "--data", body)
	}
	get := func(p *person, query string) *answer {
		return ask(p, "-G", b.url+"/graphql", "-H", "Accept: application/json", "--data-urlencode", "query="+query)
	}
	signedIn := post(nil, `{"query": "mutation { login(input: {email: \"`+user.email+`\", password: \"`+goodPassword+`\", delivery: BODY}) { accessToken } }"}`).must()
	user.token = signedIn.text("login.accessToken")
	const me, users = `{ me { email } }`, `{ users(first: 1) { edges { node { id } } pageInfo { hasNextPage endCursor } } }`
	for method, send := range map[string]func(*person, string) *answer{
		"GET": get, "POST": func(p *person, query string) *answer { return post(p, `{"query": "`+query+`"}`) },
	} {
		if email := send(user, me).must().text("me.email"); email != user.email {
			t.Errorf("%s: me is %s", method, email)
		}
		wantCodes(t, send(user, users), "users FORBIDDEN")
		page := send(admin, users).must()
		if page.at("users.pageInfo.hasNextPage") != true || page.text("users.edges.0.node.id") == "" {
			t.Errorf("%s: %s", method, page.body)
		}
	}
	next := get(admin, `{ users(first: 1, after: "`+get(admin, users).must().text("users.pageInfo.endCursor")+`") { edges { node { id } } } }`).must()
	if next.text("users.edges.0.node.id") == get(admin, users).must().text("users.edges.0.node.id") {
		t.Errorf("the next page is the same: %s", next.body)
	}
}

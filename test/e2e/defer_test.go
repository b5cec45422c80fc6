package main

import (
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// The transports do not stream: a deferred part would be left out of the answer without an error.
func TestDeferIsRefused(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.newPerson("USER")
	for _, query := range []string{
		`{ me { id ... @defer { email } } }`,
		`{ me { id ... on User @defer(label: "rest") { email } } }`,
		`query($if: Boolean = true) { me { id ... @defer(if: $if) { email } } }`,
		`{ me { id ... @defer(if: false) { email } } }`,
		`{ ... @defer { me { id } } }`,
		`{ me { id ...F @defer } } fragment F on User { email }`,
		`{ me { ...F } } fragment F on User { id ...G @defer } fragment G on User { email }`,
		`{ me { id @defer } }`,
		`mutation { ... @defer { logoutEverywhere } }`,
	} {
		for range 2 { // the second one meets the cache of documents
			got := b.ask(p, query)
			if len(got.errors) == 0 || got.errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" || got.data != nil {
				t.Errorf("%s: %s", query, got.body)
			}
		}
	}
	directives := b.ask(p, `{ __schema { directives { name } } }`).must()
	if strings.Contains(directives.body, `"defer"`) || !strings.Contains(directives.body, `"include"`) {
		t.Error(directives.body)
	}
	b.ask(p, `{ me { id ... @include(if: true) { email } } }`).must()
}

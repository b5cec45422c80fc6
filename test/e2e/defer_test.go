package e2e

import (
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// The transports do not stream, so a deferred part would be missing from the response without an
// error.
func TestDeferIsRejected(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
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
		for range 2 { // the second request uses the document cache
			got := b.Query(p, query)
			if len(got.Errors) == 0 || got.Errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" || got.Data != nil {
				t.Errorf("%s: %s", query, got.Body)
			}
		}
	}
	directives := b.Query(p, `{ __schema { directives { name } } }`).Must()
	if strings.Contains(directives.Body, `"defer"`) || !strings.Contains(directives.Body, `"include"`) {
		t.Error(directives.Body)
	}
	b.Query(p, `{ me { id ... @include(if: true) { email } } }`).Must()
}

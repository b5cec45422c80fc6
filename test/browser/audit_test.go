//go:build exhaustive

package browser

import (
	"fmt"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/npmtest"
	"fieldgate/servertest"
)

// TestGraphQLOverHTTPAuditPasses runs the public audit of the "GraphQL over HTTP" specification. It
// must report no error, warning or notice.
func TestGraphQLOverHTTPAuditPasses(t *testing.T) {
	t.Parallel()
	audit := npmtest.InstallScript(t, "test/browser/testdata/audit", "audit.mjs")
	b := servertest.Start(t, dbtest.SQLite(t))
	out, err := audit(b.URL + "/graphql")
	if err != nil {
		t.Fatal(err)
	}
	audits := 0
	for line := range strings.Lines(out) {
		status, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if status == "audits" {
			_, _ = fmt.Sscan(rest, &audits)
		} else {
			t.Errorf("%s: %s", status, rest)
		}
	}
	if audits == 0 {
		t.Error("the script ran no audits")
	}
}

//go:build exhaustive

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// The public audit of the specification "GraphQL over HTTP" finds no error and nothing to warn of. Its three notices
// are of GET, which the specification leaves to the server, and which this one does not take.
func TestGraphQLOverHTTPAudit(t *testing.T) {
	t.Parallel()
	audit := installScript(t, "testdata/audit", "audit.mjs")
	b := boot(t, dbtest.SQLite(t))
	out, err := audit(b.url + "/graphql")
	if err != nil {
		t.Fatal(err)
	}
	var notices []string
	audits := 0
	for line := range strings.Lines(out) {
		status, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		switch status {
		case "audits":
			_, _ = fmt.Sscan(rest, &audits)
		case "notice":
			_, name, _ := strings.Cut(rest, "\t")
			notices = append(notices, name)
		default:
			t.Errorf("%s: %s", status, rest)
		}
	}
	want := []string{
		"MAY accept application/x-www-form-urlencoded formatted GET requests",
		"MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/graphql-response+json",
		"MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/json",
	}
	if slices.Sort(notices); !slices.Equal(notices, want) || audits == 0 {
		t.Errorf("%d audits, with these notices:\n%s", audits, strings.Join(notices, "\n"))
	}
}

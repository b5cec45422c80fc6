package graph

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// gqlgen nests the calls of a field's directives. The server's own schema has no field with two
// rules, so this test nests them.
func TestRuleAndReportOnlyRuleOfOneFieldAreAuthorizedOnce(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphqls", Input: `
		directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false) repeatable on FIELD_DEFINITION
		directive @public on FIELD_DEFINITION
		directive @includes(roles: [Role!]!) on ENUM_VALUE
		enum Role { USER ADMIN @includes(roles: [USER]) }
		type Query { news: Int @public @auth(reportOnly: true)  closed: Int @auth @auth(role: ADMIN, reportOnly: true) }`})
	rules, err := policy.Compile(schema)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	reports := NewDryRunRecorder(rules, slog.New(slog.NewTextHandler(&log, nil)))
	g := &gate{policy: rules, recorder: reports, limiter: &limiter{policy: rules, off: true}}
	execute := func(field string) (any, error) {
		ctx := graphql.WithFieldContext(t.Context(), &graphql.FieldContext{
			Object: "Query", Field: graphql.CollectedField{Field: &ast.Field{Name: field}},
		})
		resolver := func(context.Context) (any, error) { return 7, nil }
		inner := func(ctx context.Context) (any, error) { return g.auth(ctx, nil, resolver, "", false, true, nil, "") }
		return g.public(ctx, nil, inner)
	}
	if got, err := execute("news"); got != 7 || err != nil {
		t.Errorf("news: got %v, %v", got, err)
	}
	if got, err := execute("closed"); got != nil || err == nil {
		t.Errorf("closed: got %v, %v", got, err)
	}
	if got, err := execute("forgotten"); got != nil || err == nil || !strings.Contains(err.Error(), "Query.forgotten") {
		t.Errorf("a field without a rule: got %v, %v", got, err)
	}
	if n := reports.Counts(); n["Query.news"] != 1 || n["Query.closed"] != 0 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("counted %v, logged\n%s", n, log.String())
	}
}

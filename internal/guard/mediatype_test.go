package guard

import (
	"strings"
	"testing"
)

func TestNegotiatePrefersQualityThenPrecision(t *testing.T) {
	const neither mediaType = ""
	for _, tt := range []struct {
		name   string
		accept string // | parts header lines
		want   mediaType
	}{
		{"the new type alone", "application/graphql-response+json", graphqlJSON},
		{"the old type alone", "application/json", legacyJSON},
		{"types are compared in any case", "Application/GraphQL-Response+JSON", graphqlJSON},
		{"anything", "*/*", legacyJSON},
		{"any application", "application/*", legacyJSON},
		{"an empty header is none", " , ", legacyJSON},
		{"both alike prefer the new one", "application/json, application/graphql-response+json", graphqlJSON},
		{"the specification's own advice", "application/graphql-response+json, application/json;q=0.9", graphqlJSON},
		{"Apollo's default", "application/graphql-response+json,application/json;q=0.9", graphqlJSON},
		{"urql's default", "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed", graphqlJSON},
		{"axios's default names the old one", "application/json, text/plain, */*", legacyJSON},
		{"a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", legacyJSON},
		{"quality goes before novelty", "application/graphql-response+json;q=0.5, application/json;q=0.8", legacyJSON},
		{"a name goes before a wildcard", "*/*, application/graphql-response+json", graphqlJSON},
		{"the most precise range gives the quality", "application/graphql-response+json;q=0.1, application/*;q=0.9", legacyJSON},
		{"zero excludes", "application/json;q=0, */*", graphqlJSON},
		{"zero for all is neither", "*/*;q=0", neither},
		{"spaces and letter case in a quality", "application/json ; Q=0.1 , application/graphql-response+json ; q=0.2", graphqlJSON},
		{"two lines are one list", "text/html|application/json", legacyJSON},
		{"the same type twice counts at its best", "application/json;q=0, application/json;q=1", legacyJSON},
		{"UTF-8 may be asked for", `application/graphql-response+json; charset="utf-8"`, graphqlJSON},
		{"another charset is another type", "application/json; charset=latin1", neither},
		{"other parameters are passed over", "application/json;version=2;q=1", legacyJSON},
		{"a quality out of range is no range", "application/json;q=2", neither},
		{"a quality of NaN is no range", "application/json;q=NaN", neither},
		{"a malformed range spoils only itself", "application/json;q=x, application/graphql-response+json", graphqlJSON},
		{"neither", "text/html, image/*", neither},
		{"a longer name is another type", "application/json-seq", neither},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := negotiate(strings.Split(tt.accept, "|"))
			if ok != (tt.want != neither) || ok && got != tt.want {
				t.Errorf("%q: %s, %v, want %q", tt.accept, got, ok, tt.want)
			}
		})
	}
	if got, ok := negotiate(nil); got != legacyJSON || !ok {
		t.Errorf("no header: %s, %v", got, ok)
	}
}

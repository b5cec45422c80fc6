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
		{"a wildcard", "*/*", legacyJSON},
		{"an application wildcard", "application/*", legacyJSON},
		{"an empty header counts as missing", " , ", legacyJSON},
		{"the new type wins at equal quality", "application/json, application/graphql-response+json", graphqlJSON},
		{"the specification's recommendation", "application/graphql-response+json, application/json;q=0.9", graphqlJSON},
		{"Apollo's default", "application/graphql-response+json,application/json;q=0.9", graphqlJSON},
		{"urql's default", "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed", graphqlJSON},
		{"axios's default names the old type", "application/json, text/plain, */*", legacyJSON},
		{"a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", legacyJSON},
		{"the higher quality wins", "application/graphql-response+json;q=0.5, application/json;q=0.8", legacyJSON},
		{"a name wins over a wildcard", "*/*, application/graphql-response+json", graphqlJSON},
		{"the most precise range gives the quality", "application/graphql-response+json;q=0.1, application/*;q=0.9", legacyJSON},
		{"quality 0 excludes", "application/json;q=0, */*", graphqlJSON},
		{"quality 0 for all accepts neither", "*/*;q=0", neither},
		{"spaces and letter case in a quality", "application/json ; Q=0.1 , application/graphql-response+json ; q=0.2", graphqlJSON},
		{"two lines are one list", "text/html|application/json", legacyJSON},
		{"the best quality of a repeated type counts", "application/json;q=0, application/json;q=1", legacyJSON},
		{"UTF-8 may be requested", `application/graphql-response+json; charset="utf-8"`, graphqlJSON},
		{"another charset is not accepted", "application/json; charset=latin1", neither},
		{"other parameters are ignored", "application/json;version=2;q=1", legacyJSON},
		{"a quality out of range is malformed", "application/json;q=2", neither},
		{"a quality of NaN is malformed", "application/json;q=NaN", neither},
		{"a malformed range does not affect others", "application/json;q=x, application/graphql-response+json", graphqlJSON},
		{"neither", "text/html, image/*", neither},
		{"a longer name is another type", "application/json-seq", neither},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := negotiate(strings.Split(tt.accept, "|"))
			if ok != (tt.want != neither) || ok && got != tt.want {
				t.Errorf("%q: got %s, %v, want %q", tt.accept, got, ok, tt.want)
			}
		})
	}
	if got, ok := negotiate(nil); got != legacyJSON || !ok {
		t.Errorf("no header: got %s, %v", got, ok)
	}
}

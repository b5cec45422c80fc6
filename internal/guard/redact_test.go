package guard

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Messages that the parser rarely returns. The usual ones are tested over HTTP.
func TestRedactRemovesQuotedValues(t *testing.T) {
	for _, tt := range []struct{ name, code, rule, message, want string }{
		{"an escape quotes the rest of the document", "GRAPHQL_PARSE_FAILED", "", `Invalid character escape sequence: \u00 hunter2`, "Syntax error: unexpected token"},
		{"a token is quoted", "GRAPHQL_PARSE_FAILED", "", `Unexpected String "hunter2"`, "Syntax error: unexpected token"},
		{"kinds of tokens stay", "GRAPHQL_PARSE_FAILED", "", "Expected Name, found }", "Expected Name, found }"},
		{"a literal that quotes a message", "GRAPHQL_VALIDATION_FAILED", "ValuesOfCorrectTypeWithoutSuggestions", `Expected value of type "A", found ", found hunter2".`, `Expected value of type "A".`},
		{"an unknown message", "GRAPHQL_VALIDATION_FAILED", "ValuesOfCorrectType", "Cannot take hunter2", "A value does not fit its type."},
		{"a limit error is unchanged", "QUERY_TOO_COMPLEX", "", `too many "aliases"`, `too many "aliases"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Error(tt.code, tt.message)
			err.Rule = tt.rule
			redact(gqlerror.List{err})
			if err.Message != tt.want || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %q, want %q", err.Message, tt.want)
			}
		})
	}
}

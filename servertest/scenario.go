package servertest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Scenario is one case of a table test: a query, the user who sends it, and the expected data and
// errors.
type Scenario struct {
	Name  string
	As    string // a name in the cast; "" is anonymous
	Query string
	Data  string   // JSON, with names in any order
	Codes []string // in the form of Response.Codes; nil is no error
}

// Cast holds the users of scenarios, by the names that the scenarios give them.
type Cast map[string]*User

// Run runs each scenario in a subtest, in order; each sees the changes of those before it. replace
// holds old and new strings in turn, such as "$ID" and an id. Run replaces them in queries and
// data.
func (s *Server) Run(t *testing.T, cast Cast, scenarios []Scenario, replace ...string) {
	t.Helper()
	fill := strings.NewReplacer(replace...).Replace
	for _, row := range scenarios {
		t.Run(row.Name, func(t *testing.T) {
			as, ok := cast[row.As]
			if !ok && row.As != "" {
				t.Fatalf("the cast has no user %q", row.As)
			}
			got := s.Query(as, fill(row.Query))
			if got.Status != http.StatusOK {
				t.Errorf("status %d", got.Status)
			}
			if want := JSON(t, fill(row.Data)); got.JSON() != want {
				t.Errorf("data\n got %s\nwant %s", got.JSON(), want)
			}
			if codes := got.Codes(); !slices.Equal(codes, row.Codes) {
				t.Errorf("errors\n got %q\nwant %q\n in %s", codes, row.Codes, got.Body)
			}
		})
	}
}

// JSON returns data in the form of Response.JSON.
func JSON(t testing.TB, data string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

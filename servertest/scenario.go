package servertest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Scenario is a row of a table: a query, the user who sends it, and the data and errors of the answer.
type Scenario struct {
	Name  string
	As    string // a name in the cast; "" is anonymous
	Query string
	Data  string   // JSON, its names in any order
	Codes []string // as Response.Codes has them; nil is no error
}

// Cast are the users of scenarios, by what the scenarios call them.
type Cast map[string]*User

// Run asks each scenario in a subtest, in order: what one changes, the next one sees. It replaces text in queries and data,
// such as "$ID" by an id: old and new in turn.
func (s *Server) Run(t *testing.T, cast Cast, scenarios []Scenario, replace ...string) {
	t.Helper()
	fill := strings.NewReplacer(replace...).Replace
	for _, row := range scenarios {
		t.Run(row.Name, func(t *testing.T) {
			as, known := cast[row.As]
			if !known && row.As != "" {
				t.Fatalf("the cast has no %q", row.As)
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

// JSON is a text of JSON in the form that Response.JSON has.
func JSON(t testing.TB, data string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

package policy

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the whole policy as aligned text, a field a row: its coordinate, its rule as the schema writes it,
// and for nobody in particular and then each role, the weakest first, whether they may use it: "yes", "-" for no, or
// "own" for only what is one's own. The error is w's.
func (p *Policy) WriteTable(w io.Writer) error {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(p.header(), "\t"))
	for _, rule := range p.rules {
		fmt.Fprintln(t, strings.Join(p.row(rule), "\t"))
	}
	t.Flush() // neither this nor the lines above can fail: a bytes.Buffer takes everything
	_, err := w.Write(text.Bytes())
	return err
}

func (p *Policy) header() []string {
	return append([]string{"field", "rule", "anonymous"}, p.ladder.roles...)
}

func (p *Policy) row(rule Rule) []string {
	row := []string{rule.Coordinate(), rule.Written, "-"}
	if rule.Public {
		row[2] = "yes"
	}
	for _, role := range p.ladder.roles {
		row = append(row, p.cell(rule, role))
	}
	return row
}

func (p *Policy) cell(rule Rule, role string) string {
	switch {
	case rule.Public || p.Includes(role, rule.Role):
		return "yes"
	case rule.OrOwner:
		return "own"
	default:
		return "-"
	}
}

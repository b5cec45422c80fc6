package policy

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
)

// anonymous is what the column of those is called who are not signed in.
const anonymous = "anonymous"

// Access is what somebody may do with a field.
type Access string

// The kinds of access.
const (
	No  Access = "no"
	Own Access = "own" // only on what is their own
	Yes Access = "yes"
)

// accessFor is what a demand grants a role, and "" is nobody's role.
func (p *Policy) accessFor(d Requirement, role string) Access {
	switch {
	case p.Includes(role, d.Role):
		return Yes
	case d.OrOwner && role != "":
		return Own
	default:
		return No
	}
}

// Access returns what somebody with a role, and with "" who is not signed in, may do now under a rule of the policy, and
// whether something of that is reported, because another demand would not allow it.
func (p *Policy) Access(rule Rule, role string) (now Access, reported bool) {
	now = Yes
	if !rule.Public {
		now = p.accessFor(rule.Enforced(), role)
	}
	if !rule.HasReportOnly() || now == No {
		return now, false
	}
	later := p.accessFor(rule.ReportOnly, role)
	return now, later != Yes && later != now
}

// WriteTable writes the whole policy as aligned text, a field a row: its coordinate, its rule as the schema writes it,
// and for nobody in particular and then each role, the weakest first, whether they may use it: "yes", "-" for no, or
// "own" for only what is one's own; with "!" if that is reported. Then follow @credential and the limits, if there
// are any in the schema. The error is w's.
func (p *Policy) WriteTable(w io.Writer) error {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range p.table() {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush() // neither this nor the lines above can fail: a strings.Builder takes everything
	_, err := io.WriteString(w, trailingSpace.ReplaceAllString(text.String(), ""))
	return err
}

var trailingSpace = regexp.MustCompile(`(?m) +$`)

// table has a head, and a row for every field that the schema says something of.
func (p *Policy) table() [][]string {
	rows := [][]string{append([]string{"field", "rule", anonymous}, p.hierarchy.roles...)}
	besides := []string{"besides"}
	for _, rule := range p.fields() {
		row := []string{rule.Coordinate(), rule.Written, p.cell(rule, "")}
		for _, role := range p.hierarchy.roles {
			row = append(row, p.cell(rule, role))
		}
		rows = append(rows, row)
		besides = append(besides, p.constraints(rule))
	}
	if strings.Join(besides[1:], "") == "" {
		return rows
	}
	for i := range rows {
		rows[i] = append(rows[i], besides[i])
	}
	return rows
}

// fields are those that the schema says something of. A field without a rule is written as an open one.
func (p *Policy) fields() []Rule {
	return append(p.Rules(), p.open...)
}

func (p *Policy) cell(rule Rule, role string) string {
	now, reported := p.Access(rule, role)
	switch {
	case now == No:
		return "-"
	case reported:
		return string(now) + "!"
	default:
		return string(now)
	}
}

// constraints is what else there is to a field: "@credential; 30 per 15m by ADDRESS".
func (p *Policy) constraints(rule Rule) string {
	var list []string
	if rule.Credential {
		list = append(list, "@"+credentialDirective)
	}
	for _, l := range p.Limits(rule.Type, rule.Field) {
		text := fmt.Sprintf("%d per %s by %s", l.Count, shortDuration(l.Window), l.By)
		switch {
		case l.SuccessesOnly:
			text += ", successes only"
		case l.Successes:
			text += ", successes too"
		}
		if l.Shared != "" {
			text += fmt.Sprintf(", shared as %q", l.Shared)
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// shortDuration writes 15m0s as people do: 15m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

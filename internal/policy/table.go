package policy

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
)

// anonymous is the name of the column for requests without a signed-in user.
const anonymous = "anonymous"

// Access is the access that a role has to a field.
type Access string

// The kinds of access.
const (
	No  Access = "no"
	Own Access = "own" // only on objects that the user owns
	Yes Access = "yes"
)

// accessFor returns what a requirement grants a role. The role "" stands for an anonymous request.
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

// Access returns the access that a rule grants a role now, and whether any of it is reported
// because the report-only requirement would deny it. The role "" stands for an anonymous request.
func (p *Policy) Access(rule Rule, role string) (now Access, reported bool) {
	now = Yes
	var enforced Requirement
	if !rule.Public {
		enforced = rule.Enforced()
		now = p.accessFor(enforced, role)
	}
	if !rule.HasReportOnly() || now == No {
		return now, false
	}
	later := p.accessFor(rule.ReportOnly, role)
	return now, later != Yes && later != now || !enforced.Proof.includes(rule.ReportOnly.Proof)
}

// WriteTable writes the policy as aligned text, one row per field. The columns are the coordinate,
// the rule as the schema writes it, and the access of anonymous requests and of each role, the
// weakest first: "yes", "-" for no, or "own" for owned objects only, with "!" if a report-only rule
// would deny it. If the schema has any, a last column lists @credential and the limits. WriteTable
// returns the error of w.
func (p *Policy) WriteTable(w io.Writer) error {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range p.table() {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush() // cannot fail, because writes to a strings.Builder do not
	_, err := io.WriteString(w, trailingSpace.ReplaceAllString(text.String(), ""))
	return err
}

var trailingSpace = regexp.MustCompile(`(?m) +$`)

// table returns a header and a row for each of the policy's fields.
func (p *Policy) table() [][]string {
	rows := [][]string{append([]string{"field", "rule", anonymous}, p.hierarchy.roles...)}
	constraints := []string{"constraints"}
	for _, rule := range p.fields() {
		row := []string{rule.Coordinate(), rule.Written, p.cell(rule, "")}
		for _, role := range p.hierarchy.roles {
			row = append(row, p.cell(rule, role))
		}
		rows = append(rows, row)
		constraints = append(constraints, p.constraints(rule))
	}
	if strings.Join(constraints[1:], "") == "" {
		return rows
	}
	for i := range rows {
		rows[i] = append(rows[i], constraints[i])
	}
	return rows
}

// fields returns the fields that have a rule, and then the open ones with @credential.
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

// constraints describes @credential and the limits of a field: "@credential; 30 per 15m by
// ADDRESS".
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

// shortDuration formats 15m0s as 15m.
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

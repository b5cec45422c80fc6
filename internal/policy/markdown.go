package policy

import (
	"fmt"
	"io"
	"strings"
)

const (
	markdownHead = `# Permissions

The rules of the schema files as the server enforces them. ` + "`go generate ./...`" + ` writes this file, so every
change of the policy is a change of lines here. [docs/policy.md](docs/policy.md) explains the rules.

`
	markdownFoot = `
` + "`own`" + `: only on the user's own objects. ` + "`yes!`, `own!`" + `: allowed now, but a report-only rule would deny it.
Every other field is open to every request that can read its object.
`
)

// WriteMarkdown writes the policy as a page with one line per field, so that its diff names the
// changed fields. The columns are those of WriteTable. WriteMarkdown returns the error of w.
func (p *Policy) WriteMarkdown(w io.Writer) error {
	var text strings.Builder
	text.WriteString(markdownHead)
	for i, row := range p.table() {
		if i > 0 {
			row[0], row[1] = code(row[0]), code(row[1])
		}
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			text.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	text.WriteString("\nRoles, weakest first: " + strings.Join(p.roleIncludes(), "; ") + ".\n" + markdownFoot)
	_, err := io.WriteString(w, text.String())
	return err
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// roleIncludes describes which roles each role includes.
func (p *Policy) roleIncludes() (list []string) {
	for _, role := range p.hierarchy.roles {
		text := code(role)
		if included := p.included(role); len(included) > 0 {
			text += " includes " + strings.Join(included, ", ")
		}
		list = append(list, text)
	}
	return list
}

// included returns the roles that a role includes besides itself, the weakest first.
func (p *Policy) included(role string) []string {
	list := []string{}
	for _, other := range p.hierarchy.roles {
		if other != role && p.Includes(role, other) {
			list = append(list, other)
		}
	}
	return list
}

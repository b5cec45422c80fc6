package policy

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// checkPlacement reports rules where nothing enforces them, and duplicate rules. gqlgen enforces a
// directive on the fields of object types only. On a type it guards the fields that *return* the
// type; on an interface's field it does not reach the implementors; on an argument it is skipped if
// the argument is omitted.
func (c *compiler) checkPlacement() {
	for _, at := range c.sites() {
		seen := map[string]bool{}
		for _, d := range at.directives {
			key := c.directiveKey(d)
			switch {
			case !isPolicyDirective(d.Name):
			case !slices.Contains(at.allowed, d.Name):
				c.addMisplaced(at, d)
			case seen[key] && d.Name != limitDirective:
				c.addError(d.Position, at.coordinate, fmt.Sprintf("has %s more than once", key), "keep one")
			default:
				c.checkArgumentsOnce(at, d)
			}
			seen[key] = true
		}
	}
}

// directiveKey returns the key by which a field's directives must be unique: an enforced @auth and
// a report-only one differ.
func (c *compiler) directiveKey(d *ast.Directive) string {
	if c.isReportOnly(d) {
		return "@auth(reportOnly: true)"
	}
	return "@" + d.Name
}

func (c *compiler) isReportOnly(d *ast.Directive) bool {
	return d.Name == authDirective && c.rawValue(d, reportOnlyArgument) == "true"
}

func isPolicyDirective(directive string) bool {
	return slices.ContainsFunc(declarations, func(d declaration) bool { return d.name == directive })
}

func (c *compiler) addMisplaced(at site, d *ast.Directive) {
	if d.Name == includesDirective {
		c.addError(d.Position, at.coordinate,
			"has @includes, which is allowed on values of enum Role only", "remove it")
		return
	}
	c.addError(d.Position, at.coordinate, fmt.Sprintf("has @%s, which is not enforced there", d.Name), at.fix)
}

// checkArgumentsOnce rejects @auth(role: USER, role: ADMIN), which gqlparser accepts and whose
// weaker role might win.
func (c *compiler) checkArgumentsOnce(at site, d *ast.Directive) {
	seen := map[string]bool{}
	for _, arg := range d.Arguments {
		if seen[arg.Name] {
			c.addError(d.Position, at.coordinate,
				fmt.Sprintf("has @%s with the argument %s more than once", d.Name, arg.Name),
				"keep one")
		}
		seen[arg.Name] = true
	}
}

package policy

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// checkPlacement refuses a rule that stands where nothing enforces it, and one that stands twice where it counts. gqlgen
// enforces a directive on the fields of object types only: on a type it guards the fields that *return* the type, on an
// interface's field it does not reach the implementors, and on an argument it is skipped when the argument is left out.
func (c *compiler) checkPlacement() {
	for _, at := range c.sites() {
		seen := map[string]bool{}
		for _, d := range at.directives {
			kind := c.directiveKey(d)
			switch {
			case !isPolicyDirective(d.Name):
			case !slices.Contains(at.allowed, d.Name):
				c.addMisplaced(at, d)
			case seen[kind] && d.Name != limitDirective:
				c.addError(d.Position, at.coordinate, fmt.Sprintf("carries %s more than once", kind), "keep one")
			default:
				c.checkArgumentsOnce(at, d)
			}
			seen[kind] = true
		}
	}
}

// directiveKey is what there may be one of: beside the rule that is in force, one that only reports.
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
		c.addError(d.Position, at.coordinate, "carries @includes, which counts on the values of enum Role only", "remove it")
		return
	}
	c.addError(d.Position, at.coordinate, fmt.Sprintf("carries @%s, which is not enforced there", d.Name), at.fix)
}

// checkArgumentsOnce refuses @auth(role: USER, role: ADMIN), which gqlparser lets pass and of which the weaker might win.
func (c *compiler) checkArgumentsOnce(at site, d *ast.Directive) {
	seen := map[string]bool{}
	for _, arg := range d.Arguments {
		if seen[arg.Name] {
			c.addError(d.Position, at.coordinate, fmt.Sprintf("gives @%s the argument %s more than once", d.Name, arg.Name), "keep one")
		}
		seen[arg.Name] = true
	}
}

package policy

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	roleArgument       = "role"
	orOwnerArgument    = "orOwner"
	reportOnlyArgument = "reportOnly"
)

// rawValue returns an argument of a directive as it counts. It is "" if there is none; no role includes that.
func (c *compiler) rawValue(d *ast.Directive, name string) string {
	if value := c.value(d, name); value != nil {
		return value.Raw
	}
	return ""
}

// value is as written, or else the default of the directive's declaration. It is nil if there is neither, which
// gqlparser does not let pass.
func (c *compiler) value(d *ast.Directive, name string) *ast.Value {
	if value := given(d, name); value != nil {
		return value
	}
	return c.defaultOf(d.Name, name)
}

func given(d *ast.Directive, name string) *ast.Value {
	if arg := d.Arguments.ForName(name); arg != nil {
		return arg.Value
	}
	return nil
}

func (c *compiler) defaultOf(directive, name string) *ast.Value {
	def := c.schema.Directives[directive]
	if def == nil {
		return nil
	}
	if arg := def.Arguments.ForName(name); arg != nil {
		return arg.DefaultValue
	}
	return nil
}

// checkDefaults holds the declaration's defaults to the same terms as what is written on a field, once for all fields
// that rely on them. That a rule is not enforced has to stand beside the rule.
func (c *compiler) checkDefaults() {
	def := c.schema.Directives[authDirective]
	if def == nil {
		return
	}
	c.checkRole(def.Position, "@auth(role:)", c.defaultOf(authDirective, roleArgument))
	c.checkBoolean(def.Position, "@auth(orOwner:)", orOwnerArgument, c.defaultOf(authDirective, orOwnerArgument))
	reportOnly := c.defaultOf(authDirective, reportOnlyArgument)
	c.checkBoolean(def.Position, "@auth(reportOnly:)", reportOnlyArgument, reportOnly)
	if reportOnly != nil && reportOnly.Raw == "true" {
		c.addError(def.Position, "@auth(reportOnly:)", "is true by default, so a rule that does not mention it denies nobody",
			"write reportOnly: Boolean! = false")
	}
}

// checkRole and checkBoolean look at what gqlparser takes as it comes: it holds the values that a schema's directives are
// given to neither their type nor the enum.
func (c *compiler) checkRole(at *ast.Position, coordinate string, role *ast.Value) {
	if role == nil || len(c.hierarchy.roles) == 0 { // without enum Role, which is reported already, no role is known
		return
	}
	if role.Kind != ast.EnumValue || !c.hierarchy.includes[rolePair{role.Raw, role.Raw}] {
		c.addError(at, coordinate, fmt.Sprintf("asks for %s, which is no role", role),
			"write one of "+strings.Join(c.hierarchy.roles, ", "))
	}
}

func (c *compiler) checkBoolean(at *ast.Position, coordinate, name string, value *ast.Value) {
	if value != nil && value.Kind != ast.BooleanValue {
		c.addError(at, coordinate, fmt.Sprintf("says %s: %s", name, value), "write true or false")
	}
}

// written writes a directive as it stands in the schema, on one line.
func written(d *ast.Directive) string {
	if len(d.Arguments) == 0 {
		return "@" + d.Name
	}
	args := make([]string, len(d.Arguments))
	for i, arg := range d.Arguments {
		args[i] = arg.Name + ": " + arg.Value.String()
	}
	return fmt.Sprintf("@%s(%s)", d.Name, strings.Join(args, ", "))
}

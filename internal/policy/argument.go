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

// rawValue returns the effective value of a directive's argument, or "" for none. No role includes
// "".
func (c *compiler) rawValue(d *ast.Directive, name string) string {
	if value := c.value(d, name); value != nil {
		return value.Raw
	}
	return ""
}

// value returns the written value, or the default of the directive's declaration. It returns nil if
// both are missing, which gqlparser rejects.
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

// checkDefaults applies the checks of a field's arguments to the declaration's defaults. reportOnly
// must not be true by default, so that a rule that is not enforced always says so.
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
		c.addError(def.Position, "@auth(reportOnly:)", "is true by default, so a rule without it would not be enforced",
			"write reportOnly: Boolean! = false")
	}
}

// checkRole and checkBoolean check values that gqlparser does not: in a schema it checks neither
// the type nor the enum of a directive's arguments.
func (c *compiler) checkRole(at *ast.Position, coordinate string, role *ast.Value) {
	if role == nil || len(c.hierarchy.roles) == 0 { // the missing enum Role is reported elsewhere
		return
	}
	if role.Kind != ast.EnumValue || !c.hierarchy.includes[rolePair{role.Raw, role.Raw}] {
		c.addError(at, coordinate, fmt.Sprintf("requires %s, which is not a role", role),
			"write one of "+strings.Join(c.hierarchy.roles, ", "))
	}
}

func (c *compiler) checkBoolean(at *ast.Position, coordinate, name string, value *ast.Value) {
	if value != nil && value.Kind != ast.BooleanValue {
		c.addError(at, coordinate,
			fmt.Sprintf("has @auth(%s: %s), which is not a Boolean", name, value),
			"write true or false")
	}
}

// written formats a directive as in the schema, on one line.
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

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

const rolesArgument = "roles"

// readRoles reads enum Role and its @includes.
//
// Every role has to include USER: a bare @auth means "signed in", and it would turn away somebody whose role does not.
// That ADMIN includes every other role is not asked for: a schema may keep, say, an AUDITOR apart on purpose. An ADMIN then
// neither gives that role nor acts on those who have it, because nobody acts on what their own role does not include.
func (c *compiler) readRoles() {
	def := c.schema.Types[roleEnum]
	if def == nil || def.Kind != ast.Enum {
		c.addError(nil, "enum "+roleEnum, "is not declared",
			"write enum Role { USER STAFF @includes(roles: [USER]) ADMIN @includes(roles: [STAFF]) }, with the roles you need")
		return
	}
	var roles []string
	for _, value := range def.EnumValues {
		roles = append(roles, value.Name)
	}
	sound := len(c.errorList)
	direct := map[string][]string{}
	for _, value := range def.EnumValues {
		direct[value.Name] = c.readIncludes(value, roles)
	}
	c.checkCycles(def, roles, direct)
	c.checkRequiredRoles(def)
	if len(c.errorList) == sound { // a broken step is one defect, not also a role that does not get down to USER
		c.checkIncludesUser(def, direct)
	}
	c.hierarchy = newRoleHierarchy(roles, direct)
}

// readIncludes returns the roles that a role names, and leaves out what it refuses.
func (c *compiler) readIncludes(from *ast.EnumValueDefinition, roles []string) (steps []string) {
	for _, d := range from.Directives.ForNames(includesDirective) {
		for _, to := range list(d.Arguments.ForName(rolesArgument)) {
			coordinate := roleEnum + "." + from.Name
			switch {
			case to.Kind != ast.EnumValue || !slices.Contains(roles, to.Raw):
				c.addError(d.Position, coordinate, fmt.Sprintf("includes %s, which is no role", to), "write one of "+strings.Join(roles, ", "))
			case to.Raw == from.Name:
				c.addError(d.Position, coordinate, "includes itself", "take it out, every role does")
			case slices.Contains(steps, to.Raw):
				c.addError(d.Position, coordinate, fmt.Sprintf("includes %s more than once", to), "name it once")
			default:
				steps = append(steps, to.Raw)
			}
		}
	}
	return steps
}

// list reads [A, B], and a bare A as [A], as GraphQL does.
func list(arg *ast.Argument) []*ast.Value {
	if arg == nil || arg.Value == nil {
		return nil
	}
	if arg.Value.Kind != ast.ListValue {
		return []*ast.Value{arg.Value}
	}
	var values []*ast.Value
	for _, child := range arg.Value.Children {
		values = append(values, child.Value)
	}
	return values
}

func (c *compiler) checkCycles(def *ast.Definition, roles []string, direct map[string][]string) {
	for _, circle := range findCycles(roles, direct) {
		c.addError(def.EnumValues.ForName(circle[0]).Position, roleEnum+"."+circle[0],
			fmt.Sprintf("includes itself by %s", strings.Join(circle, " → ")),
			"take out the step by which a weaker role includes a stronger one")
	}
}

func (c *compiler) checkRequiredRoles(def *ast.Definition) {
	if def.EnumValues.ForName(User) == nil {
		c.addError(def.Position, "enum "+roleEnum, "has no "+User, "add it, everybody who registers is given it")
	}
	if def.EnumValues.ForName(Admin) == nil {
		c.addError(def.Position, "enum "+roleEnum, "has no "+Admin, "add it, the operator is given it")
	}
}

// checkIncludesUser looks at the roles that include none: without circles every way down ends at one of them, and so at
// USER if there is no other.
func (c *compiler) checkIncludesUser(def *ast.Definition, direct map[string][]string) {
	for _, value := range def.EnumValues {
		if value.Name != User && len(direct[value.Name]) == 0 {
			c.addError(value.Position, roleEnum+"."+value.Name,
				"does not include USER, so a bare @auth would turn its people away",
				"write @includes(roles: [USER]), or name a role that includes USER")
		}
	}
}

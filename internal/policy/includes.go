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
// Every role must include USER, because a bare @auth means "signed in" and would otherwise deny
// users of that role. ADMIN need not include every other role: a schema may keep, say, an AUDITOR
// apart on purpose. An ADMIN then cannot grant that role or change accounts that have it, because
// administrators act only on roles that their own role includes.
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
	before := len(c.errorList)
	direct := map[string][]string{}
	for _, value := range def.EnumValues {
		direct[value.Name] = c.readIncludes(value, roles)
	}
	c.checkCycles(def, roles, direct)
	c.checkRequiredRoles(def)
	// A broken inclusion is not also reported as a role without USER.
	if len(c.errorList) == before {
		c.checkIncludesUser(def, direct)
	}
	c.hierarchy = newRoleHierarchy(roles, direct)
}

// readIncludes returns the valid roles that a role lists in @includes, and reports the others.
func (c *compiler) readIncludes(from *ast.EnumValueDefinition, roles []string) (included []string) {
	for _, d := range from.Directives.ForNames(includesDirective) {
		for _, to := range list(d.Arguments.ForName(rolesArgument)) {
			coordinate := roleEnum + "." + from.Name
			switch {
			case to.Kind != ast.EnumValue || !slices.Contains(roles, to.Raw):
				c.addError(d.Position, coordinate,
					fmt.Sprintf("includes %s, which is not a role", to),
					"write one of "+strings.Join(roles, ", "))
			case to.Raw == from.Name:
				c.addError(d.Position, coordinate, "lists itself", "remove it; every role includes itself")
			case slices.Contains(included, to.Raw):
				c.addError(d.Position, coordinate, fmt.Sprintf("includes %s more than once", to), "keep one")
			default:
				included = append(included, to.Raw)
			}
		}
	}
	return included
}

// list reads [A, B]. It reads a bare A as [A], as GraphQL does.
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
	for _, cycle := range findCycles(roles, direct) {
		c.addError(def.EnumValues.ForName(cycle[0]).Position, roleEnum+"."+cycle[0],
			fmt.Sprintf("is in the cycle %s", strings.Join(cycle, " → ")),
			"remove the @includes of a weaker role that lists a stronger one")
	}
}

func (c *compiler) checkRequiredRoles(def *ast.Definition) {
	if def.EnumValues.ForName(User) == nil {
		c.addError(def.Position, "enum "+roleEnum, "has no "+User, "add it; it is the role of every registered user")
	}
	if def.EnumValues.ForName(Admin) == nil {
		c.addError(def.Position, "enum "+roleEnum, "has no "+Admin, "add it; it is the role of the first administrator")
	}
}

// checkIncludesUser rejects roles other than USER that include no role. Without cycles every chain
// of inclusions ends at such a role, so if USER is the only one, every role includes it.
func (c *compiler) checkIncludesUser(def *ast.Definition, direct map[string][]string) {
	for _, value := range def.EnumValues {
		if value.Name != User && len(direct[value.Name]) == 0 {
			c.addError(value.Position, roleEnum+"."+value.Name,
				"does not include USER, so a bare @auth would deny its users",
				"write @includes(roles: [USER]), or list a role that includes USER")
		}
	}
}

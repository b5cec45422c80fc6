package policy

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// implementor is an object's field that stands in for an interface's field.
type implementor struct {
	field *ast.FieldDefinition
	rule  Rule // the zero Rule if the field is open
}

// checkInterfaces holds the types behind an interface to one rule a field. A field read through an interface is executed
// as the field of the object that came back, so its own @auth is enforced. But if one type gates it and the next leaves it
// open, nobody who reads the interface, or adds a type to it, can tell that it was meant to be guarded. The whole rule
// counts: another role, or orOwner on one of them alone, is a difference too.
func (c *compiler) checkInterfaces() {
	for _, iface := range c.types {
		if iface.Kind != ast.Interface {
			continue
		}
		for _, field := range iface.Fields {
			members := c.implementors(iface, field)
			c.checkNullable(iface, field, members)
			if !c.inherits(iface, field) { // else the interface it comes from sees these members, and perhaps more
				c.checkSameRule(iface, members)
			}
		}
	}
}

// implementors returns the fields that are executed in place of the interface's. An object names every interface that it
// implements, also those that it implements only because another one does, so there is nothing to climb.
func (c *compiler) implementors(iface *ast.Definition, field *ast.FieldDefinition) (members []implementor) {
	for _, def := range c.types {
		if def.Kind != ast.Object || !slices.Contains(def.Interfaces, iface.Name) {
			continue
		}
		if own := def.Fields.ForName(field.Name); own != nil {
			members = append(members, implementor{own, c.gatingRule(def.Name, field.Name)})
		}
	}
	return members
}

func (c *compiler) gatingRule(typeName, field string) Rule {
	for _, rule := range c.rules {
		if rule.Type == typeName && rule.Field == field && (!rule.Public || rule.HasReportOnly()) {
			return rule
		}
	}
	return Rule{Type: typeName, Field: field}
}

func (c *compiler) inherits(iface *ast.Definition, field *ast.FieldDefinition) bool {
	return slices.ContainsFunc(iface.Interfaces, func(parent string) bool {
		def := c.schema.Types[parent]
		return def != nil && def.Fields.ForName(field.Name) != nil
	})
}

// checkNullable says it at the interface: there is no way to mend the member's type alone.
func (c *compiler) checkNullable(iface *ast.Definition, field *ast.FieldDefinition, members []implementor) {
	first := slices.IndexFunc(members, isGated)
	if first < 0 || !field.Type.NonNull {
		return
	}
	c.addError(field.Position, iface.Name+"."+field.Name,
		fmt.Sprintf("is never null (%s), but %s stands in for it and is gated", field.Type, members[first].rule.Coordinate()),
		fmt.Sprintf("write %s, because a denied field is answered with null", nullable(field.Type)))
}

func (c *compiler) checkSameRule(iface *ast.Definition, members []implementor) {
	first := slices.IndexFunc(members, isGated)
	if first < 0 {
		return
	}
	model := members[first].rule
	for _, m := range members {
		if m.rule.Enforced() == model.Enforced() && m.rule.ReportOnly == model.ReportOnly { // an open field asks for no role
			continue
		}
		c.addError(m.field.Position, m.rule.Coordinate(),
			fmt.Sprintf("%s, but %s %s, and both are read as %s.%s",
				describe(m.rule), model.Coordinate(), describe(model), iface.Name, m.field.Name),
			fmt.Sprintf("write the same rule on both, or take %s out of %s", m.field.Name, iface.Name))
	}
}

func isGated(m implementor) bool {
	return m.rule.Written != ""
}

func describe(gate Rule) string {
	if gate.Written == "" {
		return "is open"
	}
	return "has " + gate.Written
}

package policy

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// implementor is a field of an object type that implements an interface's field.
type implementor struct {
	field *ast.FieldDefinition
	rule  Rule // the zero Rule if the field is open
}

// checkInterfaces requires all implementors of an interface's field to have the same rule. A field
// selected through an interface is executed as the field of the returned object, so that object's
// @auth is enforced. But if one type gates the field and another leaves it open, a reader of the
// interface cannot see that the field was meant to be gated. A different role or orOwner is a
// difference too.
func (c *compiler) checkInterfaces() {
	for _, iface := range c.types {
		if iface.Kind != ast.Interface {
			continue
		}
		for _, field := range iface.Fields {
			implementors := c.implementors(iface, field)
			c.checkNullable(iface, field, implementors)
			// The parent interface has these implementors, and perhaps more.
			if !c.inherits(iface, field) {
				c.checkSameRule(iface, implementors)
			}
		}
	}
}

// implementors returns the fields that implement an interface's field. An object type lists all of
// its interfaces, including the parents of interfaces, so this needs no recursion.
func (c *compiler) implementors(iface *ast.Definition, field *ast.FieldDefinition) (implementors []implementor) {
	for _, def := range c.types {
		if def.Kind != ast.Object || !slices.Contains(def.Interfaces, iface.Name) {
			continue
		}
		if own := def.Fields.ForName(field.Name); own != nil {
			implementors = append(implementors, implementor{own, c.gatingRule(def.Name, field.Name)})
		}
	}
	return implementors
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

// checkNullable reports the error at the interface, because the implementor's type alone cannot be
// fixed.
func (c *compiler) checkNullable(iface *ast.Definition, field *ast.FieldDefinition, implementors []implementor) {
	first := slices.IndexFunc(implementors, isGated)
	if first < 0 || !field.Type.NonNull {
		return
	}
	c.addError(field.Position, iface.Name+"."+field.Name,
		fmt.Sprintf("is non-null (%s), but %s implements it and has @auth", field.Type,
			implementors[first].rule.Coordinate()),
		fmt.Sprintf("write %s, because a denied field is null", nullable(field.Type)))
}

func (c *compiler) checkSameRule(iface *ast.Definition, implementors []implementor) {
	first := slices.IndexFunc(implementors, isGated)
	if first < 0 {
		return
	}
	model := implementors[first].rule
	for _, m := range implementors {
		// Both are zero for an open field.
		if m.rule.Enforced() == model.Enforced() && m.rule.ReportOnly == model.ReportOnly {
			continue
		}
		c.addError(m.field.Position, m.rule.Coordinate(),
			fmt.Sprintf("%s, but %s %s, and both implement %s.%s",
				describe(m.rule), model.Coordinate(), describe(model), iface.Name, m.field.Name),
			fmt.Sprintf("write the same rule on both, or remove %s from %s", m.field.Name, iface.Name))
	}
}

func isGated(m implementor) bool {
	return m.rule.Written != ""
}

func describe(rule Rule) string {
	if rule.Written == "" {
		return "has no @auth"
	}
	return "has " + rule.Written
}

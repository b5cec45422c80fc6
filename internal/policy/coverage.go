package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// readRules reads the rule of every field, the root types first.
func (c *compiler) readRules() {
	c.checkDefaults()
	roots := c.roots()
	for _, def := range roots {
		c.readRulesOf(def, true)
	}
	for _, def := range c.types {
		if def.Kind == ast.Object && !slices.Contains(roots, def) {
			c.readRulesOf(def, false)
		}
	}
}

// checkSubscription refuses what would be generated and never served.
func (c *compiler) checkSubscription() {
	if def := c.schema.Subscription; def != nil {
		c.addError(def.Position, "type "+def.Name, "is the subscription type, but the server has no subscriptions", "remove it, and let clients poll a field of Query")
	}
}

func (c *compiler) readRulesOf(def *ast.Definition, root bool) {
	for _, field := range def.Fields {
		if strings.HasPrefix(field.Name, "__") { // introspection, which gqlparser adds to Query
			continue
		}
		rule := Rule{
			Type: def.Name, Field: field.Name, Root: root,
			Credential: field.Directives.ForName(credentialDirective) != nil,
		}
		_, rule.Line = locate(field.Position)
		on := c.rulesOn(field)
		c.checkCoverage(rule, field.Position, on)
		switch {
		case on != fieldRules{}:
			c.rules = append(c.rules, c.readRule(rule, field, on))
		case rule.Credential:
			rule.Public = true
			c.open = append(c.open, rule)
		}
	}
}

// fieldRules are the directives on one field that say who may use it. Any may be nil.
type fieldRules struct{ auth, report, public *ast.Directive }

func (c *compiler) rulesOn(field *ast.FieldDefinition) (on fieldRules) {
	for _, d := range field.Directives {
		switch { // of two of one kind, which checkPlacement refuses, the first
		case d.Name == publicDirective && on.public == nil:
			on.public = d
		case c.isReportOnly(d) && on.report == nil:
			on.report = d
		case d.Name == authDirective && !c.isReportOnly(d) && on.auth == nil:
			on.auth = d
		}
	}
	return on
}

// checkCoverage refuses a root field without a rule or with two, and @public where it says nothing. A rule that only
// reports is one: it says that the field is open for the time being.
func (c *compiler) checkCoverage(rule Rule, at *ast.Position, on fieldRules) {
	switch {
	case rule.Root && on == fieldRules{}:
		c.addError(at, rule.Coordinate(), "has neither @auth nor @public",
			"write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it")
	case rule.Root && on.auth != nil && on.public != nil:
		c.addError(at, rule.Coordinate(), "has both @auth and @public",
			"keep @auth if it needs a signed-in person, or @public if anybody may use it")
	case !rule.Root && on.public != nil:
		c.addError(on.public.Position, rule.Coordinate(), "carries @public, which says nothing on a field of a type that is no root",
			"remove it, such a field is open unless it carries @auth")
	}
}

// readRule completes the rule of a field that has one, and refuses what could not be enforced on it.
func (c *compiler) readRule(rule Rule, field *ast.FieldDefinition, on fieldRules) Rule {
	if on.auth != nil || on.report != nil {
		c.checkFieldNullable(rule, field)
	}
	if on.auth != nil {
		inForce := c.readRequirement(rule, on.auth)
		rule.Role, rule.OrOwner = inForce.Role, inForce.OrOwner
	}
	rule.Public = on.auth == nil
	if on.report != nil {
		rule.ReportOnly = c.readRequirement(rule, on.report)
		c.checkReportOnly(rule, on.report)
	}
	rule.Written = writtenOn(field, on)
	return rule
}

func (c *compiler) readRequirement(rule Rule, auth *ast.Directive) Requirement {
	c.checkRole(auth.Position, rule.Coordinate(), given(auth, roleArgument))
	for _, name := range []string{orOwnerArgument, reportOnlyArgument} {
		c.checkBoolean(auth.Position, rule.Coordinate(), name, given(auth, name))
	}
	demand := Requirement{Role: c.rawValue(auth, roleArgument), OrOwner: c.rawValue(auth, orOwnerArgument) == "true"}
	if rule.Root && demand.OrOwner {
		c.addError(auth.Position, rule.Coordinate(), "is a root field, which has no owner, but says orOwner: true",
			"write orOwner: false, and let the resolver look for what is the caller's own")
	}
	return demand
}

// checkFieldNullable holds for a rule that only reports as well: that a field may be null is what clients have to learn first.
func (c *compiler) checkFieldNullable(rule Rule, field *ast.FieldDefinition) {
	if field.Type.NonNull {
		c.addError(field.Position, rule.Coordinate(), fmt.Sprintf("is gated by @auth but never null (%s)", field.Type),
			fmt.Sprintf("write %s, because a denied field is answered with null", nullable(field.Type)))
	}
}

// checkReportOnly refuses a report of what cannot happen, which would be taken for good news.
func (c *compiler) checkReportOnly(rule Rule, report *ast.Directive) {
	stricter := !c.hierarchy.includes[rolePair{rule.Role, rule.ReportOnly.Role}] || rule.OrOwner && !rule.ReportOnly.OrOwner
	if !rule.Public && !stricter && len(c.hierarchy.roles) > 0 {
		c.addError(report.Position, rule.Coordinate(), "reports nothing: whom the other @auth lets through, this one would too",
			"take it out, or let it ask for more")
	}
}

// writtenOn writes a field's rules as they stand in the schema, in its order.
func writtenOn(field *ast.FieldDefinition, on fieldRules) string {
	var text []string
	for _, d := range field.Directives {
		if d == on.auth || d == on.report || d == on.public {
			text = append(text, written(d))
		}
	}
	return strings.Join(text, " ")
}

// nullable writes a type without its outermost "!".
func nullable(t *ast.Type) string {
	return strings.TrimSuffix(t.String(), "!")
}

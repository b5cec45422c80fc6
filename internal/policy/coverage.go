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

// checkSubscription rejects a subscription type, which gqlgen would generate and the server never
// serve.
func (c *compiler) checkSubscription() {
	if def := c.schema.Subscription; def != nil {
		c.addError(def.Position, "type "+def.Name,
			"is the subscription type, but the server does not support subscriptions",
			"remove it, and let clients poll a field of Query")
	}
}

func (c *compiler) readRulesOf(def *ast.Definition, root bool) {
	for _, field := range def.Fields {
		if strings.HasPrefix(field.Name, "__") { // gqlparser adds the introspection fields to Query
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

// fieldRules holds the access directives of one field. Each may be nil.
type fieldRules struct{ auth, report, public *ast.Directive }

func (c *compiler) rulesOn(field *ast.FieldDefinition) (on fieldRules) {
	for _, d := range field.Directives {
		switch { // the first of duplicates, which checkPlacement reports
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

// checkCoverage rejects a root field without a rule or with two, and @public on a field of another
// type, where it has no effect. A report-only rule is a rule: it leaves the field public for now.
func (c *compiler) checkCoverage(rule Rule, at *ast.Position, on fieldRules) {
	switch {
	case rule.Root && on == fieldRules{}:
		c.addError(at, rule.Coordinate(), "has neither @auth nor @public",
			"write @auth(role: …) to require a signed-in user, or @public to require no sign-in")
	case rule.Root && on.auth != nil && on.public != nil:
		c.addError(at, rule.Coordinate(), "has both @auth and @public",
			"keep @auth to require a signed-in user, or @public to require no sign-in")
	case !rule.Root && on.public != nil:
		c.addError(on.public.Position, rule.Coordinate(), "has @public, which has an effect on root fields only",
			"remove it; other fields are open unless they have @auth")
	}
}

// readRule completes the rule of a field, and reports what could not be enforced on it.
func (c *compiler) readRule(rule Rule, field *ast.FieldDefinition, on fieldRules) Rule {
	if on.auth != nil || on.report != nil {
		c.checkFieldNullable(rule, field)
	}
	if on.auth != nil {
		enforced := c.readRequirement(rule, on.auth)
		rule.Role, rule.OrOwner, rule.Proof = enforced.Role, enforced.OrOwner, enforced.Proof
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
	requirement := Requirement{
		Role:    c.rawValue(auth, roleArgument),
		OrOwner: c.rawValue(auth, orOwnerArgument) == "true",
		Proof:   c.readProof(rule.Coordinate(), auth),
	}
	if rule.Root && requirement.OrOwner {
		c.addError(auth.Position, rule.Coordinate(), "is a root field, which has no owner, but has orOwner: true",
			"remove orOwner, and let the resolver return only the user's own objects")
	}
	return requirement
}

// checkFieldNullable applies to report-only rules too, so that clients handle null before the rule
// is enforced.
func (c *compiler) checkFieldNullable(rule Rule, field *ast.FieldDefinition) {
	if field.Type.NonNull {
		c.addError(field.Position, rule.Coordinate(), fmt.Sprintf("has @auth but is non-null (%s)", field.Type),
			fmt.Sprintf("write %s, because a denied field is null", nullable(field.Type)))
	}
}

// checkReportOnly rejects a report-only rule that can never report, because its zero count would
// look like success.
func (c *compiler) checkReportOnly(rule Rule, report *ast.Directive) {
	stricter := !c.hierarchy.includes[rolePair{rule.Role, rule.ReportOnly.Role}] ||
		rule.OrOwner && !rule.ReportOnly.OrOwner || !rule.Proof.includes(rule.ReportOnly.Proof)
	if !rule.Public && !stricter && len(c.hierarchy.roles) > 0 {
		c.addError(report.Position, rule.Coordinate(),
			"has a report-only @auth that is not stricter than the enforced one, so it never reports",
			"remove it, or require more")
	}
}

// writtenOn formats a field's rules as in the schema, in its order.
func writtenOn(field *ast.FieldDefinition, on fieldRules) string {
	var text []string
	for _, d := range field.Directives {
		if d == on.auth || d == on.report || d == on.public {
			text = append(text, written(d))
		}
	}
	return strings.Join(text, " ")
}

// nullable formats a type without its outermost "!".
func nullable(t *ast.Type) string {
	return strings.TrimSuffix(t.String(), "!")
}

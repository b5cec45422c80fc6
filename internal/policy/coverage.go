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

func (c *compiler) readRulesOf(def *ast.Definition, root bool) {
	for _, field := range def.Fields {
		if strings.HasPrefix(field.Name, "__") { // introspection, which gqlparser adds to Query
			continue
		}
		auth, public := field.Directives.ForName(authDirective), field.Directives.ForName(publicDirective)
		rule := Rule{Type: def.Name, Field: field.Name, Root: root}
		_, rule.Line = locate(field.Position)
		c.checkCoverage(rule, field.Position, auth, public)
		switch {
		case auth != nil:
			c.rules = append(c.rules, c.readAuth(rule, field, auth))
		case public != nil:
			rule.Public, rule.Written = true, written(public)
			c.rules = append(c.rules, rule)
		}
	}
}

// checkCoverage refuses a root field without a rule or with two, and @public where it says nothing.
func (c *compiler) checkCoverage(rule Rule, at *ast.Position, auth, public *ast.Directive) {
	switch {
	case rule.Root && auth == nil && public == nil:
		c.refuse(at, rule.Coordinate(), "has neither @auth nor @public",
			"write @auth(role: …) if it needs a signed-in person, or @public if anybody may use it")
	case rule.Root && auth != nil && public != nil:
		c.refuse(at, rule.Coordinate(), "has both @auth and @public",
			"keep @auth if it needs a signed-in person, or @public if anybody may use it")
	case !rule.Root && public != nil:
		c.refuse(public.Position, rule.Coordinate(), "carries @public, which says nothing on a field of a type that is no root",
			"remove it, such a field is open unless it carries @auth")
	}
}

// readAuth completes the rule of a gated field, and refuses what could not be enforced on it.
func (c *compiler) readAuth(rule Rule, field *ast.FieldDefinition, auth *ast.Directive) Rule {
	rule.Written = written(auth)
	rule.Role = c.rawValue(auth, roleArgument)
	rule.OrOwner = c.rawValue(auth, orOwnerArgument) == "true"
	c.checkRole(auth.Position, rule.Coordinate(), given(auth, roleArgument))
	c.checkOrOwner(auth.Position, rule.Coordinate(), given(auth, orOwnerArgument))
	if field.Type.NonNull {
		c.refuse(field.Position, rule.Coordinate(), fmt.Sprintf("is gated by @auth but never null (%s)", field.Type),
			fmt.Sprintf("write %s, because a denied field is answered with null", nullable(field.Type)))
	}
	if rule.Root && rule.OrOwner {
		c.refuse(auth.Position, rule.Coordinate(), "is a root field, which has no owner, but says orOwner: true",
			"write orOwner: false, and let the resolver look for what is the caller's own")
	}
	return rule
}

// nullable writes a type without its outermost "!".
func nullable(t *ast.Type) string {
	return strings.TrimSuffix(t.String(), "!")
}

// Package policy compiles the access rules of a GraphQL schema.
//
// The schema is the only place for rules. Five directives state them:
//
//	directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false)
//	  repeatable on FIELD_DEFINITION
//	directive @public on FIELD_DEFINITION
//	directive @includes(roles: [Role!]!) on ENUM_VALUE
//	directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false,
//	  failures: Boolean! = true, shared: String) repeatable on FIELD_DEFINITION
//	directive @credential on FIELD_DEFINITION
//
// A root field (of Query or Mutation) carries exactly one of @auth and @public. A field of another
// type is open to every request that reaches its object, unless it carries @auth. The values of
// enum Role form a hierarchy: with `ADMIN @includes(roles: [STAFF])`, an ADMIN may use every field
// that STAFF may use. The declarations of @limit and @credential are optional. A subscription type
// is an error, because the server has no transport for subscriptions.
//
// An @auth with reportOnly is not enforced: it allows every request and reports those that it would
// deny. Written beside the enforced @auth or @public, it tests a stricter rule. On its own it
// leaves the field public.
//
// [Compile] returns an error if a rule is missing, contradicts another, or is written where nothing
// enforces it. Run it once, at start, so that a server with such a schema never serves a request:
//
//	rules, err := policy.Compile(schema)
//	…
//	rule, ok := rules.Rule("User", "email")
//	if !rules.Includes(viewer.Role, rule.Role) { … }
//
// The package does not decide about requests. The implementation of @auth calls [Policy.Rule] and
// [Policy.Includes], and determines the viewer and the owner itself. The package sees the schema
// only. It cannot detect a gqlgen.yml that sets skip_runtime on @auth, or a resolver that returns
// too much; tests over HTTP do that.
//
// It expects a schema that gqlparser has loaded. It repeats only the checks of gqlparser that a
// widened directive declaration would disable.
package policy

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// Policy holds the rules of one schema. It is immutable and safe for concurrent use. The zero value
// has no roles and no rules.
type Policy struct {
	hierarchy roleHierarchy
	rules     []Rule
	open      []Rule // fields with @credential and without a rule
	byField   map[fieldKey]Rule
	limits    map[fieldKey][]Limit
}

type fieldKey struct{ typeName, field string }

// Compile reads and checks every rule of the schema. Its error joins one [*RuleError] per defect,
// sorted by file and line.
func Compile(schema *ast.Schema) (*Policy, error) {
	c := &compiler{schema: schema, types: inSourceOrder(schema.Types)}
	c.checkDeclarations()
	c.checkPlacement()
	c.checkSubscription()
	c.readRoles()
	c.readRules()
	c.readLimits()
	c.checkInterfaces()
	if err := c.errorList.err(); err != nil {
		return nil, err
	}
	return c.policy(), nil
}

func (c *compiler) policy() *Policy {
	p := &Policy{
		hierarchy: c.hierarchy, rules: c.rules, open: c.open, limits: c.limits,
		byField: make(map[fieldKey]Rule, len(c.rules)),
	}
	for _, rule := range c.rules {
		p.byField[fieldKey{rule.Type, rule.Field}] = rule
	}
	return p
}

// Includes reports whether the role have includes the role want. Every role includes itself. A role
// that the schema does not have includes no role and is included by no role, not even itself.
// Includes runs for every gated field of every request: it is one map lookup and does not allocate.
func (p *Policy) Includes(have, want string) bool {
	return p.hierarchy.includes[rolePair{have, want}]
}

// IsRole reports whether the schema has the role.
func (p *Policy) IsRole(role string) bool {
	return p.Includes(role, role)
}

// Roles returns every role, the weakest first: a role comes after all roles that it includes. Ties
// keep the schema's order.
func (p *Policy) Roles() []string {
	return slices.Clone(p.hierarchy.roles)
}

// Rules returns the rule of every field that has one: the fields of Query, Mutation and
// Subscription, then those of the other types in the order of the source.
func (p *Policy) Rules() []Rule {
	return slices.Clone(p.rules)
}

// ReportOnly returns every rule with a report-only requirement, in the order of Rules.
func (p *Policy) ReportOnly() []Rule {
	return slices.DeleteFunc(p.Rules(), func(r Rule) bool { return !r.HasReportOnly() })
}

// Rule returns the rule of a field. It returns false if the schema has no rule for it, so that the
// field is open, or if the schema has no such field. Every root field has a rule, except the
// introspection fields.
func (p *Policy) Rule(typeName, field string) (Rule, bool) {
	rule, ok := p.byField[fieldKey{typeName, field}]
	return rule, ok
}

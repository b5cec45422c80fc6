// Package policy reads the rules of a GraphQL schema: who may use which field.
//
// The schema is the only place where a rule is written. Five directives carry them:
//
//	directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false) repeatable on FIELD_DEFINITION
//	directive @public on FIELD_DEFINITION
//	directive @includes(roles: [Role!]!) on ENUM_VALUE
//	directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false) repeatable on FIELD_DEFINITION
//	directive @credential on FIELD_DEFINITION
//
// A root field (of Query or Mutation) carries exactly one of @auth and @public. A schema with a subscription type is refused,
// because the server has no transport for subscriptions. A field of any other type is
// open to whoever reached the object, unless it carries @auth. The values of enum Role are a ladder: with
// `ADMIN @includes(roles: [STAFF])`, whatever STAFF may use ADMIN may use too. A schema without limits need not declare
// @limit, and one without passwords not @credential.
//
// With reportOnly an @auth is not in force: whom it would deny is let through and reported. It stands beside the @auth or
// @public that is in force, so that a rule can be tried out while the old one still holds. By itself it says that the field is
// open meanwhile.
//
// [Compile] reads the rules and refuses a schema in which one is missing, contradicts another, or stands where nothing
// enforces it. It is meant to run once, at start, so that such a server never answers a request:
//
//	rules, err := policy.Compile(schema)
//	…
//	rule, ok := rules.Rule("User", "email")
//	if !rules.Includes(viewer.Role, rule.Role) { … }
//
// The package decides nothing about a request. It knows no viewer and no owner: the implementation of @auth asks
// [Policy.Rule] and [Policy.Includes], and finds out itself whose object it has in hand. It sees the schema only, so it cannot notice a
// gqlgen.yml that sets skip_runtime on @auth, or a resolver that hands out more than it should; tests over HTTP do that.
// It expects a schema that gqlparser has loaded, and repeats only those of gqlparser's checks that a widened directive
// declaration would switch off.
package policy

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// Policy is the rules of one schema. It never changes, and is safe for concurrent use. The zero value has no roles and no
// rules: it includes nothing.
type Policy struct {
	hierarchy roleHierarchy
	rules     []Rule
	open      []Rule // of fields that have @credential and no rule
	byField   map[fieldKey]Rule
	limits    map[fieldKey][]Limit
}

type fieldKey struct{ typeName, field string }

// Compile reads every rule of the schema and checks them. The error, if any, joins one [*Violation] for each defect,
// sorted by file and line; there is no policy then.
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
	p := &Policy{hierarchy: c.hierarchy, rules: c.rules, open: c.open, byField: make(map[fieldKey]Rule, len(c.rules)), limits: c.limits}
	for _, rule := range c.rules {
		p.byField[fieldKey{rule.Type, rule.Field}] = rule
	}
	return p
}

// Includes reports whether somebody with the role have may do what the role want may do. Every role includes itself. A
// role that the schema does not have includes nothing and is included by nothing, not even by itself. It runs on every
// gated field of every request: one map lookup, no allocation.
func (p *Policy) Includes(have, want string) bool {
	return p.hierarchy.includes[rolePair{have, want}]
}

// IsRole reports whether the schema has the role.
func (p *Policy) IsRole(role string) bool {
	return p.Includes(role, role)
}

// Roles returns every role, the weakest first: none comes before a role it includes. Ties stand as in the schema.
func (p *Policy) Roles() []string {
	return slices.Clone(p.hierarchy.roles)
}

// Rules returns the rule of every field that has one: the fields of Query, Mutation and Subscription, then those of the
// other types in the order of the source.
func (p *Policy) Rules() []Rule {
	return slices.Clone(p.rules)
}

// ReportOnly returns every rule that has a demand which only reports, in the order of Rules.
func (p *Policy) ReportOnly() []Rule {
	return slices.DeleteFunc(p.Rules(), func(r Rule) bool { return !r.HasReportOnly() })
}

// Rule returns the rule of a field. False means that the schema states none: the field is open to whoever reached its
// object, or there is no such field. A root field always has a rule, except for introspection's own.
func (p *Policy) Rule(typeName, field string) (Rule, bool) {
	rule, ok := p.byField[fieldKey{typeName, field}]
	return rule, ok
}

package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// What executions are counted by: the values of enum LimitKey.
const (
	ByAddress           = "ADDRESS"
	ByAccountAndAddress = "ACCOUNT_AND_ADDRESS"
	ByAccount           = "ACCOUNT"
	BySession           = "SESSION"
)

var limitKeys = []string{ByAddress, ByAccountAndAddress, ByAccount, BySession}

const (
	byArgument        = "by"
	countArgument     = "count"
	windowArgument    = "window"
	successesArgument = "successes"
	failuresArgument  = "failures"
	sharedArgument    = "shared"
)

// Limit is one @limit of a root field: how many executions, per what window, and what they are counted by.
type Limit struct {
	By            string // ByAddress, ByAccountAndAddress, ByAccount or BySession
	Count         int
	Window        time.Duration
	Successes     bool   // executions that succeed are counted too
	SuccessesOnly bool   // and those that fail are not
	Shared        string // the name of a count that several fields share; "" is the field's own
}

// Scope is what an execution's key begins with, beside By: limits of one scope count together.
func (l Limit) Scope(coordinate string) []string {
	scope := []string{coordinate}
	if l.Shared != "" {
		scope = []string{"shared", l.Shared}
	}
	switch {
	case l.SuccessesOnly:
		scope = append(scope, "successes only")
	case l.Successes:
		scope = append(scope, "successes")
	}
	return scope
}

// sharesCounter reports whether two limits of one field, or two shared ones, count the same.
func (l Limit) sharesCounter(other Limit) bool {
	return l.By == other.By && l.Shared == other.Shared && l.Successes == other.Successes && l.SuccessesOnly == other.SuccessesOnly
}

const (
	minWindow    = time.Second
	maxWindow    = 24 * time.Hour
	maxPerSecond = 1000
)

// Limits returns the limits of a field, in the order of the schema. Only root fields have any. Nobody changes
// what it returns. It runs on every field that has a rule: one map lookup, no allocation.
func (p *Policy) Limits(typeName, field string) []Limit {
	return p.limits[fieldKey{typeName, field}]
}

// readLimits reads the limits of the root fields, and refuses them on any others.
func (c *compiler) readLimits() {
	c.limits = map[fieldKey][]Limit{}
	roots := c.roots()
	for _, def := range c.types {
		if def.Kind != ast.Object {
			continue
		}
		for _, field := range def.Fields {
			for _, d := range field.Directives.ForNames(limitDirective) {
				c.readLimit(def, field, d, slices.Contains(roots, def))
			}
		}
	}
}

func (c *compiler) readLimit(def *ast.Definition, field *ast.FieldDefinition, d *ast.Directive, root bool) {
	key := fieldKey{def.Name, field.Name}
	refuse := func(problem, fix string) { c.addError(d.Position, def.Name+"."+field.Name, problem, fix) }
	if !root {
		refuse("carries @limit, which is enforced on root fields only", "write it on the field of Query or Mutation that leads here")
		return
	}
	limit := Limit{
		By: c.rawValue(d, byArgument), Successes: c.rawValue(d, successesArgument) == "true",
		SuccessesOnly: c.rawValue(d, failuresArgument) == "false", Shared: c.rawValue(d, sharedArgument),
	}
	if by := c.value(d, byArgument); by == nil || by.Kind != ast.EnumValue || !slices.Contains(limitKeys, by.Raw) {
		refuse(fmt.Sprintf("is limited by %s, which is no LimitKey", by), "write one of "+strings.Join(limitKeys, ", "))
		return
	}
	if slices.ContainsFunc(c.limits[key], limit.sharesCounter) {
		refuse(fmt.Sprintf("is limited by %s more than once", limit.By), "keep one")
	}
	if limit.SuccessesOnly && !limit.Successes {
		refuse("is limited, and counts neither successes nor failures", "write successes: true, or leave failures out")
	}
	if shared := c.value(d, sharedArgument); shared != nil && shared.Kind != ast.NullValue && (shared.Kind != ast.StringValue || shared.Raw == "") {
		refuse(fmt.Sprintf("shares a count as %s, which is no name", shared), `write a name, as in shared: "password"`)
	}
	if limit.By == BySession && !c.identifiesSession(field) {
		refuse("is limited by SESSION, but nothing says which session", "gate it by @auth, or let it take a refreshToken: String")
	}
	if (limit.By == ByAccount || limit.By == ByAccountAndAddress) && !c.identifiesAccount(field) {
		refuse(fmt.Sprintf("is limited by %s, but nothing says which account", limit.By),
			"gate it by @auth, or let it take an email: String!, itself or in its input, or the token: String! of a mail")
	}
	for _, name := range []string{successesArgument, failuresArgument} {
		if value := c.value(d, name); value != nil && value.Kind != ast.BooleanValue {
			refuse(fmt.Sprintf("says %s: %s", name, value), "write true or false")
		}
	}
	var wrong string
	if limit.Window, wrong = parseWindow(c.value(d, windowArgument)); wrong != "" {
		refuse(wrong, `write "1s" to "24h", as in "15m"`)
	} else if limit.Count, wrong = parseCount(c.value(d, countArgument), limit.Window); wrong != "" {
		refuse(wrong, "write how many, 1 at least, and 1,000 a second at most")
	}
	c.checkShared(limit, refuse)
	c.limits[key] = append(c.limits[key], limit)
}

// checkShared refuses a shared limit of another rate than the ones before it: one count has one rate. It names the field that
// has the other rate, which may be the one that was changed.
func (c *compiler) checkShared(limit Limit, refuse func(problem, fix string)) {
	if limit.Shared == "" {
		return
	}
	var others []string
	for key, limits := range c.limits {
		if slices.ContainsFunc(limits, limit.conflictsWith) {
			others = append(others, key.typeName+"."+key.field)
		}
	}
	if len(others) > 0 {
		refuse(fmt.Sprintf("shares the count %q by %s with %s, which has another rate", limit.Shared, limit.By, slices.Min(others)),
			"write the same count and window on all fields that share it")
	}
}

// conflictsWith reports whether two limits share a count and give it different rates.
func (l Limit) conflictsWith(other Limit) bool {
	return l.sharesCounter(other) && (l.Count != other.Count || l.Window != other.Window)
}

// identifiesSession reports whether the code behind @limit can tell which session an execution is about: the signed-in one, or
// that of the refresh token, which a credential field without arguments takes from the cookie.
func (c *compiler) identifiesSession(field *ast.FieldDefinition) bool {
	token := field.Arguments.ForName("refreshToken")
	cookie := len(field.Arguments) == 0 && field.Directives.ForName(credentialDirective) != nil
	return c.rulesOn(field).auth != nil || cookie || token != nil && token.Type.Name() == "String" && token.Type.Elem == nil
}

func parseWindow(v *ast.Value) (d time.Duration, wrong string) {
	if v != nil && (v.Kind == ast.StringValue || v.Kind == ast.BlockValue) {
		d, err := time.ParseDuration(v.Raw)
		if err == nil && d >= minWindow && d <= maxWindow {
			return d, ""
		}
	}
	return 0, fmt.Sprintf("is limited per %s, which is no window", v)
}

func parseCount(v *ast.Value, window time.Duration) (n int, wrong string) {
	if v != nil && v.Kind == ast.IntValue {
		n, err := strconv.Atoi(v.Raw)
		if err == nil && n >= 1 && n <= maxPerSecond*int(window/time.Second) {
			return n, ""
		}
	}
	return 0, fmt.Sprintf("is limited to %s, which is no count", v)
}

// identifiesAccount reports whether the code behind @limit can tell which account an execution is about: the signed-in
// person's, or else the one with the address that the field is given, or of the mail's token that it is given.
func (c *compiler) identifiesAccount(field *ast.FieldDefinition) bool {
	if c.rulesOn(field).auth != nil { // one that only reports lets those through who have no account
		return true
	}
	for _, name := range []string{"email", "token"} {
		if arg := field.Arguments.ForName(name); arg != nil {
			return arg.Type.String() == "String!"
		}
	}
	input := field.Arguments.ForName("input")
	if input == nil || !input.Type.NonNull || input.Type.Elem != nil {
		return false
	}
	def := c.schema.Types[input.Type.Name()]
	if def == nil || def.Kind != ast.InputObject {
		return false
	}
	email := def.Fields.ForName("email")
	return email != nil && email.Type.String() == "String!"
}

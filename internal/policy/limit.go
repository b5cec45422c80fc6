package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// The values of enum LimitKey: what executions are counted by.
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

// Limit is one @limit of a root field.
type Limit struct {
	By            string // ByAddress, ByAccountAndAddress, ByAccount or BySession
	Count         int
	Window        time.Duration
	Successes     bool // counts executions that succeed too
	SuccessesOnly bool // does not count executions that fail
	// The name of a count that several fields share; "" for the field's own count.
	Shared string
}

// Scope returns the first parts of an execution's key, besides By. Limits with the same scope share
// a count.
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

// sharesCounter reports whether two limits of one field, or two shared limits, use the same count.
func (l Limit) sharesCounter(other Limit) bool {
	return l.By == other.By && l.Shared == other.Shared &&
		l.Successes == other.Successes && l.SuccessesOnly == other.SuccessesOnly
}

const (
	minWindow    = time.Second
	maxWindow    = 24 * time.Hour
	maxPerSecond = 1000
)

// Limits returns the limits of a root field, in the schema's order. Callers must not change the
// result. Limits runs for every field that has a rule: it is one map lookup and does not allocate.
func (p *Policy) Limits(typeName, field string) []Limit {
	return p.limits[fieldKey{typeName, field}]
}

// readLimits reads the limits of root fields, and reports limits on other fields.
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
	fail := func(problem, fix string) { c.addError(d.Position, def.Name+"."+field.Name, problem, fix) }
	if !root {
		fail("has @limit, which is enforced on root fields only",
			"write it on the field of Query or Mutation that leads here")
		return
	}
	limit := Limit{
		By: c.rawValue(d, byArgument), Successes: c.rawValue(d, successesArgument) == "true",
		SuccessesOnly: c.rawValue(d, failuresArgument) == "false", Shared: c.rawValue(d, sharedArgument),
	}
	if by := c.value(d, byArgument); by == nil || by.Kind != ast.EnumValue || !slices.Contains(limitKeys, by.Raw) {
		fail(fmt.Sprintf("has @limit(by: %s), which is not a LimitKey", by),
			"write one of "+strings.Join(limitKeys, ", "))
		return
	}
	if slices.ContainsFunc(c.limits[key], limit.sharesCounter) {
		fail(fmt.Sprintf("has @limit(by: %s) more than once", limit.By), "keep one")
	}
	if limit.SuccessesOnly && !limit.Successes {
		fail("has @limit that counts neither successes nor failures",
			"write successes: true, or remove failures: false")
	}
	shared := c.value(d, sharedArgument)
	if shared != nil && shared.Kind != ast.NullValue && (shared.Kind != ast.StringValue || shared.Raw == "") {
		fail(fmt.Sprintf("has @limit(shared: %s), which is not a name", shared),
			`write a name, as in shared: "password"`)
	}
	if limit.By == BySession && !c.identifiesSession(field) {
		fail("has @limit(by: SESSION), but nothing identifies the session",
			"add @auth, or an argument refreshToken: String")
	}
	if (limit.By == ByAccount || limit.By == ByAccountAndAddress) && !c.identifiesAccount(field) {
		fail(fmt.Sprintf("has @limit(by: %s), but nothing identifies the account", limit.By),
			"add @auth, an email: String! as argument or input field, or the token: String! of a mail as argument")
	}
	for _, name := range []string{successesArgument, failuresArgument} {
		if value := c.value(d, name); value != nil && value.Kind != ast.BooleanValue {
			fail(fmt.Sprintf("has @limit(%s: %s), which is not a Boolean", name, value), "write true or false")
		}
	}
	var problem string
	if limit.Window, problem = parseWindow(c.value(d, windowArgument)); problem != "" {
		fail(problem, `write a duration from "1s" to "24h", as in "15m"`)
	} else if limit.Count, problem = parseCount(c.value(d, countArgument), limit.Window); problem != "" {
		fail(problem, "write a number of at least 1, and at most 1,000 per second of the window")
	}
	c.checkShared(limit, fail)
	c.limits[key] = append(c.limits[key], limit)
}

// checkShared rejects a shared limit with another rate than earlier ones, because one count has one
// rate. The error names the field with the other rate, which may be the one that was changed.
func (c *compiler) checkShared(limit Limit, fail func(problem, fix string)) {
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
		fail(fmt.Sprintf("has @limit(by: %s, shared: %q) with another rate than %s", limit.By,
			limit.Shared, slices.Min(others)),
			"write the same count and window on all fields that share it")
	}
}

// conflictsWith reports whether two limits share a count and give it different rates.
func (l Limit) conflictsWith(other Limit) bool {
	return l.sharesCounter(other) && (l.Count != other.Count || l.Window != other.Window)
}

// identifiesSession reports whether the limiter can determine the session of an execution: the
// signed-in one, or that of the refresh token. A credential field without arguments reads the
// refresh token from the cookie.
func (c *compiler) identifiesSession(field *ast.FieldDefinition) bool {
	token := field.Arguments.ForName("refreshToken")
	cookie := len(field.Arguments) == 0 && field.Directives.ForName(credentialDirective) != nil
	return c.rulesOn(field).auth != nil || cookie ||
		token != nil && token.Type.Name() == "String" && token.Type.Elem == nil
}

func parseWindow(v *ast.Value) (d time.Duration, problem string) {
	if v != nil && (v.Kind == ast.StringValue || v.Kind == ast.BlockValue) {
		d, err := time.ParseDuration(v.Raw)
		if err == nil && d >= minWindow && d <= maxWindow {
			return d, ""
		}
	}
	return 0, fmt.Sprintf("has @limit(window: %s), which is not a valid window", v)
}

func parseCount(v *ast.Value, window time.Duration) (n int, problem string) {
	if v != nil && v.Kind == ast.IntValue {
		n, err := strconv.Atoi(v.Raw)
		if err == nil && n >= 1 && n <= maxPerSecond*int(window/time.Second) {
			return n, ""
		}
	}
	return 0, fmt.Sprintf("has @limit(count: %s), which is not a valid count", v)
}

// secondFactorInput is the input of the field that completes a sign-in.
const secondFactorInput = "SecondFactorInput"

// identifiesAccount reports whether the limiter can determine the account of an execution: the
// signed-in user's, or that of the e-mail address, the mail token or the challenge in the
// arguments.
func (c *compiler) identifiesAccount(field *ast.FieldDefinition) bool {
	if c.rulesOn(field).auth != nil { // a report-only rule also admits requests without an account
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
	if def.Name == secondFactorInput { // its challenge, or the one in the cookie
		return true
	}
	email := def.Fields.ForName("email")
	return email != nil && email.Type.String() == "String!"
}

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
)

var limitKeys = []string{ByAddress, ByAccountAndAddress, ByAccount}

const (
	byArgument        = "by"
	countArgument     = "count"
	windowArgument    = "window"
	successesArgument = "successes"
)

// Limit is one @limit of a root field: how many executions, per what window, and what they are counted by.
type Limit struct {
	By        string // ByAddress, ByAccountAndAddress or ByAccount
	Count     int
	Window    time.Duration
	Successes bool // executions that succeed are counted too
}

const (
	shortestWindow = time.Second
	longestWindow  = 24 * time.Hour
	mostASecond    = 1000
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
	refuse := func(problem, fix string) { c.refuse(d.Position, def.Name+"."+field.Name, problem, fix) }
	if !root {
		refuse("carries @limit, which is enforced on root fields only", "write it on the field of Query or Mutation that leads here")
		return
	}
	limit := Limit{By: c.rawValue(d, byArgument), Successes: c.rawValue(d, successesArgument) == "true"}
	if by := c.value(d, byArgument); by == nil || by.Kind != ast.EnumValue || !slices.Contains(limitKeys, by.Raw) {
		refuse(fmt.Sprintf("is limited by %s, which is no LimitKey", by), "write one of "+strings.Join(limitKeys, ", "))
		return
	}
	if slices.ContainsFunc(c.limits[key], func(other Limit) bool { return other.By == limit.By }) {
		refuse(fmt.Sprintf("is limited by %s more than once", limit.By), "keep one")
	}
	if limit.By != ByAddress && !c.namesAccount(field) {
		refuse(fmt.Sprintf("is limited by %s, but nothing says which account", limit.By),
			"gate it by @auth, or let it take an email: String!, itself or in its input")
	}
	if successes := c.value(d, successesArgument); successes != nil && successes.Kind != ast.BooleanValue {
		refuse(fmt.Sprintf("says successes: %s", successes), "write true or false")
	}
	var wrong string
	if limit.Window, wrong = window(c.value(d, windowArgument)); wrong != "" {
		refuse(wrong, `write "1s" to "24h", as in "15m"`)
	} else if limit.Count, wrong = count(c.value(d, countArgument), limit.Window); wrong != "" {
		refuse(wrong, "write how many, 1 at least, and 1,000 a second at most")
	}
	c.limits[key] = append(c.limits[key], limit)
}

func window(v *ast.Value) (d time.Duration, wrong string) {
	if v != nil && (v.Kind == ast.StringValue || v.Kind == ast.BlockValue) {
		d, err := time.ParseDuration(v.Raw)
		if err == nil && d >= shortestWindow && d <= longestWindow {
			return d, ""
		}
	}
	return 0, fmt.Sprintf("is limited per %s, which is no window", v)
}

func count(v *ast.Value, window time.Duration) (n int, wrong string) {
	if v != nil && v.Kind == ast.IntValue {
		n, err := strconv.Atoi(v.Raw)
		if err == nil && n >= 1 && n <= mostASecond*int(window/time.Second) {
			return n, ""
		}
	}
	return 0, fmt.Sprintf("is limited to %s, which is no count", v)
}

// namesAccount reports whether the code behind @limit can tell which account an execution is about: the signed-in
// person's, or else the one with the address that the field is given.
func (c *compiler) namesAccount(field *ast.FieldDefinition) bool {
	if c.rulesOn(field).auth != nil { // one that only reports lets those through who have no account
		return true
	}
	if arg := field.Arguments.ForName("email"); arg != nil {
		return arg.Type.String() == "String!"
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

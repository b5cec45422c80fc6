package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/policy"
)

// sketch is a schema whose fields can be mutated one at a time.
type sketch []sketchField

type sketchField struct{ owner, name, typeName, rule string }

func (f sketchField) coordinate() string {
	owner, _, _ := strings.Cut(f.owner, " ")
	name, _, _ := strings.Cut(f.name, "(")
	return owner + "." + name
}

func (f sketchField) hasRule() bool { return f.rule != "" }
func (f sketchField) isGated() bool { return strings.HasPrefix(f.rule, "@auth") }
func (f sketchField) isRoot() bool  { return f.owner == "Query" || f.owner == "Mutation" }

func (s sketch) String() string {
	var text strings.Builder
	fmt.Fprintln(&text, "interface Actor { id: ID!  email: String }")
	for i, f := range s {
		if i == 0 || s[i-1].owner != f.owner {
			fmt.Fprintf(&text, "type %s {\n", f.owner)
		}
		fmt.Fprintf(&text, "  %s: %s %s\n", f.name, f.typeName, f.rule)
		if i == len(s)-1 || s[i+1].owner != f.owner {
			fmt.Fprintln(&text, "}")
		}
	}
	return text.String()
}

var validSketch = sketch{
	{"Query", "me", "User", "@auth"},
	{"Query", "user(id: ID!)", "User", "@auth(role: STAFF)"},
	{"Query", "hello", "String!", "@public"},
	{"Mutation", "login(name: String!)", "User", "@public"},
	{"Mutation", "disable(id: ID!)", "User", "@auth(role: ADMIN)"},
	{"User implements Actor", "id", "ID!", ""},
	{"User implements Actor", "email", "String", "@auth(role: STAFF, orOwner: true)"},
	{"User implements Actor", "disabled", "Boolean", "@auth(role: STAFF)"},
	{"Bot implements Actor", "id", "ID!", ""},
	{"Bot implements Actor", "email", "String", "@auth(role: STAFF, orOwner: true)"},
}

// mutation is one m to get a rule wrong.
type mutation struct {
	name       string
	applies    func(sketchField) bool
	mutate     func(*sketchField)
	reportedAt func(sketchField) string // nil for the field's own coordinate
}

var mutations = []mutation{
	{
		name:    "removed",
		applies: func(f sketchField) bool { return f.hasRule() && (f.isRoot() || f.name == "email") },
		mutate:  func(f *sketchField) { f.rule = "" },
	},
	{
		name:    "written twice",
		applies: sketchField.hasRule,
		mutate:  func(f *sketchField) { f.rule += " " + f.rule },
	},
	{
		name:    "combined with @public",
		applies: sketchField.isGated,
		mutate:  func(f *sketchField) { f.rule += " @public" },
	},
	{
		name:    "combined with @auth",
		applies: func(f sketchField) bool { return f.rule == "@public" },
		mutate:  func(f *sketchField) { f.rule += " @auth" },
	},
	{
		name:    "replaced by @public below the root",
		applies: func(f sketchField) bool { return f.isGated() && !f.isRoot() },
		mutate:  func(f *sketchField) { f.rule = "@public" },
	},
	{
		name:    "@public added to an open field",
		applies: func(f sketchField) bool { return !f.hasRule() },
		mutate:  func(f *sketchField) { f.rule = "@public" },
	},
	{
		name:    "moved to the argument",
		applies: func(f sketchField) bool { return strings.Contains(f.name, "(") },
		mutate:  func(f *sketchField) { f.name, f.rule = strings.Replace(f.name, ")", " "+f.rule+")", 1), "" },
		reportedAt: func(f sketchField) string {
			_, argument, _ := strings.Cut(f.name, "(")
			name, _, _ := strings.Cut(argument, ":")
			return f.coordinate() + "(" + name + ":)"
		},
	},
	{
		name:    "requiring an unknown role",
		applies: sketchField.isGated,
		mutate:  func(f *sketchField) { f.rule = "@auth(role: WIZARD)" },
	},
	{
		name:    "on a non-null field",
		applies: func(f sketchField) bool { return f.isGated() && f.name != "email" },
		mutate:  func(f *sketchField) { f.typeName += "!" },
	},
	{
		name:    "admitting the owner of a root field",
		applies: func(f sketchField) bool { return f.isGated() && f.isRoot() },
		mutate:  func(f *sketchField) { f.rule = "@auth(orOwner: true)" },
	},
	{
		name:    "weaker than the other implementor's",
		applies: func(f sketchField) bool { return f.name == "email" },
		mutate:  func(f *sketchField) { f.rule = "@auth(orOwner: true)" },
		// The first implementor is the reference, mutated or not.
		reportedAt: func(sketchField) string { return "Bot.email" },
	},
}

func TestSketchCompiles(t *testing.T) {
	compile(t, declarations, validSketch.String())
}

// Each mutation of each rule of a valid schema is rejected. The error names the place.
func TestEveryMutatedRuleIsRejected(t *testing.T) {
	for _, m := range mutations {
		applied := false
		for i, field := range validSketch {
			if !m.applies(field) {
				continue
			}
			applied = true
			t.Run(field.coordinate()+" "+m.name, func(t *testing.T) {
				mutated := slices.Clone(validSketch)
				m.mutate(&mutated[i])
				want := field.coordinate()
				if m.reportedAt != nil {
					want = m.reportedAt(field)
				}
				requireErrorAt(t, mutated.String(), want)
			})
		}
		if !applied {
			t.Errorf("no field for the mutation %q", m.name)
		}
	}
}

// A rule on the type guards none of its fields.
func TestEveryRuleMovedToItsTypeIsRejected(t *testing.T) {
	for i, field := range validSketch {
		if !field.hasRule() {
			continue
		}
		t.Run(field.coordinate(), func(t *testing.T) {
			mutated := slices.Clone(validSketch)
			for j := range mutated {
				if mutated[j].owner == field.owner {
					mutated[j].owner += " " + field.rule
				}
			}
			mutated[i].rule = ""
			owner, _, _ := strings.Cut(field.owner, " ")
			requireErrorAt(t, mutated.String(), "type "+owner)
			if field.isRoot() {
				requireErrorAt(t, mutated.String(), field.coordinate())
			}
		})
	}
}

// requireErrorAt compiles with wideDeclarations, because gqlparser itself rejects half of the
// schemas otherwise.
func requireErrorAt(t *testing.T, schema, coordinate string) {
	t.Helper()
	_, err := policy.Compile(load(t, wideDeclarations, schema))
	for _, v := range ruleErrors(t, err) {
		if v.Coordinate == coordinate && v.File == "schema.graphqls" {
			return
		}
	}
	t.Errorf("no error at %s in\\n%s\\ngot\\n%v", coordinate, schema, err)
}

func TestEveryMutatedIncludesIsRejected(t *testing.T) {
	for _, test := range []struct{ name, from, to, want string }{
		{"STAFF without @includes", "STAFF @includes(roles: [USER])", "STAFF", "Role.STAFF"},
		{"ADMIN without @includes", "ADMIN @includes(roles: [STAFF])", "ADMIN", "Role.ADMIN"},
		{"USER includes STAFF", "  USER\n  STAFF @includes(roles: [USER])", "  USER @includes(roles: [STAFF])\n  STAFF", "Role.STAFF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := policy.Compile(load(t, mustReplace(declarations, test.from, test.to), hello))
			if got := ruleErrors(t, err); len(got) != 1 || got[0].Coordinate != test.want {
				t.Errorf("got %v, want one error at %s", err, test.want)
			}
		})
	}
}

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// declaration is the declaration of a directive that this package and the code behind the directive
// expect.
type declaration struct {
	name     string
	args     []argument // the schema chooses their defaults
	location ast.DirectiveLocation
	text     string

	optional   bool // the schema may omit the directive
	repeatable bool // allowed more than once on a field
}

type argument struct {
	name, typeName string
	optional       bool // the schema may omit it, as schemas did before the argument existed
}

var declarations = []declaration{
	{
		name: authDirective,
		args: []argument{
			{name: roleArgument, typeName: "Role!"},
			{name: orOwnerArgument, typeName: "Boolean!"},
			{name: reportOnlyArgument, typeName: "Boolean!"},
			{name: maxAgeArgument, typeName: "String", optional: true},
			{name: mfaArgument, typeName: "MfaRequirement!", optional: true},
		},
		location: ast.LocationFieldDefinition,
		text: "directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false, maxAge: String, " +
			"mfa: MfaRequirement! = NO) " +
			"repeatable on FIELD_DEFINITION",
		repeatable: true,
	},
	{
		name:     publicDirective,
		location: ast.LocationFieldDefinition,
		text:     "directive @public on FIELD_DEFINITION",
	},
	{
		name:     includesDirective,
		args:     []argument{{name: rolesArgument, typeName: "[Role!]!"}},
		location: ast.LocationEnumValue,
		text:     "directive @includes(roles: [Role!]!) on ENUM_VALUE",
	},
	{
		name: limitDirective,
		args: []argument{
			{name: byArgument, typeName: "LimitKey!"},
			{name: countArgument, typeName: "Int!"},
			{name: windowArgument, typeName: "String!"},
			{name: successesArgument, typeName: "Boolean!"},
			{name: failuresArgument, typeName: "Boolean!", optional: true},
			{name: sharedArgument, typeName: "String", optional: true},
		},
		location: ast.LocationFieldDefinition,
		text: "directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false, " +
			"failures: Boolean! = true, shared: String) repeatable on FIELD_DEFINITION",
		optional:   true,
		repeatable: true,
	},
	{
		name:     credentialDirective,
		location: ast.LocationFieldDefinition,
		text:     "directive @credential on FIELD_DEFINITION",
		optional: true,
	},
}

// checkDeclarations rejects a directive that is missing. It also rejects one whose declaration
// allows it where nothing enforces it, twice in one place, or with an argument that nothing reads.
func (c *compiler) checkDeclarations() {
	for _, want := range declarations {
		have := c.schema.Directives[want.name]
		if have == nil && want.optional {
			continue
		}
		if have == nil {
			c.addError(nil, "@"+want.name, "is not declared", "write "+want.text)
			continue
		}
		for _, problem := range append(want.compareLocations(have), want.compareArguments(have)...) {
			c.addError(have.Position, "@"+want.name, problem, "write "+want.text)
		}
	}
}

func (want declaration) compareLocations(have *ast.DirectiveDefinition) (problems []string) {
	if !slices.Equal(have.Locations, []ast.DirectiveLocation{want.location}) {
		problems = append(problems,
			fmt.Sprintf("is declared on %s but is enforced on %s only", locations(have), want.location))
	}
	if have.IsRepeatable && !want.repeatable {
		problems = append(problems, "is declared repeatable but is allowed once only")
	}
	return problems
}

func (want declaration) compareArguments(have *ast.DirectiveDefinition) (problems []string) {
	for _, arg := range want.args {
		switch def := have.Arguments.ForName(arg.name); {
		case def == nil && arg.optional:
		case def == nil:
			problems = append(problems, fmt.Sprintf("has no argument %s: %s", arg.name, arg.typeName))
		case def.Type.String() != arg.typeName:
			problems = append(problems,
				fmt.Sprintf("has the argument %s: %s instead of %s", arg.name, def.Type, arg.typeName))
		}
	}
	for _, def := range have.Arguments {
		if !slices.ContainsFunc(want.args, func(arg argument) bool { return arg.name == def.Name }) {
			problems = append(problems, fmt.Sprintf("has the unknown argument %s", def.Name))
		}
	}
	return problems
}

// locations formats the locations of a declaration as in the schema: "FIELD_DEFINITION | OBJECT".
func locations(def *ast.DirectiveDefinition) string {
	names := make([]string, len(def.Locations))
	for i, location := range def.Locations {
		names[i] = string(location)
	}
	return strings.Join(names, " | ")
}

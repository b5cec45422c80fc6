package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// site is a location in the schema where a directive can be written.
type site struct {
	coordinate string
	directives ast.DirectiveList
	allowed    []string // the directives that are enforced here
	fix        string   // where to write a rule that is not enforced here
}

const onTheField = "write it on the field that takes or returns it"

// typeKeywords maps the kinds of types to the keywords of their declarations.
var typeKeywords = map[ast.DefinitionKind]string{
	ast.Scalar:      "scalar",
	ast.Object:      "type",
	ast.Interface:   "interface",
	ast.Union:       "union",
	ast.Enum:        "enum",
	ast.InputObject: "input",
}

// sites returns every location of the schema, not only those of the directives' declarations.
// gqlparser rejects directives in other locations only as long as the declarations are not widened.
func (c *compiler) sites() []site {
	sites := []site{{coordinate: "schema", directives: c.schema.SchemaDirectives, fix: "write it on each root field"}}
	for _, def := range c.types {
		sites = append(sites, siteOfType(def))
		sites = append(sites, sitesOfFields(def)...)
		sites = append(sites, sitesOfValues(def)...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.schema.Directives)) {
		sites = append(sites, sitesOfArguments("@"+name, c.schema.Directives[name].Arguments)...)
	}
	return sites
}

func siteOfType(def *ast.Definition) site {
	at := site{coordinate: typeKeywords[def.Kind] + " " + def.Name, directives: def.Directives, fix: onTheField}
	switch def.Kind {
	case ast.Object:
		at.fix = "write it on each field of the type that needs it"
	case ast.Interface:
		at.fix = "write it on the fields of every type that implements " + def.Name
	}
	return at
}

func sitesOfFields(def *ast.Definition) (sites []site) {
	for _, field := range def.Fields {
		at := site{coordinate: def.Name + "." + field.Name, directives: field.Directives, fix: onTheField}
		switch def.Kind {
		case ast.Object:
			at.allowed = []string{authDirective, publicDirective, limitDirective, credentialDirective}
		case ast.Interface:
			at.fix = fmt.Sprintf("write it on %s of every type that implements %s", field.Name, def.Name)
		}
		sites = append(sites, at)
		sites = append(sites, sitesOfArguments(at.coordinate, field.Arguments)...)
	}
	return sites
}

func sitesOfValues(def *ast.Definition) (sites []site) {
	for _, value := range def.EnumValues {
		at := site{coordinate: def.Name + "." + value.Name, directives: value.Directives, fix: onTheField}
		if def.Name == roleEnum {
			at.allowed = []string{includesDirective}
		}
		sites = append(sites, at)
	}
	return sites
}

func sitesOfArguments(owner string, args ast.ArgumentDefinitionList) (sites []site) {
	for _, arg := range args {
		sites = append(sites, site{
			coordinate: fmt.Sprintf("%s(%s:)", owner, arg.Name),
			directives: arg.Directives,
			fix:        onTheField,
		})
	}
	return sites
}

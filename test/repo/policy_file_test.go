package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"fieldgate/graph"
	"fieldgate/internal/policy"
)

// TestPermissionsFileIsCurrent checks PERMISSIONS.md, which shows every change of the policy in
// review. Schema files count before the code is generated from them, too.
func TestPermissionsFileIsCurrent(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("PERMISSIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, schema := range map[string]*ast.Schema{
		"the schema files":   validateSchema(t, parseSchema(t, schemaText(t))),
		"the generated code": graph.Schema(),
	} {
		rules, err := policy.Compile(schema)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var want strings.Builder
		if err := rules.WriteMarkdown(&want); err != nil {
			t.Fatal(err)
		}
		// A product's own files can be in another order in the generated code.
		if lines := diffLines(string(file), want.String()); lines != "" {
			t.Errorf("PERMISSIONS.md is not what go generate ./... writes for %s:\n%s", name, lines)
		}
	}
}

// diffLines returns the lines that only one of two texts has.
func diffLines(was, is string) string {
	var b strings.Builder
	for sign, pair := range map[string][2]string{"-": {was, is}, "+": {is, was}} {
		other := slices.Collect(strings.Lines(pair[1]))
		for line := range strings.Lines(pair[0]) {
			if !slices.Contains(other, line) {
				b.WriteString(sign + line)
			}
		}
	}
	return b.String()
}

// schemaField is a field of the schema that mutations change.
type schemaField struct {
	document *ast.SchemaDocument
	def      *ast.Definition
	field    *ast.FieldDefinition
}

// coordinate is the name of the field in errors.
func (s schemaField) coordinate() string { return s.def.Name + "." + s.field.Name }

func (s schemaField) isRoot() bool { return s.def.Name == "Query" || s.def.Name == "Mutation" }

func (s schemaField) rule() *ast.Directive {
	for _, d := range s.field.Directives {
		if d.Name == "auth" || d.Name == "public" {
			return d
		}
	}
	return nil
}

// nextField returns the next field of the type, or the first after the last.
func (s schemaField) nextField() *ast.FieldDefinition {
	fields := slices.DeleteFunc(slices.Clone(s.def.Fields), func(f *ast.FieldDefinition) bool { return strings.HasPrefix(f.Name, "__") })
	return fields[(slices.Index(fields, s.field)+1)%len(fields)]
}

func (s schemaField) remove(d *ast.Directive) {
	s.field.Directives = slices.DeleteFunc(s.field.Directives, func(other *ast.Directive) bool { return other == d })
}

func (s schemaField) replace(d *ast.Directive, by ...*ast.Directive) {
	at := slices.Index(s.field.Directives, d)
	s.field.Directives = slices.Replace(s.field.Directives, at, at+1, by...)
}

func (s schemaField) role() string {
	if s.rule() == nil || s.rule().Name != "auth" {
		return ""
	}
	if arg := s.rule().Arguments.ForName("role"); arg != nil {
		return arg.Value.Raw
	}
	return "USER"
}

// authRule returns an @auth directive. args are argument names and values in turn.
func authRule(args ...string) *ast.Directive {
	d := &ast.Directive{Name: "auth"}
	for i := 0; i < len(args); i += 2 {
		setArgument(d, args[i], args[i+1])
	}
	return d
}

func setArgument(d *ast.Directive, name, raw string) {
	kind := ast.EnumValue
	if raw == "true" || raw == "false" {
		kind = ast.BooleanValue
	}
	d.Arguments = slices.DeleteFunc(d.Arguments, func(a *ast.Argument) bool { return a.Name == name })
	d.Arguments = append(d.Arguments, &ast.Argument{Name: name, Value: &ast.Value{Raw: raw, Kind: kind}})
}

// schemaMutation is one way to remove, weaken or misplace a rule.
type schemaMutation struct {
	name      string
	appliesTo func(schemaField) bool
	apply     func(schemaField)
}

// expectedName returns what the error must contain. A rule that was moved away from a field of an
// object type is reported by its new place.
func (m schemaMutation) expectedName(s schemaField) string {
	if s.isRoot() || !strings.HasPrefix(m.name, "moved") {
		return s.coordinate()
	}
	return "@"
}

func (s schemaField) hasRule() bool { return s.rule() != nil }
func (s schemaField) isGated() bool { return s.role() != "" }

var schemaMutations = []schemaMutation{
	{"no rule", schemaField.isRoot, func(s schemaField) { s.remove(s.rule()) }},
	{"@auth instead of @public", func(s schemaField) bool { return s.hasRule() && !s.isGated() }, func(s schemaField) { s.replace(s.rule(), authRule()) }},
	{"an additional @public", schemaField.isGated, func(s schemaField) { s.field.Directives = append(s.field.Directives, &ast.Directive{Name: "public"}) }},
	{"an additional weaker @auth", func(s schemaField) bool { return s.isGated() && s.role() != "USER" }, func(s schemaField) { s.replace(s.rule(), authRule(), s.rule()) }},
	{"a non-null field", schemaField.isGated, func(s schemaField) { s.field.Type.NonNull = true }},
	{"moved to the type", schemaField.hasRule, func(s schemaField) {
		s.def.Directives = append(s.def.Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to an argument", func(s schemaField) bool { return s.hasRule() && len(s.field.Arguments) > 0 }, func(s schemaField) {
		s.field.Arguments[0].Directives = append(s.field.Arguments[0].Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to its input type", func(s schemaField) bool { return s.hasRule() && s.inputType() != nil }, func(s schemaField) {
		s.inputType().Directives = append(s.inputType().Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to a field of its input type", func(s schemaField) bool { return s.hasRule() && s.inputType() != nil }, func(s schemaField) {
		first := s.inputType().Fields[0]
		first.Directives = append(first.Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to an extension of the type", schemaField.hasRule, func(s schemaField) {
		s.document.Extensions = append(s.document.Extensions, &ast.Definition{
			Kind: ast.Object, Name: s.def.Name, Directives: ast.DirectiveList{s.rule()}, Position: s.def.Position,
		})
		s.remove(s.rule())
	}},
	{"moved to the schema", schemaField.hasRule, func(s schemaField) {
		s.document.SchemaExtension = append(s.document.SchemaExtension, &ast.SchemaDefinition{
			Directives: ast.DirectiveList{s.rule()}, Position: s.def.Position,
		})
		s.remove(s.rule())
	}},
	{"moved to the role that it requires", schemaField.isGated, func(s schemaField) {
		role := s.document.Definitions.ForName("Role").EnumValues.ForName(s.role())
		role.Directives = append(role.Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to its output type", func(s schemaField) bool { return s.hasRule() && s.outputType() != nil }, func(s schemaField) {
		s.outputType().Directives = append(s.outputType().Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to the next field", schemaField.hasRule, func(s schemaField) {
		s.nextField().Directives = append(s.nextField().Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to an interface", func(s schemaField) bool { return s.hasRule() && !s.isRoot() }, func(s schemaField) {
		above := *s.field
		above.Directives = ast.DirectiveList{s.rule()}
		s.remove(s.rule())
		s.addInterface(&ast.Definition{Kind: ast.Interface, Name: "Above", Fields: ast.FieldList{&above}, Position: s.def.Position})
	}},
	{"moved to an interface as a whole", func(s schemaField) bool { return s.hasRule() && !s.isRoot() }, func(s schemaField) {
		above, rule := *s.field, s.rule()
		s.remove(rule)
		above.Directives = nil
		s.addInterface(&ast.Definition{
			Kind: ast.Interface, Name: "Above", Fields: ast.FieldList{&above}, Directives: ast.DirectiveList{rule}, Position: s.def.Position,
		})
	}},
	{"moved to a union", func(s schemaField) bool { return s.hasRule() && !s.isRoot() }, func(s schemaField) {
		s.document.Definitions = append(s.document.Definitions, &ast.Definition{
			Kind: ast.Union, Name: "Any", Types: []string{s.def.Name}, Directives: ast.DirectiveList{s.rule()}, Position: s.def.Position,
		})
		s.remove(s.rule())
	}},
	{"no directives", schemaField.isRoot, func(s schemaField) { s.field.Directives = nil }},
}

// addInterface makes the type implement an interface.
func (s schemaField) addInterface(above *ast.Definition) {
	s.document.Definitions = append(s.document.Definitions, above)
	s.def.Interfaces = append(s.def.Interfaces, above.Name)
}

// inputType returns the input type of the field's first argument, or nil.
func (s schemaField) inputType() *ast.Definition {
	if len(s.field.Arguments) > 0 {
		if def := s.document.Definitions.ForName(s.field.Arguments[0].Type.Name()); def != nil && def.Kind == ast.InputObject {
			return def
		}
	}
	return nil
}

func (s schemaField) outputType() *ast.Definition {
	if def := s.document.Definitions.ForName(s.field.Type.Name()); def != nil && def != s.def {
		return def
	}
	return nil
}

// TestBrokenRuleOfTheSchemaDoesNotCompile removes, contradicts and misplaces each rule in every
// way. The error must name the field, or the type of a misplaced rule.
func TestBrokenRuleOfTheSchemaDoesNotCompile(t *testing.T) {
	t.Parallel()
	text, applied := schemaText(t), map[string]int{}
	rules, err := policy.Compile(validateSchema(t, parseSchema(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Rules() {
		for _, m := range schemaMutations {
			s := findField(t, parseSchema(t, text), rule.Coordinate())
			if !m.appliesTo(s) {
				continue
			}
			m.apply(s)
			applied[m.name]++
			if _, err := policy.Compile(validateSchema(t, s.document)); err == nil || !strings.Contains(err.Error(), m.expectedName(s)) {
				t.Errorf("%s, %s: got %v", rule.Coordinate(), m.name, err)
			}
		}
	}
	for _, m := range schemaMutations {
		if applied[m.name] == 0 {
			t.Errorf("%s applies to no field", m.name)
		}
	}
}

func TestBrokenRoleOrDirectiveDoesNotCompile(t *testing.T) {
	t.Parallel()
	text := schemaText(t)
	for _, row := range []struct{ name, was, is, named string }{
		{"STAFF does not include USER", "STAFF @includes(roles: [USER])", "STAFF", "Role.STAFF"},
		{"ADMIN includes no role", "ADMIN @includes(roles: [STAFF])", "ADMIN", "Role.ADMIN"},
		{"STAFF includes ADMIN", "STAFF @includes(roles: [USER])", "STAFF @includes(roles: [USER, ADMIN])", "Role.STAFF"},
		{"STAFF includes ADMIN and not USER", "STAFF @includes(roles: [USER])\n", "STAFF @includes(roles: [ADMIN])\n", "Role.STAFF"},
		{"USER includes STAFF", "  USER\n", "  USER @includes(roles: [STAFF])\n", "Role.USER"},
		{"rules report only by default", "reportOnly: Boolean! = false", "reportOnly: Boolean! = true", "@auth(reportOnly:)"},
		{"@auth may stand on types", ") repeatable on FIELD_DEFINITION\n\n\"Requires no sign-in", ") repeatable on FIELD_DEFINITION | OBJECT\n\n\"Requires no sign-in", "@auth"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(text, row.was) != 1 {
				t.Fatalf("the schema has %q %d times, want once", row.was, strings.Count(text, row.was))
			}
			_, err := policy.Compile(validateSchema(t, parseSchema(t, strings.Replace(text, row.was, row.is, 1))))
			if err == nil || !strings.Contains(err.Error(), row.named) {
				t.Errorf("got %v, want an error that names %s", err, row.named)
			}
		})
	}
}

func parseSchema(t *testing.T, text string) *ast.SchemaDocument {
	t.Helper()
	document, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "schema.graphqls", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// validateSchema also accepts rules that are misplaced or repeated: gqlparser would reject them
// first, with an error that names only the line.
func validateSchema(t *testing.T, document *ast.SchemaDocument) *ast.Schema {
	t.Helper()
	schema, err := validator.ValidateSchemaDocument(document)
	if err == nil {
		return schema
	}
	for _, d := range document.Directives {
		if d.Name == "auth" || d.Name == "public" {
			d.IsRepeatable = true
			d.Locations = allLocations
		}
	}
	document.Extensions = nil // merged into the definitions
	schema, err = validator.ValidateSchemaDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// allLocations are all locations of directives in a schema.
var allLocations = []ast.DirectiveLocation{
	ast.LocationSchema, ast.LocationScalar, ast.LocationObject, ast.LocationFieldDefinition, ast.LocationArgumentDefinition, ast.LocationInterface,
	ast.LocationUnion, ast.LocationEnum, ast.LocationEnumValue, ast.LocationInputObject, ast.LocationInputFieldDefinition,
}

func findField(t *testing.T, document *ast.SchemaDocument, coordinate string) schemaField {
	t.Helper()
	typeName, name, _ := strings.Cut(coordinate, ".")
	for _, def := range slices.Concat(document.Definitions, document.Extensions) {
		if field := def.Fields.ForName(name); def.Name == typeName && field != nil {
			return schemaField{document, def, field}
		}
	}
	t.Fatalf("the schema has no %s", coordinate)
	return schemaField{}
}

func schemaText(t *testing.T) string {
	t.Helper()
	names := []string{"schema.graphqls", "graph/gqlgen.graphqls"}
	err := filepath.WalkDir("app", func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".graphqls" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(content)
		text.WriteString("\n")
	}
	return text.String()
}

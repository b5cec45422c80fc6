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

// PERMISSIONS.md shows every change of the policy in review. A schema file that the generated code does not have yet counts
// as well.
func TestPermissionsFileIsCurrent(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("PERMISSIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, schema := range map[string]*ast.Schema{
		"the schema files":   validated(t, parsed(t, schemaText(t))),
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
		// The order of files and that of the generated code differ where a product has files of its own.
		if lines := difference(string(file), want.String()); lines != "" {
			t.Errorf("PERMISSIONS.md is not what go generate ./... writes for %s:\n%s", name, lines)
		}
	}
}

// difference returns the lines that only one of two texts has.
func difference(was, is string) string {
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

// sitting is one field of the schema with what can be spoilt on it.
type sitting struct {
	document *ast.SchemaDocument
	def      *ast.Definition
	field    *ast.FieldDefinition
}

// coordinate is how an error names the field.
func (s sitting) coordinate() string { return s.def.Name + "." + s.field.Name }

func (s sitting) root() bool { return s.def.Name == "Query" || s.def.Name == "Mutation" }

func (s sitting) rule() *ast.Directive {
	for _, d := range s.field.Directives {
		if d.Name == "auth" || d.Name == "public" {
			return d
		}
	}
	return nil
}

// neighbour is the next field of the type, and of the last one the first.
func (s sitting) neighbour() *ast.FieldDefinition {
	fields := slices.DeleteFunc(slices.Clone(s.def.Fields), func(f *ast.FieldDefinition) bool { return strings.HasPrefix(f.Name, "__") })
	return fields[(slices.Index(fields, s.field)+1)%len(fields)]
}

func (s sitting) remove(d *ast.Directive) {
	s.field.Directives = slices.DeleteFunc(s.field.Directives, func(other *ast.Directive) bool { return other == d })
}

func (s sitting) replace(d *ast.Directive, by ...*ast.Directive) {
	at := slices.Index(s.field.Directives, d)
	s.field.Directives = slices.Replace(s.field.Directives, at, at+1, by...)
}

func (s sitting) role() string {
	if s.rule() == nil || s.rule().Name != "auth" {
		return ""
	}
	if arg := s.rule().Arguments.ForName("role"); arg != nil {
		return arg.Value.Raw
	}
	return "USER"
}

// authRule is an @auth with arguments as name and value in turn.
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
	name    string
	applies func(sitting) bool
	make    func(sitting)
}

// named is what the error must say: of a rule that was moved from a field of another type than Query or Mutation, that place is
// named.
func (m schemaMutation) named(s sitting) string {
	if s.root() || !strings.HasPrefix(m.name, "moved") {
		return s.coordinate()
	}
	return "@"
}

func (s sitting) ruled() bool { return s.rule() != nil }
func (s sitting) gated() bool { return s.role() != "" }

var schemaMutations = []schemaMutation{
	{"the rule removed", sitting.root, func(s sitting) { s.remove(s.rule()) }},
	{"@public made @auth", func(s sitting) bool { return s.ruled() && !s.gated() }, func(s sitting) { s.replace(s.rule(), authRule()) }},
	{"@public added", sitting.gated, func(s sitting) { s.field.Directives = append(s.field.Directives, &ast.Directive{Name: "public"}) }},
	{"a weaker @auth added", func(s sitting) bool { return s.gated() && s.role() != "USER" }, func(s sitting) { s.replace(s.rule(), authRule(), s.rule()) }},
	{"the field never null", sitting.gated, func(s sitting) { s.field.Type.NonNull = true }},
	{"moved to the type", sitting.ruled, func(s sitting) {
		s.def.Directives = append(s.def.Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to an argument", func(s sitting) bool { return s.ruled() && len(s.field.Arguments) > 0 }, func(s sitting) {
		s.field.Arguments[0].Directives = append(s.field.Arguments[0].Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to the input that it takes", func(s sitting) bool { return s.ruled() && s.takes() != nil }, func(s sitting) {
		s.takes().Directives = append(s.takes().Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to a field of the input that it takes", func(s sitting) bool { return s.ruled() && s.takes() != nil }, func(s sitting) {
		first := s.takes().Fields[0]
		first.Directives = append(first.Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to an extension of the type", sitting.ruled, func(s sitting) {
		s.document.Extensions = append(s.document.Extensions, &ast.Definition{
			Kind: ast.Object, Name: s.def.Name, Directives: ast.DirectiveList{s.rule()}, Position: s.def.Position,
		})
		s.remove(s.rule())
	}},
	{"moved to the schema", sitting.ruled, func(s sitting) {
		s.document.SchemaExtension = append(s.document.SchemaExtension, &ast.SchemaDefinition{
			Directives: ast.DirectiveList{s.rule()}, Position: s.def.Position,
		})
		s.remove(s.rule())
	}},
	{"moved to the role that it asks for", sitting.gated, func(s sitting) {
		role := s.document.Definitions.ForName("Role").EnumValues.ForName(s.role())
		role.Directives = append(role.Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to the type that it answers", func(s sitting) bool { return s.ruled() && s.answers() != nil }, func(s sitting) {
		s.answers().Directives = append(s.answers().Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to the next field", sitting.ruled, func(s sitting) {
		s.neighbour().Directives = append(s.neighbour().Directives, s.rule())
		s.remove(s.rule())
	}},
	{"moved to an interface", func(s sitting) bool { return s.ruled() && !s.root() }, func(s sitting) {
		above := *s.field
		above.Directives = ast.DirectiveList{s.rule()}
		s.remove(s.rule())
		s.standBehind(&ast.Definition{Kind: ast.Interface, Name: "Above", Fields: ast.FieldList{&above}, Position: s.def.Position})
	}},
	{"moved to an interface as a whole", func(s sitting) bool { return s.ruled() && !s.root() }, func(s sitting) {
		above, rule := *s.field, s.rule()
		s.remove(rule)
		above.Directives = nil
		s.standBehind(&ast.Definition{
			Kind: ast.Interface, Name: "Above", Fields: ast.FieldList{&above}, Directives: ast.DirectiveList{rule}, Position: s.def.Position,
		})
	}},
	{"moved to a union", func(s sitting) bool { return s.ruled() && !s.root() }, func(s sitting) {
		s.document.Definitions = append(s.document.Definitions, &ast.Definition{
			Kind: ast.Union, Name: "Any", Types: []string{s.def.Name}, Directives: ast.DirectiveList{s.rule()}, Position: s.def.Position,
		})
		s.remove(s.rule())
	}},
	{"all directives removed", sitting.root, func(s sitting) { s.field.Directives = nil }},
}

// standBehind makes the type implement an interface.
func (s sitting) standBehind(above *ast.Definition) {
	s.document.Definitions = append(s.document.Definitions, above)
	s.def.Interfaces = append(s.def.Interfaces, above.Name)
}

// takes is the input type of the field's first argument, if it has one.
func (s sitting) takes() *ast.Definition {
	if len(s.field.Arguments) > 0 {
		if def := s.document.Definitions.ForName(s.field.Arguments[0].Type.Name()); def != nil && def.Kind == ast.InputObject {
			return def
		}
	}
	return nil
}

func (s sitting) answers() *ast.Definition {
	if def := s.document.Definitions.ForName(s.field.Type.Name()); def != nil && def != s.def {
		return def
	}
	return nil
}

// Each rule is removed, contradicted or misplaced in every way. The error names the field, or its type where the rule is
// found in another place.
func TestBrokenRuleOfTheSchemaDoesNotCompile(t *testing.T) {
	t.Parallel()
	text, tried := schemaText(t), map[string]int{}
	rules, err := policy.Compile(validated(t, parsed(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Rules() {
		for _, m := range schemaMutations {
			s := sit(t, parsed(t, text), rule.Coordinate())
			if !m.applies(s) {
				continue
			}
			m.make(s)
			tried[m.name]++
			if _, err := policy.Compile(validated(t, s.document)); err == nil || !strings.Contains(err.Error(), m.named(s)) {
				t.Errorf("%s, %s: got %v", rule.Coordinate(), m.name, err)
			}
		}
	}
	for _, m := range schemaMutations {
		if tried[m.name] == 0 {
			t.Errorf("no field to try it on: %s", m.name)
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
		{"@auth may stand on types", ") repeatable on FIELD_DEFINITION\n\n\"Anybody", ") repeatable on FIELD_DEFINITION | OBJECT\n\n\"Anybody", "@auth"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(text, row.was) != 1 {
				t.Fatalf("the schema has %q %d times", row.was, strings.Count(text, row.was))
			}
			_, err := policy.Compile(validated(t, parsed(t, strings.Replace(text, row.was, row.is, 1))))
			if err == nil || !strings.Contains(err.Error(), row.named) {
				t.Errorf("%s is not named: %v", row.named, err)
			}
		})
	}
}

func parsed(t *testing.T, text string) *ast.SchemaDocument {
	t.Helper()
	document, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "schema.graphqls", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// validated lets rules stand everywhere and twice, as somebody would who misplaces one: else gqlparser has the first word, and only
// says the line.
func validated(t *testing.T, document *ast.SchemaDocument) *ast.Schema {
	t.Helper()
	schema, err := validator.ValidateSchemaDocument(document)
	if err == nil {
		return schema
	}
	for _, d := range document.Directives {
		if d.Name == "auth" || d.Name == "public" {
			d.IsRepeatable = true
			d.Locations = everyPlace
		}
	}
	document.Extensions = nil // they are part of the definitions by now
	schema, err = validator.ValidateSchemaDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// everyPlace of a schema where a directive can be written.
var everyPlace = []ast.DirectiveLocation{
	ast.LocationSchema, ast.LocationScalar, ast.LocationObject, ast.LocationFieldDefinition, ast.LocationArgumentDefinition, ast.LocationInterface,
	ast.LocationUnion, ast.LocationEnum, ast.LocationEnumValue, ast.LocationInputObject, ast.LocationInputFieldDefinition,
}

func sit(t *testing.T, document *ast.SchemaDocument, coordinate string) sitting {
	t.Helper()
	typeName, name, _ := strings.Cut(coordinate, ".")
	for _, def := range slices.Concat(document.Definitions, document.Extensions) {
		if field := def.Fields.ForName(name); def.Name == typeName && field != nil {
			return sitting{document, def, field}
		}
	}
	t.Fatalf("the schema has no %s", coordinate)
	return sitting{}
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

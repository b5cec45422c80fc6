package repo

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"fieldgate/graph"
	"fieldgate/internal/policy"
)

// What the schema says, and what the server was generated from, is what PERMISSIONS.md says: a change of the policy is seen
// in review, with the field's name.
func TestPermissionsFileIsCurrent(t *testing.T) {
	t.Parallel()
	file := permissionsFile(t)
	for name, schema := range map[string]*ast.Schema{
		"the schema files":   validated(t, parsed(t, schemaText(t))),
		"the generated code": graph.Schema(),
	} {
		for _, problem := range problemsOf(schema, file) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	var want strings.Builder
	if p, err := policy.Compile(graph.Schema()); err != nil || p.WriteMarkdown(&want) != nil || want.String() != file {
		t.Error("PERMISSIONS.md is not as go generate ./... writes it")
	}
}

func permissionsFile(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("PERMISSIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// problemsOf is what a schema fails by: its rules have gaps, or are not those of PERMISSIONS.md.
func problemsOf(schema *ast.Schema, file string) []string {
	var page strings.Builder
	if p, err := policy.Compile(schema); err != nil {
		return append(strings.Split(err.Error(), "\n"), strayed(schema, fieldRows(file))...)
	} else if err := p.WriteMarkdown(&page); err != nil {
		return []string{err.Error()}
	}
	return rowDifferences(fieldRows(file), fieldRows(page.String()))
}

// fieldRows are the lines of the table, by field.
func fieldRows(page string) map[string]string {
	rows := map[string]string{}
	for line := range strings.Lines(page) {
		if field, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") {
			rows[field] = strings.TrimSpace(line)
		}
	}
	return rows
}

func rowDifferences(file, schema map[string]string) (list []string) {
	for _, field := range slices.Sorted(maps.Keys(file)) {
		if schema[field] == "" {
			list = append(list, fmt.Sprintf("%s stands in PERMISSIONS.md, and the schema has no rule for it", field))
		} else if schema[field] != file[field] {
			list = append(list, fmt.Sprintf("%s is not what PERMISSIONS.md says:\n  file   %s\n  schema %s", field, file[field], schema[field]))
		}
	}
	for _, field := range slices.Sorted(maps.Keys(schema)) {
		if file[field] == "" {
			list = append(list, field+" has a rule that does not stand in PERMISSIONS.md")
		}
	}
	return list
}

// strayed names the fields of PERMISSIONS.md that carry other directives now. A compiler that refuses a schema names the
// place that it refuses, which is where a rule has gone to.
func strayed(schema *ast.Schema, file map[string]string) (list []string) {
	for _, coordinate := range slices.Sorted(maps.Keys(file)) {
		typeName, name, _ := strings.Cut(coordinate, ".")
		def := schema.Types[typeName]
		if def == nil || def.Fields.ForName(name) == nil {
			continue
		}
		directives := def.Fields.ForName(name).Directives
		columns := strings.Split(strings.Trim(file[coordinate], "| "), " | ")
		was := []string{strings.Trim(columns[1], "`"), fmt.Sprint(strings.Count(file[coordinate], " per "), " @limit"), ""}
		is := []string{rulesAsWritten(directives), fmt.Sprint(len(directives.ForNames("limit")), " @limit"), ""}
		if strings.Contains(file[coordinate], "@credential") {
			was[2] = "@credential"
		}
		if directives.ForName("credential") != nil {
			is[2] = "@credential"
		}
		if !slices.Equal(was, is) {
			list = append(list, fmt.Sprintf("%s has %q in PERMISSIONS.md and %q in the schema", coordinate, was, is))
		}
	}
	return list
}

func rulesAsWritten(directives ast.DirectiveList) string {
	var list []string
	for _, d := range directives {
		var args []string
		for _, arg := range d.Arguments {
			args = append(args, arg.Name+": "+arg.Value.String())
		}
		switch {
		case d.Name != "auth" && d.Name != "public":
		case len(args) > 0:
			list = append(list, "@"+d.Name+"("+strings.Join(args, ", ")+")")
		default:
			list = append(list, "@"+d.Name)
		}
	}
	return strings.Join(list, " ")
}

// sitting is one field of the schema with what can be spoilt on it.
type sitting struct {
	document *ast.SchemaDocument
	def      *ast.Definition
	field    *ast.FieldDefinition
}

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

func (s sitting) has(directive string) bool { return s.field.Directives.ForName(directive) != nil }

func (s sitting) ownersToo() bool {
	return s.role() != "" && s.rule().Arguments.ForName("orOwner") != nil
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

func (s sitting) ruled() bool   { return s.rule() != nil }
func (s sitting) gated() bool   { return s.role() != "" }
func (s sitting) limited() bool { return s.limit() != nil }

func asking(role string) func(sitting) bool { return func(s sitting) bool { return s.role() == role } }

var schemaMutations = []schemaMutation{
	{"the rule removed", sitting.ruled, func(s sitting) { s.remove(s.rule()) }},
	{"ADMIN made STAFF", asking("ADMIN"), func(s sitting) { setArgument(s.rule(), "role", "STAFF") }},
	{"ADMIN made USER", asking("ADMIN"), func(s sitting) { setArgument(s.rule(), "role", "USER") }},
	{"STAFF made USER", asking("STAFF"), func(s sitting) { setArgument(s.rule(), "role", "USER") }},
	{"the role left out", func(s sitting) bool { return s.gated() && s.role() != "USER" }, func(s sitting) { s.replace(s.rule(), authRule()) }},
	{"@auth made @public", sitting.gated, func(s sitting) { s.replace(s.rule(), &ast.Directive{Name: "public"}) }},
	{"@public made @auth", func(s sitting) bool { return s.ruled() && !s.gated() }, func(s sitting) { s.replace(s.rule(), authRule()) }},
	{"@public added", sitting.gated, func(s sitting) { s.field.Directives = append(s.field.Directives, &ast.Directive{Name: "public"}) }},
	{"a weaker @auth added", func(s sitting) bool { return s.gated() && s.role() != "USER" }, func(s sitting) { s.replace(s.rule(), authRule(), s.rule()) }},
	{"the owner let through", func(s sitting) bool { return s.gated() && !s.ownersToo() }, func(s sitting) { setArgument(s.rule(), "orOwner", "true") }},
	{"the owner not let through", sitting.ownersToo, func(s sitting) { setArgument(s.rule(), "orOwner", "false") }},
	{"made to report only", sitting.gated, func(s sitting) { setArgument(s.rule(), "reportOnly", "true") }},
	{"made to report only beside one that is weaker", func(s sitting) bool { return s.gated() && s.role() != "USER" }, func(s sitting) {
		was := s.rule()
		setArgument(was, "reportOnly", "true")
		s.replace(was, authRule(), was)
	}},
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
	{"exchanged with the next field's", func(s sitting) bool { return s.ruled() && s.otherRule() }, func(s sitting) {
		next := s.neighbour()
		s.field.Directives, next.Directives = next.Directives, s.field.Directives
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
	{"all directives removed", sitting.ruled, func(s sitting) { s.field.Directives = nil }},
	{"@credential removed", func(s sitting) bool { return s.has("credential") }, func(s sitting) { s.remove(s.field.Directives.ForName("credential")) }},
	{"@credential moved to the next field", func(s sitting) bool {
		return s.has("credential") && s.neighbour().Directives.ForName("credential") == nil
	}, func(s sitting) {
		s.neighbour().Directives = append(s.neighbour().Directives, s.field.Directives.ForName("credential"))
		s.remove(s.field.Directives.ForName("credential"))
	}},
	{"the first @limit removed", sitting.limited, func(s sitting) { s.remove(s.limit()) }},
	{"all @limits removed", sitting.limited, func(s sitting) {
		for s.limited() {
			s.remove(s.limit())
		}
	}},
	{"ten times as many let through", sitting.limited, func(s sitting) { s.limit().Arguments.ForName("count").Value.Raw += "0" }},
	{"one more let through", sitting.limited, func(s sitting) {
		count := s.limit().Arguments.ForName("count").Value
		n, _ := strconv.Atoi(count.Raw)
		count.Raw = strconv.Itoa(n + 1)
	}},
	{"a window of a second", sitting.limited, func(s sitting) { s.limit().Arguments.ForName("window").Value.Raw = "1s" }},
	{"another count of executions that succeed", sitting.limited, func(s sitting) {
		counted := s.limit().Arguments.ForName("successes") != nil
		setArgument(s.limit(), "successes", strconv.FormatBool(!counted))
	}},
	{"limited by something else", sitting.limited, func(s sitting) {
		key := s.limit().Arguments.ForName("by").Value
		key.Raw = map[string]string{"ADDRESS": "ACCOUNT"}[key.Raw]
		if key.Raw == "" {
			key.Raw = "ADDRESS"
		}
	}},
	{"the last @limit moved to the next field", sitting.limited, func(s sitting) {
		limits := s.field.Directives.ForNames("limit")
		last := limits[len(limits)-1]
		s.neighbour().Directives = append(s.neighbour().Directives, last)
		s.remove(last)
	}},
}

func (s sitting) limit() *ast.Directive { return s.field.Directives.ForName("limit") }

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

// otherRule: the next field has a rule too, and not the same.
func (s sitting) otherRule() bool {
	next := s
	next.field = s.neighbour()
	return next.rule() != nil && (next.role() != s.role() || next.ownersToo() != s.ownersToo())
}

// Every rule of the schema, removed, weakened and misplaced in every way: what CI runs names the field.
func TestEveryMutationOfTheSchemaIsCaught(t *testing.T) {
	t.Parallel()
	text, file := schemaText(t), permissionsFile(t)
	if problems := problemsOf(validated(t, parsed(t, text)), file); len(problems) > 0 {
		t.Fatalf("the schema is not sound to begin with: %q", problems)
	}
	count, kinds, fields := 0, map[string]bool{}, map[string]bool{}
	for _, coordinate := range slices.Sorted(maps.Keys(fieldRows(file))) {
		for _, m := range schemaMutations {
			s := sit(t, parsed(t, text), coordinate)
			if !m.applies(s) {
				continue
			}
			m.make(s)
			count, kinds[m.name], fields[coordinate] = count+1, true, true
			if problems := problemsOf(validated(t, s.document), file); !blamed(problems, coordinate) {
				t.Errorf("%s, %s: not caught by name: %q", coordinate, m.name, problems)
			}
		}
	}
	for _, m := range schemaMutations {
		if !kinds[m.name] {
			t.Errorf("no field to try it on: %s", m.name)
		}
	}
	t.Logf("%d mutations of %d kinds on %d fields, all of them caught by name", count, len(kinds), len(fields))
	if count < 20 {
		t.Error("less than 20")
	}
}

// The ladder and the directives' declarations are rules as well. What is caught is named by the role, the directive, or the
// fields that it opens.
func TestEveryMutationOfTheLadderIsCaught(t *testing.T) {
	t.Parallel()
	text, file := schemaText(t), permissionsFile(t)
	for _, row := range []struct{ name, was, is, named string }{
		{"STAFF does not include USER", "STAFF @includes(roles: [USER])", "STAFF", "Role.STAFF"},
		{"ADMIN includes nobody", "ADMIN @includes(roles: [STAFF])", "ADMIN", "Role.ADMIN"},
		{"ADMIN does not include STAFF", "ADMIN @includes(roles: [STAFF])", "ADMIN @includes(roles: [USER])", "Query.users"},
		{"STAFF includes ADMIN", "STAFF @includes(roles: [USER])", "STAFF @includes(roles: [USER, ADMIN])", "Role.STAFF"},
		{"STAFF is more than ADMIN", "STAFF @includes(roles: [USER])\n", "STAFF @includes(roles: [ADMIN])\n", "Role.STAFF"},
		{"USER includes STAFF", "  USER\n", "  USER @includes(roles: [STAFF])\n", "Role.USER"},
		{"a role that is more than ADMIN", "  ADMIN @includes(roles: [STAFF])", "  ADMIN @includes(roles: [STAFF])\n  OWNER @includes(roles: [ADMIN])", "Query.users"},
		{"@auth asks for more by default", "role: Role! = USER", "role: Role! = STAFF", "Query.me"},
		{"owners are let through by default", "orOwner: Boolean! = false", "orOwner: Boolean! = true", "Mutation.setUserRole"},
		{"rules report only by default", "reportOnly: Boolean! = false", "reportOnly: Boolean! = true", "@auth(reportOnly:)"},
		{"@auth may stand on types", ") repeatable on FIELD_DEFINITION\n\n\"Anybody", ") repeatable on FIELD_DEFINITION | OBJECT\n\n\"Anybody", "@auth"},
		{"limits count successes by default", "successes: Boolean! = false", "successes: Boolean! = true", "Mutation.login"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(text, row.was) != 1 {
				t.Fatalf("the schema has %q %d times", row.was, strings.Count(text, row.was))
			}
			problems := problemsOf(validated(t, parsed(t, strings.Replace(text, row.was, row.is, 1))), file)
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, row.named) }) {
				t.Errorf("%s is not named: %q", row.named, problems)
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

// blamed reports whether a problem names the field, and not another one that begins like it.
func blamed(problems []string, coordinate string) bool {
	whole := regexp.MustCompile(`(^|[^\w.])` + regexp.QuoteMeta(coordinate) + `($|\W)`)
	return slices.ContainsFunc(problems, whole.MatchString)
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

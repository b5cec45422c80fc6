package product

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	gql "github.com/vektah/gqlparser/v2/ast"

	"fieldgate/graph"
	"fieldgate/internal/policy"
)

// A rule with orOwner on a type whose Go type has no OwnerID never admits the owner.
func TestTypesWithOrOwnerHaveAnOwnerID(t *testing.T) {
	t.Parallel()
	for _, problem := range orOwnerWithoutOwnerID(t, graph.Schema()) {
		t.Error(problem)
	}
}

// orOwnerWithoutOwnerID returns the rules with orOwner on types without an owner that schema files
// below app/ define.
func orOwnerWithoutOwnerID(t *testing.T, schema *gql.Schema) (problem []string) {
	t.Helper()
	rules, err := policy.Compile(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Rules() {
		def := schema.Types[rule.Type]
		ofProduct := def.Position != nil && def.Position.Src != nil && strings.Contains("/"+def.Position.Src.Name,
			"/app/")
		if !rule.OrOwner || !ofProduct || def.Kind != gql.Object {
			continue
		}
		model := ""
		if bound := def.Directives.ForName("goModel"); bound != nil {
			model = bound.Arguments.ForName("model").Value.Raw
		}
		if !mayHaveOwner(t, model) {
			problem = append(problem,
				fmt.Sprintf("%s.%s has orOwner, but its Go type %q has no method OwnerID() string. Bind the type with @goModel and add the method", rule.Type, rule.Field, model))
		}
	}
	return problem
}

// mayHaveOwner reports whether a Go type of this module, such as "fieldgate/app/notes.Note",
// declares OwnerID or embeds a type that may. It assumes that types of other modules have one.
func mayHaveOwner(t *testing.T, model string) bool {
	t.Helper()
	path, inModule := strings.CutPrefix(model, "fieldgate/")
	if !inModule {
		return model != ""
	}
	at := strings.LastIndexByte(path, '.')
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(path[:at]), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(parsed.Decls, func(d ast.Decl) bool { return declaresOwner(d, path[at+1:]) }) {
			return true
		}
	}
	return false
}

func declaresOwner(declared ast.Decl, name string) bool {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || d.Name.Name != "OwnerID" {
			return false
		}
		receiver := d.Recv.List[0].Type
		if pointer, ok := receiver.(*ast.StarExpr); ok {
			receiver = pointer.X
		}
		of, ok := receiver.(*ast.Ident)
		return ok && of.Name == name
	case *ast.GenDecl:
		return slices.ContainsFunc(d.Specs, func(spec ast.Spec) bool {
			typ, ok := spec.(*ast.TypeSpec)
			if !ok || typ.Name.Name != name {
				return false
			}
			fields, isStruct := typ.Type.(*ast.StructType)
			embeds := func(f *ast.Field) bool { return len(f.Names) == 0 }
			return !isStruct || slices.ContainsFunc(fields.Fields.List, embeds)
		})
	}
	return false
}

func TestOrOwnerWithoutOwnerIDIsReported(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("../../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	bindings, err := os.ReadFile("../../graph/gqlgen.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&gql.Source{Name: "schema.graphqls", Input: string(own)},
		&gql.Source{Name: "graph/gqlgen.graphqls", Input: string(bindings)},
		&gql.Source{Name: "../../app/pets/pets.graphqls", Input: `
			type Pet { name: String @auth(role: STAFF, orOwner: true) }
			type Toy @goModel(model: "fieldgate/models.MutexRow") { name: String @auth(role: STAFF, orOwner: true) }
			type Note @goModel(model: "fieldgate/examples/notes.Note") { text: String @auth(role: STAFF, orOwner: true) }
			type Seal @goModel(model: "fieldgate/models.MutexRow") { text: String @auth(role: STAFF) }
			extend type User { pets: [Pet!] @auth(orOwner: true) }
		`})
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, problem := range orOwnerWithoutOwnerID(t, schema) {
		field, _, _ := strings.Cut(problem, " ")
		fields = append(fields, field)
	}
	if !slices.Equal(fields, []string{"Pet.name", "Toy.name"}) {
		t.Errorf("got %q", fields)
	}
}

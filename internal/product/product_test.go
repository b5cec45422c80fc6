package product

import (
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gorm.io/gorm/clause"

	"fieldgate/app"
	"fieldgate/examples/notes"
	"fieldgate/extend"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/schematest"
	"fieldgate/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// constructors create the products under test: the one in app/, and the example.
var constructors = map[string]func(*extend.Registry) (*app.App, error){
	"app": app.New,
	"examples": func(r *extend.Registry) (*app.App, error) {
		notes.New(r)
		return &app.App{}, nil
	},
}

// eachProduct runs f for each product, on a migrated database of each kind.
func eachProduct(t *testing.T, f func(t *testing.T, p *Product)) {
	t.Helper()
	for name, construct := range constructors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				p := open(t, databaseURL, construct)
				if _, err := p.Store.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				f(t, p)
			})
		})
	}
}

func open(t *testing.T, databaseURL string, construct func(*extend.Registry) (*app.App, error)) *Product {
	t.Helper()
	store, err := models.Open(databaseURL, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := New(store, nil, construct)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *Product) tables() (list []schematest.Table) {
	for _, f := range p.Features {
		for _, t := range f.Tables {
			list = append(list, schematest.Table(t))
		}
	}
	return list
}

func TestFeatureTablesMatchTheirRowTypes(t *testing.T) {
	t.Parallel()
	eachProduct(t, func(t *testing.T, p *Product) {
		schematest.Compare(t, p.Store.DB(t.Context()), p.tables())
		e, err := p.Store.Inspect(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Pending) > 0 {
			t.Errorf("pending migrations: %q", e.Pending)
		}
		for _, f := range e.Issues {
			t.Errorf("%s: %s is %q, want %q. Add a migration (docs/extend.md)", f.Object, f.Kind, f.Actual, f.Expected)
		}
	})
}

// A table that no feature registers is not compared with a row type, and its rows are not deleted
// with their user.
func TestEveryTableIsRegistered(t *testing.T) {
	t.Parallel()
	eachProduct(t, func(t *testing.T, p *Product) {
		known := map[string]bool{}
		for _, table := range p.tables() {
			known[table.Name(t)] = true
		}
		plain := open(t, emptyLike(t, p), func(*extend.Registry) (*app.App, error) { return &app.App{}, nil })
		if _, err := plain.Store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name := range schematest.TablesOf(t, plain.Store.DB(t.Context())) {
			known[name] = true
		}
		for name := range schematest.TablesOf(t, p.Store.DB(t.Context())) {
			if !known[name] {
				t.Errorf("a migration creates the table %s, but no feature lists it in Tables", name)
			}
		}
	})
}

func emptyLike(t *testing.T, p *Product) string {
	t.Helper()
	if p.Store.DB(t.Context()).Name() == "mysql" {
		return dbtest.MySQL(t)
	}
	return dbtest.SQLite(t)
}

func TestDeletingUserRemovesRowsOfFeatures(t *testing.T) {
	t.Parallel()
	eachProduct(t, func(t *testing.T, p *Product) {
		for _, left := range remainingReferences(t, p) {
			t.Errorf("%s still has the id of a deleted user: delete these rows or clear the column in the feature's UserDeleted",
				left)
		}
	})
}

// remainingReferences deletes a user whose id is in every table of the features, and returns the
// columns that still have it.
func remainingReferences(t *testing.T, p *Product) (columns []string) {
	t.Helper()
	ctx, now := t.Context(), time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	u := &models.User{
		ID: models.NewID(), Email: "ada@example.com", EmailKey: "ada@example.com", Name: "Ada", NameKey: "ada",
		PasswordHash: "hash", Role: "USER", CreatedAt: now, UpdatedAt: now,
	}
	if err := p.Store.CreateUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	naming := map[string][]string{}
	for _, table := range p.tables() {
		row, name := schematest.NonZero(reflect.TypeOf(table.Row)), table.Name(t)
		for _, f := range table.Parse(t).Fields {
			if f.DBName != "" && table.RefersToUser(t, f, reflect.TypeFor[models.User]()) {
				if err := f.Set(ctx, row, u.ID); err != nil {
					t.Fatal(err)
				}
				naming[name] = append(naming[name], f.DBName)
			}
		}
		if naming[name] == nil {
			continue
		}
		if err := p.Store.DB(ctx).Omit(clause.Associations).Create(row.Interface()).Error; err != nil {
			t.Fatalf("create a row of %s: %v", name, err)
		}
	}
	if err := p.Store.DeleteUser(ctx, u, now); err != nil {
		t.Fatal(err)
	}
	for table, list := range naming {
		for _, column := range list {
			var n int64
			if err := p.Store.DB(ctx).Table(table).Where(column+" = ?", u.ID).Count(&n).Error; err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				columns = append(columns, table+"."+column)
			}
		}
	}
	return columns
}

func TestFeatureWithoutUserDeletedIsReported(t *testing.T) {
	t.Parallel()
	withoutHook := func(r *extend.Registry) (*app.App, error) {
		notes.New(r)
		r.Features()[0].Hooks.UserDeleted = nil
		return &app.App{}, nil
	}
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := open(t, databaseURL, withoutHook)
		if _, err := p.Store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := remainingReferences(t, p); !slices.Equal(got, []string{"notes.author_id"}) {
			t.Errorf("%q", got)
		}
	})
}

// Objects with OwnerID belong to a user, so their feature must delete them with the user.
func TestFeaturesOfOwnedTypesRegisterUserDeleted(t *testing.T) {
	t.Parallel()
	for folder, construct := range constructors {
		p := open(t, dbtest.SQLite(t), construct)
		for _, problem := range ownedWithoutUserDeleted(t, os.DirFS(filepath.Join("..", "..", folder)), p.Features) {
			t.Errorf("%s/%s", folder, problem)
		}
	}
}

// ownedWithoutUserDeleted returns the types with OwnerID in the Go files of a folder whose feature
// registers no UserDeleted. A package belongs to the feature with its folder's name, or with one of
// its row types.
func ownedWithoutUserDeleted(t *testing.T, folder fs.FS, features []extend.Feature) (problem []string) {
	t.Helper()
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "OwnerID" {
				continue
			}
			if in := path.Dir(name); !slices.ContainsFunc(features, func(f extend.Feature) bool { return f.Hooks.UserDeleted != nil && belongsTo(f, in) }) {
				problem = append(problem,
					name+" has a type with OwnerID, but no feature of its folder registers UserDeleted")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return problem
}

func belongsTo(f extend.Feature, folder string) bool {
	return f.Name == path.Base(folder) || slices.ContainsFunc(f.Tables, func(table models.Table) bool {
		return strings.HasSuffix(reflect.TypeOf(table.Row).Elem().PkgPath(), "/"+folder)
	})
}

func TestOwnedTypeWithoutUserDeletedIsReported(t *testing.T) {
	t.Parallel()
	source := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("package p\n" + text)} }
	folder := fstest.MapFS{
		"notes/notes.go":       source("type Note struct{}\nfunc (n *Note) OwnerID() string { return `` }"),
		"orders/order.go":      source("type Order struct{}\nfunc (Order) OwnerID() string { return `` }"),
		"orders/order_test.go": source("type fake struct{}\nfunc (fake) OwnerID() string { return `` }"),
		"free/free.go":         source("func OwnerID() string { return `` }"),
	}
	deletes := extend.Hooks{UserDeleted: func(context.Context, *models.Store, *models.User) error { return nil }}
	for _, row := range []struct {
		name     string
		features []extend.Feature
		want     []string
	}{
		{"no feature", nil, []string{"notes/notes.go", "orders/order.go"}},
		{"a feature without UserDeleted", []extend.Feature{{Name: "notes"}, {Name: "orders", Hooks: deletes}}, []string{"notes/notes.go"}},
		{"features with UserDeleted", []extend.Feature{{Name: "notes", Hooks: deletes}, {Name: "orders", Hooks: deletes}}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var files []string
			for _, problem := range ownedWithoutUserDeleted(t, folder, row.features) {
				file, _, _ := strings.Cut(problem, " ")
				files = append(files, file)
			}
			if !slices.Equal(files, row.want) {
				t.Errorf("got %q, want %q", files, row.want)
			}
		})
	}
}

// gqlgen names the file of resolvers after the schema file, so two schema files with one name would
// share it.
func TestSchemaFileNamesAreUnique(t *testing.T) {
	t.Parallel()
	first := map[string]string{"schema.graphqls": "Fieldgate's schema.graphqls", "gqlgen.graphqls": "graph/gqlgen.graphqls"}
	err := fs.WalkDir(os.DirFS("../.."), "app", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".graphqls" {
			return err
		}
		base := path.Base(name)
		if other := first[base]; other != "" {
			t.Errorf("%s has the same name as %s, so both would share a file of resolvers. Name it after its feature",
				name, other)
		}
		first[base] = name
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var draft = flag.Bool("draft", false,
	"TestWriteDrafts writes the first migrations of each feature of app/ that has tables and no Migrations")

// With -draft it writes the first migrations of a feature. Review them: it only knows the lengths
// in tags such as `gorm:"size:1000"`, and it treats only ids as ASCII.
func TestWriteDrafts(t *testing.T) {
	if !*draft {
		t.Skip("writes the first migrations of features that have none, with -draft")
	}
	store, err := models.Open(dbtest.SQLite(t), models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r := &extend.Registry{Store: store}
	if _, err := app.New(r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Features() {
		if f.Migrations != nil {
			continue
		}
		for i, table := range f.Tables {
			table := schematest.Table(table)
			for _, dialect := range []string{"sqlite", "mysql"} {
				file := fmt.Sprintf("../../app/%s/migrations/%s/%05d_%s.sql", f.Name, dialect, i+1, table.Name(t))
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(table.Migration(t, dialect == "mysql")), 0o644); err != nil {
					t.Fatal(err)
				}
				t.Logf("wrote %s: review and correct it", strings.TrimPrefix(file, "../../"))
			}
		}
	}
}

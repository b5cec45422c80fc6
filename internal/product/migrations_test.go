package product

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"fieldgate/app"
	"fieldgate/extend"
	"fieldgate/internal/dbtest"
	"fieldgate/models"
)

// MySQL commits each statement that changes a table. A server that stops after one has not recorded
// the migration, and the next server runs it again.
func TestFeatureMigrationsCanRunTwiceOnMySQL(t *testing.T) {
	t.Parallel()
	for name, construct := range constructors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, dbtest.MySQL(t), construct)
			if _, err := p.Store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, problem := range nonRepeatableMigrations(t, p) {
				t.Error(problem)
			}
		})
	}
}

// nonRepeatableMigrations runs each applied migration of the features a second time, and returns
// the errors.
func nonRepeatableMigrations(t *testing.T, p *Product) (problem []string) {
	t.Helper()
	ctx := t.Context()
	list, err := p.Store.Migrations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Feature == "" {
			continue
		}
		table := "goose_db_version_" + m.Feature
		if err := p.Store.DB(ctx).Exec("DELETE FROM "+table+" WHERE version_id = ?", m.Number).Error; err != nil {
			t.Fatal(err)
		}
		if _, err := p.Store.Contract(ctx); err != nil {
			problem = append(problem,
				fmt.Sprintf("%s cannot run twice: use CREATE TABLE IF NOT EXISTS, or query information_schema (docs/upgrade.md): %v", m.Title(), err))
			if err := p.Store.DB(ctx).Exec("INSERT INTO "+table+" (version_id, is_applied) VALUES (?, TRUE)", m.Number).Error; err != nil {
				t.Fatal(err)
			}
		}
	}
	return problem
}

func TestNonRepeatableMigrationIsReported(t *testing.T) {
	t.Parallel()
	p := open(t, dbtest.MySQL(t), func(r *extend.Registry) (*app.App, error) {
		r.Add(extend.Feature{Name: "pets", Migrations: migrationFiles(map[string]string{
			"00001_pets.sql": "CREATE TABLE pets (id CHAR(36) NOT NULL, PRIMARY KEY (id))",
			"00002_toys.sql": "CREATE TABLE IF NOT EXISTS toys (id CHAR(36) NOT NULL, PRIMARY KEY (id))",
		})})
		return &app.App{}, nil
	})
	if _, err := p.Store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if problem := nonRepeatableMigrations(t, p); len(problem) != 1 || problem[0][:len("pets/00001_pets.sql")] != "pets/00001_pets.sql" {
		t.Errorf("%q", problem)
	}
}

// On MySQL, a server that stops between two statements of a migration leaves the first one applied.
// The next server continues.
func TestNextStartFinishesAFailedMigration(t *testing.T) {
	t.Parallel()
	const pets = "CREATE TABLE IF NOT EXISTS pets (id CHAR(36) NOT NULL, PRIMARY KEY (id))"
	with := func(second string) func(*extend.Registry) (*app.App, error) {
		return func(r *extend.Registry) (*app.App, error) {
			r.Add(extend.Feature{Name: "pets", Migrations: migrationFiles(map[string]string{"00001_pets.sql": pets + ";\n" + second})})
			return &app.App{}, nil
		}
	}
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		if _, err := open(t, databaseURL, with("CREATE GARBAGE")).Store.Migrate(t.Context()); err == nil {
			t.Fatal("an invalid migration was applied")
		}
		p := open(t, databaseURL, with("INSERT INTO pets (id) VALUES ('01a222f2-554b-7afd-ac6e-96515f4a42fd')"))
		applied, err := p.Store.Migrate(t.Context())
		if err != nil || !slices.EqualFunc(applied, []string{"pets/00001_pets.sql"}, func(m models.Migration, title string) bool { return m.Title() == title }) {
			t.Errorf("applied %v, %v", applied, err)
		}
	})
}

// migrationFiles returns the migrations folders of both dialects, with these statements in their
// files.
func migrationFiles(files map[string]string) fs.FS {
	folders := fstest.MapFS{}
	for name, text := range files {
		file := &fstest.MapFile{Data: []byte("-- +goose Up\n" + text + ";\n")}
		folders["migrations/sqlite/"+name], folders["migrations/mysql/"+name] = file, file
	}
	return folders
}

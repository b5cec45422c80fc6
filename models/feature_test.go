package models

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"gorm.io/gorm"

	"fieldgate/internal/dbtest"
)

// note is a row type of a product.
type note struct {
	ID       string `gorm:"primaryKey"`
	AuthorID string
	Slug     string
}

func (n *note) OwnerID() string { return n.AuthorID }

const createNotes = upMark + "CREATE TABLE IF NOT EXISTS notes (id CHAR(36) NOT NULL, author_id CHAR(36) NOT NULL, slug CHAR(36) NOT NULL, PRIMARY KEY (id));\n" +
	downMark + "DROP TABLE notes;\n"

const indexNotes = upMark + "CREATE UNIQUE INDEX notes_slug ON notes (slug);\n" + downMark + "DROP INDEX notes_slug;\n"

// migrationFiles returns a folder for each dialect with the same files.
func migrationFiles(files map[string]string) fs.FS {
	folders := fstest.MapFS{}
	for name, text := range files {
		folders["migrations/sqlite/"+name] = &fstest.MapFile{Data: []byte(text)}
		folders["migrations/mysql/"+name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "(id));", "(id)) COLLATE utf8mb4_bin;"))}
	}
	return folders
}

func notesFeature() Feature {
	return Feature{
		Name: "notes", Tables: []Table{{&note{}, []string{"slug unique"}}},
		Migrations: migrationFiles(map[string]string{"00001_notes.sql": createNotes, "00002_slug.sql": indexNotes}),
	}
}

// eachWithNotes runs f on a migrated database of each kind, with one feature.
func eachWithNotes(t *testing.T, feature Feature, f func(t *testing.T, s *Store)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		requireNoError(t, s.AddFeatures(feature))
		migrate(t, s)
		f(t, s)
	})
}

func titlesOf(list []Migration) (titles []string) {
	for _, m := range list {
		titles = append(titles, m.Title())
	}
	return titles
}

func TestFeatureHasOwnVersionTable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		before := openStore(t, databaseURL, Options{})
		migrate(t, before)
		s := openStore(t, databaseURL, Options{})
		requireNoError(t, s.AddFeatures(notesFeature()))
		list, err := s.Migrations(testContext(t))
		requireNoError(t, err)
		if last := list[len(list)-1]; last.Title() != "notes/00002_slug.sql" || !last.Pending() || list[0].Feature != "" || list[0].Pending() {
			t.Errorf("before Migrate: got %+v", list)
		}
		applied, err := s.Migrate(testContext(t))
		requireNoError(t, err)
		if got := titlesOf(applied); !slices.Equal(got, []string{"notes/00001_notes.sql", "notes/00002_slug.sql"}) {
			t.Errorf("got applied steps %q", got)
		}
		if again, err := s.Migrate(testContext(t)); err != nil || len(again) > 0 {
			t.Errorf("second Migrate: got %v, %v; want no steps", again, err)
		}
		if got := queryAll[int64](t, s, "SELECT version_id FROM goose_db_version_notes WHERE version_id > 0 ORDER BY version_id"); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("got versions %d, want 1 and 2", got)
		}
		wantStepsOnce(t, before)
	})
}

// Servers may start together on an empty database.
func TestConcurrentFeatureMigrationsSucceed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		results := make(chan error)
		const replicas = 4
		for range replicas {
			go func() {
				s, err := Open(databaseURL, Options{})
				if err == nil {
					err = s.AddFeatures(notesFeature())
				}
				if err == nil {
					_, err = s.Migrate(testContext(t))
					err = errors.Join(err, s.Close())
				}
				results <- err
			}()
		}
		for range replicas {
			requireNoError(t, <-results)
		}
	})
}

func TestFailedFeatureMigrationNamesFeature(t *testing.T) {
	t.Parallel()
	f := notesFeature()
	f.Migrations = migrationFiles(map[string]string{"00001_notes.sql": createNotes, "00002_wrong.sql": upMark + "CREATE GARBAGE;\n" + downMark + "SELECT 1;\n"})
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		requireNoError(t, s.AddFeatures(f))
		applied, err := s.Migrate(testContext(t))
		if err == nil || !strings.Contains(err.Error(), `feature "notes"`) || !strings.Contains(err.Error(), "version:2") {
			t.Errorf("got error %v, want one that names the feature and the step", err)
		}
		if titles := titlesOf(applied); !slices.Contains(titles, "notes/00001_notes.sql") {
			t.Errorf("got applied steps %q", titles)
		}
	})
}

func TestInspectReportsFeatureIssues(t *testing.T) {
	t.Parallel()
	eachWithNotes(t, notesFeature(), func(t *testing.T, s *Store) {
		if e := inspect(t, s, false); len(e.Issues)+len(e.Pending)+len(e.Ahead)+len(e.Removed) > 0 {
			t.Errorf("got issues in a healthy database: %+v", e)
		}
		execute(t, s, "INSERT INTO goose_db_version_notes (version_id, is_applied) VALUES (7, TRUE)")
		execute(t, s, "DROP TABLE notes")
		e := inspect(t, s, false)
		if !slices.Equal(e.Ahead, []string{"notes/00007"}) || len(e.Issues) != 1 || e.Issues[0].Object != "notes" {
			t.Errorf("got unknown steps %q, issues %v", e.Ahead, e.Issues)
		}
	})
}

// The table and its version table are kept: the data may be needed again.
func TestRemovedFeatureKeepsTables(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		with := openStore(t, databaseURL, Options{})
		requireNoError(t, with.AddFeatures(notesFeature()))
		migrate(t, with)
		without := openStore(t, databaseURL, Options{})
		e := inspect(t, without, false)
		if !slices.Equal(e.Removed, []string{"notes"}) || len(e.Issues)+len(e.Pending)+len(e.Unknown)+len(e.Ahead) > 0 {
			t.Errorf("got %+v, want the removed feature only", e)
		}
		if list, err := without.Migrations(testContext(t)); err != nil || slices.ContainsFunc(list, func(m Migration) bool { return m.Feature != "" || m.Unknown() }) {
			t.Errorf("got steps %v, %v; want only Fieldgate's", list, err)
		}
		applied, err := with.Migrate(testContext(t)) // the feature is added again
		if err != nil || len(applied) > 0 {
			t.Errorf("got applied steps %v, %v; want none", applied, err)
		}
	})
}

func TestInvalidFeatureIsRejected(t *testing.T) {
	t.Parallel()
	type session struct{ ID string }
	type goose struct{ ID string }
	good := notesFeature()
	with := func(change func(*Feature)) Feature {
		f := notesFeature()
		change(&f)
		return f
	}
	for _, row := range []struct {
		name, want string
		features   []Feature
	}{
		{"a name in upper case", "the name must match", []Feature{with(func(f *Feature) { f.Name = "Notes" })}},
		{"a name with SQL", "the name must match", []Feature{with(func(f *Feature) { f.Name = "a; DROP TABLE users" })}},
		{"an empty name", "the name must match", []Feature{with(func(f *Feature) { f.Name = "" })}},
		{"a name that is too long for a table", "at most 40", []Feature{with(func(f *Feature) { f.Name = strings.Repeat("n", 41) })}},
		{"a duplicate name", "registered twice", []Feature{with(func(f *Feature) { f.Tables = nil }), good}},
		{"a duplicate table", `the table notes belongs to feature "notes"`, []Feature{good, with(func(f *Feature) { f.Name = "memos" })}},
		{"a table of Fieldgate", "the table sessions belongs to Fieldgate", []Feature{with(func(f *Feature) { f.Tables = []Table{{Row: &session{}}} })}},
		{"a table with goose's prefix", "names that begin with goose", []Feature{with(func(f *Feature) { f.Tables = []Table{{Row: &goose{}}} })}},
		{"tables without migrations", "has tables and no Migrations", []Feature{with(func(f *Feature) { f.Migrations = nil })}},
		{"a folder below the dialects", "no directory sqlite", []Feature{with(func(f *Feature) { f.Migrations, _ = fs.Sub(f.Migrations, "migrations/sqlite") })}},
		{"a step that one dialect lacks", "sqlite has", []Feature{with(func(f *Feature) { delete(f.Migrations.(fstest.MapFS), "migrations/mysql/00002_slug.sql") })}},
		{"a duplicate number", "have the same number", []Feature{with(func(f *Feature) {
			f.Migrations = migrationFiles(map[string]string{"00001_a.sql": createNotes, "00001_b.sql": indexNotes})
		})}},
		{"a file without a number", "notes.sql", []Feature{with(func(f *Feature) { f.Migrations = migrationFiles(map[string]string{"notes.sql": createNotes}) })}},
		{"a row type that is not a struct", "the row type", []Feature{with(func(f *Feature) { f.Tables = []Table{{Row: new(string)}} })}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, dbtest.SQLite(t), Options{})
			if err := s.AddFeatures(row.features...); err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "feature ") {
				t.Errorf("got error %v, want %q", err, row.want)
			}
		})
	}
}

func TestDBTranslatesErrors(t *testing.T) {
	t.Parallel()
	eachWithNotes(t, notesFeature(), func(t *testing.T, s *Store) {
		ctx := testContext(t)
		first := &note{ID: NewID(), AuthorID: NewID(), Slug: "a"}
		requireNoError(t, s.DB(ctx).Create(first).Error)
		err := s.DB(ctx).Create(&note{ID: NewID(), AuthorID: NewID(), Slug: "a"}).Error
		wantError(t, err, ErrConflict)
		wantError(t, err, gorm.ErrDuplicatedKey)
		err = s.DB(ctx).Where("id = ?", NewID()).Take(&note{}).Error
		wantError(t, err, ErrNotFound)
		wantError(t, err, gorm.ErrRecordNotFound)
		db := s.DB(ctx) // one handle for several statements must not keep conditions
		requireNoError(t, db.Where("slug = ?", "a").Take(&note{}).Error)
		requireNoError(t, db.Where("author_id = ?", first.AuthorID).Take(&note{}).Error)
		var n int64
		if requireNoError(t, db.Model(&note{}).Count(&n).Error); n != 1 {
			t.Errorf("got %d rows, want 1", n)
		}
		if err := s.DB(ctx).Exec("SELECT garbage FROM nowhere").Error; err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrConflict) {
			t.Errorf("invalid statement: got %v", err)
		}
		if err := s.conn(ctx).Create(first).Error; errors.Is(err, ErrConflict) {
			t.Error("the store's own statement returned ErrConflict; only DB translates")
		}
	})
}

func TestDBReturnsErrUnavailableWithoutServer(t *testing.T) {
	t.Parallel()
	s := openStore(t, "mysql://root:hunter2@"+closedPort(t)+"/fieldgate", Options{})
	ctx := testContext(t)
	wantError(t, s.DB(ctx).Find(&[]note{}).Error, ErrUnavailable)
	wantError(t, s.DB(ctx).Create(&note{ID: NewID()}).Error, ErrUnavailable)
	wantError(t, s.Transaction(ctx, func(tx *Store) error { return tx.DB(ctx).Create(&note{ID: NewID()}).Error }), ErrUnavailable)
}

func TestDBRollsBackWithTransaction(t *testing.T) {
	t.Parallel()
	eachWithNotes(t, notesFeature(), func(t *testing.T, s *Store) {
		ctx, no := testContext(t), errors.New("no")
		wantError(t, s.Transaction(ctx, func(tx *Store) error {
			requireNoError(t, tx.DB(ctx).Create(&note{ID: NewID(), Slug: "a"}).Error)
			return no
		}), no)
		var n int64
		if requireNoError(t, s.DB(ctx).Model(&note{}).Count(&n).Error); n != 0 {
			t.Errorf("got %d rows, want 0", n)
		}
	})
}

func TestUserDeletedRunsInDeletionTransaction(t *testing.T) {
	t.Parallel()
	var fail error
	f := notesFeature()
	f.UserDeleted = func(ctx context.Context, tx *Store, u *User) error {
		return errors.Join(tx.DB(ctx).Where("author_id = ?", u.ID).Delete(&note{}).Error, fail)
	}
	count := func(t *testing.T, s *Store) (n int64) {
		requireNoError(t, s.DB(testContext(t)).Model(&note{}).Count(&n).Error)
		return n
	}
	eachWithNotes(t, f, func(t *testing.T, s *Store) {
		u := createUser(t, s, newUser("ada@example.com"))
		requireNoError(t, s.DB(testContext(t)).Create(&note{ID: NewID(), AuthorID: u.ID, Slug: "a"}).Error)
		requireNoError(t, s.DB(testContext(t)).Create(&note{ID: NewID(), AuthorID: NewID(), Slug: "b"}).Error)
		fail = errors.New("not now")
		wantError(t, s.DeleteUser(testContext(t), u, moment), fail)
		if _, err := s.UserByID(testContext(t), u.ID); err != nil || count(t, s) != 2 {
			t.Errorf("after a failed deletion: user %v, %d notes; want the user and 2 notes", err, count(t, s))
		}
		fail = nil
		requireNoError(t, s.DeleteUser(testContext(t), u, moment))
		if n := count(t, s); n != 1 {
			t.Errorf("got %d notes, want 1", n)
		}
	})
}

func TestValidIDAcceptsOnlyNewIDForm(t *testing.T) {
	t.Parallel()
	if !ValidID(NewID()) {
		t.Error("a new id is not valid")
	}
	for _, text := range []string{"", "x", "ä", "{" + NewID() + "}", "urn:uuid:" + NewID(), strings.ReplaceAll(NewID(), "-", "")} {
		if ValidID(text) {
			t.Errorf("%q is valid", text)
		}
	}
}

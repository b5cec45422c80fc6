package models

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

func inspect(t *testing.T, s *Store, deep bool) *Inspection {
	t.Helper()
	e, err := s.Inspect(testContext(t), deep)
	requireNoError(t, err)
	return e
}

func TestInspectReportsNoIssuesInHealthyDatabase(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		e := inspect(t, s, true)
		if len(e.Pending) > 0 || len(e.Unknown) > 0 || len(e.Issues) > 0 || len(e.Corruption) > 0 || e.Cluster != nil {
			t.Errorf("got issues in a healthy database: %+v", e)
		}
		if e.Product == "" || e.Version == "" || e.RoundTrip <= 0 || e.Pool == 0 || !e.Strict {
			t.Errorf("got empty facts: %+v", e)
		}
		if e.ClockAhead.Abs() > time.Second {
			t.Errorf("got a clock that is %s ahead", e.ClockAhead)
		}
		if s.dialect.name() == "mysql" && (e.MaxConnections == 0 || e.TimeZone != "+00:00" || e.File != nil) {
			t.Errorf("facts of the server: got %+v", e)
		}
		if s.dialect.name() == "sqlite" && (e.File == nil || e.File.Mode != 0o600 || e.File.Journal != "wal" || e.File.Size == 0 || e.File.Folder&0o700 != 0o700) {
			t.Errorf("facts of the file: got %+v", e.File)
		}
	})
}

func TestInspectChangesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		if e := inspect(t, s, true); len(e.Pending) == 0 || len(e.Issues) > 0 {
			t.Errorf("empty database: got %+v", e)
		}
		has, err := s.dialect.structure(testContext(t), s.pool)
		if err != nil || len(has.tables) > 0 {
			t.Errorf("Inspect created %q, %v", has.tables, err)
		}
	})
}

func TestInspectReportsSchemaIssues(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		statements []string
		pending    int
		unknown    []int64
		issues     []string
		only       string // a dialect; "" runs on both
	}{
		{name: "a migration that is not applied", statements: []string{"DELETE FROM goose_db_version WHERE version_id = 9"}, pending: 1},
		{name: "an unknown migration", statements: []string{"INSERT INTO goose_db_version (version_id, is_applied) VALUES (900, TRUE)"}, unknown: []int64{900}},
		{name: "a missing table", statements: []string{"DROP TABLE tickets"}, issues: []string{"missing tickets"}},
		{
			name: "a missing column", statements: []string{"ALTER TABLE users DROP COLUMN disabled_at"},
			issues: []string{"missing users.disabled_at"},
		},
		{
			name: "a missing index", statements: []string{"DROP INDEX users_by_role ON users"}, only: "mysql",
			issues: []string{"missing users(role,id)"},
		},
		{name: "a missing index", statements: []string{"DROP INDEX users_by_role"}, only: "sqlite", issues: []string{"missing users(role,id)"}},
		{
			name: "an index that is no longer unique", statements: []string{"DROP INDEX users_email_key", "CREATE INDEX users_email_key ON users (email_key)"}, only: "sqlite",
			issues: []string{"missing users(email_key) unique"},
		},
		{
			name: "a table in latin1", statements: []string{"ALTER TABLE tickets CONVERT TO CHARACTER SET latin1"}, only: "mysql",
			issues: []string{
				"collation tickets latin1_swedish_ci", "collation tickets.id latin1_swedish_ci", "collation tickets.user_id latin1_swedish_ci",
				"collation tickets.purpose latin1_swedish_ci", "collation tickets.slot latin1_swedish_ci",
				"collation tickets.email latin1_swedish_ci", "collation tickets.email_key latin1_swedish_ci",
			},
		},
		{name: "a table without transactions", statements: []string{"ALTER TABLE limits ENGINE = Aria"}, only: "mysql", issues: []string{"engine limits Aria"}},
		{
			name: "a table without a primary key", statements: []string{"ALTER TABLE turns DROP PRIMARY KEY"}, only: "mysql",
			issues: []string{"missing turns(name) unique", "key turns none"},
		},
		{name: "no issue for an index over an expression", statements: []string{"CREATE INDEX theirs ON users (lower(name))"}, only: "sqlite"},
		{name: "no issue for a foreign table", statements: []string{"CREATE TABLE theirs (name VARCHAR(10))"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				if row.only != "" && row.only != s.dialect.name() {
					t.Skip("this case is for the other database")
				}
				for _, statement := range row.statements {
					execute(t, s, statement)
				}
				e := inspect(t, s, false)
				var issues []string
				for _, f := range e.Issues {
					issues = append(issues, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Kind, f.Object, f.Actual)))
				}
				if len(e.Pending) != row.pending || !slices.Equal(e.Unknown, row.unknown) || !slices.Equal(issues, row.issues) {
					t.Errorf("got pending %q, unknown %d, issues\n%s", e.Pending, e.Unknown, strings.Join(issues, "\n"))
				}
			})
		})
	}
}

func TestDeepInspectReportsCorruption(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	path := s.dialect.(sqliteDialect).path
	for range 50 {
		createUser(t, s, newUser(newID()+"@example.com"))
	}
	execute(t, s, "PRAGMA wal_checkpoint(TRUNCATE)")
	requireNoError(t, s.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	requireNoError(t, err)
	info, err := f.Stat()
	requireNoError(t, err)
	_, err = f.WriteAt([]byte(strings.Repeat("\xff", 4096)), info.Size()-4096)
	requireNoError(t, errors.Join(err, f.Close()))

	again := openStore(t, "sqlite://"+path, Options{})
	if e := inspect(t, again, false); len(e.Corruption) > 0 {
		t.Errorf("without deep: got corruption %q", e.Corruption)
	}
	if e := inspect(t, again, true); len(e.Corruption) == 0 {
		t.Error("got no corruption with deep")
	}
}

func TestHasEnabledUserIgnoresDisabledUsers(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		u := newUser("ada@example.com")
		u.Role = "ADMIN"
		for _, row := range []struct {
			name   string
			before func()
			want   bool
		}{
			{"no account", func() {}, false},
			{"an account", func() { createUser(t, s, u) }, true},
			{"a disabled account", func() { requireNoError(t, s.Disable(testContext(t), u.ID, moment)) }, false},
		} {
			row.before()
			if got, err := s.HasEnabledUser(testContext(t), []string{"STAFF", "ADMIN"}); err != nil || got != row.want {
				t.Errorf("%s: got %t, %v; want %t", row.name, got, err, row.want)
			}
		}
	})
}

// A copy contains the state at the call, and opens like any other database.
func TestBackupIsCompleteCopy(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	before := createUser(t, s, newUser("before@example.com"))
	path := filepath.Join(t.TempDir(), "it's a backup.db")
	requireNoError(t, s.Backup(testContext(t), path))
	after := createUser(t, s, newUser("after@example.com"))

	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode(), err)
	}
	backup := openStore(t, "sqlite://"+path, Options{})
	if applied, err := backup.Migrate(testContext(t)); err != nil || len(applied) > 0 {
		t.Errorf("got missing steps %v, %v in the copy", applied, err)
	}
	_, err = backup.UserByID(testContext(t), before.ID)
	requireNoError(t, err)
	_, err = backup.UserByID(testContext(t), after.ID)
	wantError(t, err, ErrNotFound)
	wantError(t, s.Backup(testContext(t), path), fs.ErrExist)
}

// SQLite gives these names a special meaning: a URL, and a database in memory.
func TestBackupTreatsSpecialSQLiteNamesAsFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newStore(t, dbtest.SQLite(t))
	for _, name := range []string{"file:x.db", ":memory:"} {
		requireNoError(t, s.Backup(testContext(t), name))
		if info, err := os.Stat(name); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v", name, info, err)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 2 {
		t.Errorf("got files %v, %v; want the two copies", left, err)
	}
}

func TestFailedBackupLeavesNoFile(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	dir := t.TempDir()
	if err := s.Backup(testContext(t), filepath.Join(dir, "no", "x.db")); err == nil {
		t.Error("Backup wrote into a missing folder")
	}
	wantError(t, newStore(t, dbtest.MySQL(t)).Backup(testContext(t), filepath.Join(dir, "x.sql")), ErrBackupUnsupported)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("got files %v, %v; want none", left, err)
	}
}

// What a contract step removes is no issue, neither while the step waits nor after it.
func TestInspectReportsNoIssuesDuringUpgrade(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		newStore(t, databaseURL)
		const fillNickname = "-- backfill\n\nUPDATE users SET nickname = name WHERE nickname IS NULL"
		s := openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname, fillNickname, dropNickname, addPoints)})
		for _, row := range []struct {
			name             string
			do               func(context.Context) ([]Migration, error)
			pending, waiting int
		}{
			{"before the upgrade", s.Migrations, 3, 1},
			{"after Migrate", s.Migrate, 0, 1},
			{"after Contract", s.Contract, 0, 0},
			{"after another Contract", s.Contract, 0, 0},
		} {
			_, err := row.do(testContext(t))
			requireNoError(t, err)
			if e := inspect(t, s, false); len(e.Pending) != row.pending || len(e.Waiting) != row.waiting || len(e.Issues) > 0 {
				t.Errorf("%s: got pending %v, waiting %v, issues %v", row.name, e.Pending, e.Waiting, e.Issues)
			}
		}
		execute(t, s, "ALTER TABLE users DROP COLUMN points")
		if e := inspect(t, s, false); len(e.Issues) != 1 || e.Issues[0].Object != "users.points" {
			t.Errorf("missing column of the next version: got issues %v", e.Issues)
		}
	})
}

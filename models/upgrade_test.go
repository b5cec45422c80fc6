package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3/lock"

	"fieldgate/internal/dbtest"
)

// A newer program changes the tables while a store keeps prepared statements. Every further call of
// that store must return the same as before, also the first one.
func TestRunningStoreSurvivesSchemaChanges(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, newer := openStore(t, databaseURL, Options{MaxConnections: 1}), openStore(t, databaseURL, Options{})
		migrate(t, s)
		calls := maps.Clone(storeCalls)
		calls["Users, without an end"] = func(ctx context.Context, s *Store) error {
			_, err := s.Users(ctx, UserFilter{Limit: 1})
			return err
		}
		names := slices.Sorted(maps.Keys(calls))
		answers := func() (list []string) {
			for _, name := range names {
				for _, makes := range names {
					if strings.HasPrefix(makes, "Create") {
						// An error means that the row exists already.
						_ = calls[makes](testContext(t), s)
					}
				}
				list = append(list, fmt.Sprint(calls[name](testContext(t), s)))
			}
			return list
		}
		answers() // calls that succeed only once
		want := answers()
		for _, statements := range [][]string{
			{"ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NULL", "ALTER TABLE users ADD COLUMN points BIGINT NOT NULL DEFAULT 7"},
			{
				"ALTER TABLE sessions ADD COLUMN place VARCHAR(100) NULL", "ALTER TABLE tickets ADD COLUMN place VARCHAR(100) NULL",
				"ALTER TABLE mails ADD COLUMN nickname VARCHAR(100) NULL", "ALTER TABLE audit ADD COLUMN place VARCHAR(100) NULL",
				"ALTER TABLE limits ADD COLUMN until_when BIGINT NULL", "CREATE INDEX users_points ON users (points)",
			},
			{"ALTER TABLE users DROP COLUMN nickname", "CREATE TABLE pets (id BIGINT PRIMARY KEY)"},
		} {
			for _, statement := range statements {
				execute(t, newer, statement)
			}
			for i, got := range answers() {
				if got != want[i] {
					t.Errorf("after %q: %s: got %s, want %s as before", statements, names[i], got, want[i])
				}
			}
		}
	})
}

// nextSteps returns the steps of this program and those of a next version: texts are numbered from
// the next free number on.
func nextSteps(t *testing.T, texts ...string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
		files, err := fs.Glob(embeddedMigrations(), d.name()+"/*.sql")
		requireNoError(t, err)
		for _, file := range files {
			text, err := fs.ReadFile(embeddedMigrations(), file)
			requireNoError(t, err)
			all[file] = &fstest.MapFile{Data: text}
		}
		for i, text := range texts {
			header, statements, found := strings.Cut(text, "\n\n")
			if !found {
				header, statements = "", text
			}
			all[fmt.Sprintf("%s/%05d_next.sql", d.name(), len(files)+i+1)] = &fstest.MapFile{Data: []byte(header + "\n" + upMark + statements + ";\n")}
		}
	}
	return all
}

// nextStepStates returns the state of each step that a next version adds.
func nextStepStates(t *testing.T, s *Store) (list []string) {
	t.Helper()
	all, err := s.Migrations(testContext(t))
	requireNoError(t, err)
	for _, m := range all {
		switch {
		case m.Unknown():
			list = append(list, "unknown")
		case m.Waiting():
			list = append(list, "waiting")
		case m.Pending():
			list = append(list, "pending")
		default:
			list = append(list, "applied")
		}
	}
	return list[len(schemaSteps(t)):]
}

func schemaSteps(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(embeddedMigrations(), "sqlite/*.sql")
	requireNoError(t, err)
	return files
}

const (
	addNickname  = "ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NULL"
	dropNickname = "-- contract: since 00010 nothing reads users.nickname\n\nALTER TABLE users DROP COLUMN nickname"
	addPoints    = "ALTER TABLE users ADD COLUMN points BIGINT NOT NULL DEFAULT 7"
)

func TestContractStepsWaitForContract(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		older, newer := newStore(t, databaseURL), openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname, dropNickname, addPoints)})
		for _, row := range []struct {
			name          string
			do            func(context.Context) ([]Migration, error)
			applied       int
			states, older []string
		}{
			{"before Migrate", newer.Migrations, 0, []string{"pending", "waiting", "pending"}, nil},
			{"Migrate applies only steps that add, before and after the contract", newer.Migrate, 2, []string{"applied", "waiting", "applied"}, []string{"unknown", "unknown"}},
			{"Migrate of an older program changes nothing", older.Migrate, 0, []string{"applied", "waiting", "applied"}, []string{"unknown", "unknown"}},
			{"Contract applies the contract", newer.Contract, 1, []string{"applied", "applied", "applied"}, []string{"unknown", "unknown", "unknown"}},
			{"Contract applies it once", newer.Contract, 0, []string{"applied", "applied", "applied"}, []string{"unknown", "unknown", "unknown"}},
		} {
			applied, err := row.do(testContext(t))
			if row.states[0] == "pending" {
				applied = nil
			}
			if err != nil || len(applied) != row.applied {
				t.Errorf("%s: got applied steps %v, error %v", row.name, applied, err)
			}
			if got := nextStepStates(t, newer); !slices.Equal(got, row.states) {
				t.Errorf("%s: got %q, want %q", row.name, got, row.states)
			}
			if got := nextStepStates(t, older); !slices.Equal(got, row.older) {
				t.Errorf("%s: older program: got %q, want %q", row.name, got, row.older)
			}
		}
		createUser(t, older, newUser("ada@example.com"))
	})
}

// An empty database cannot be in use by an older program.
func TestEmptyDatabaseGetsContractSteps(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname, dropNickname)})
		migrate(t, s)
		if got, want := nextStepStates(t, s), []string{"applied", "applied"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The newer program finds an empty database and waits for the migration lock of an older program,
// which serves afterwards.
func TestDatabaseMigratedMeanwhileSkipsContractSteps(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		older, newer := openStore(t, databaseURL, Options{}), openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname, dropNickname)})
		newer.dialect = precededDialect{newer.dialect, func() { migrate(t, older) }}
		migrate(t, newer)
		if got, want := nextStepStates(t, newer), []string{"applied", "waiting"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// precededDialect is a dialect in which another program gets the migration lock first.
type precededDialect struct {
	dialect
	migrate func()
}

func (p precededDialect) migrationPool() (*sql.DB, lock.Locker, error) {
	p.migrate()
	return p.dialect.migrationPool()
}

func TestBackfillChangesAllRowsInBatches(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := newStore(t, databaseURL)
		for range 10 {
			createUser(t, s, newUser(newID()))
		}
		text := "-- backfill\n\n-- Two things, and four at a time.\nUPDATE users SET nickname = name WHERE nickname IS NULL LIMIT 4;\n" +
			"UPDATE users SET points = 8\n  WHERE points = 7 LIMIT 4"
		if s.dialect.name() == "sqlite" {
			text = "-- backfill\n\n-- Two things, and four at a time.\nUPDATE users SET nickname = name WHERE id IN (SELECT id FROM users WHERE nickname IS NULL LIMIT 4);\n" +
				"UPDATE users SET points = 8\n  WHERE id IN (SELECT id FROM users WHERE points = 7 LIMIT 4)"
		}
		newer := openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname, addPoints, text)})
		applied, err := newer.Migrate(testContext(t))
		if err != nil || len(applied) != 3 || applied[2].Name == "" || applied[2].AppliedAt.IsZero() {
			t.Fatalf("got steps %+v, error %v", applied, err)
		}
		if n := queryAll[int](t, s, "SELECT COUNT(*) FROM users WHERE nickname = name AND points = 8"); n[0] != 10 {
			t.Errorf("got %d changed rows, want 10", n[0])
		}
		if got, want := nextStepStates(t, newer), []string{"applied", "applied", "applied"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestEndlessBackfillIsStopped(t *testing.T) {
	t.Parallel()
	const rows = 600 // two changes per row exceed backfillSlack
	for _, row := range []struct{ name, statement, want string }{
		{"whose changed rows match again", "UPDATE users SET points = points + 1 WHERE points >= 7", "_next.sql: its condition stays true"},
		{"whose rows do not change", "-- None.\nUPDATE `users`\n  SET nickname = NULL WHERE nickname IS NULL", "_next.sql: its condition stays true"},
		{"that is not an UPDATE", "DELETE FROM limits", "only UPDATE statements"},
		{"that changes all rows twice and ends", "UPDATE users SET points = points + 1 WHERE points < 9", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				s := newStore(t, databaseURL)
				var users []*User
				for range rows {
					users = append(users, newUser(newID()))
				}
				requireNoError(t, s.insert(testContext(t), users))
				newer := openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname, addPoints, "-- backfill\n\n"+row.statement)})
				last := "applied"
				if _, err := newer.Migrate(testContext(t)); row.want == "" {
					requireNoError(t, err)
				} else if last = "pending"; err == nil || !strings.Contains(err.Error(), row.want) || errors.Is(err, ErrUnavailable) {
					t.Errorf("got error %v, want %q", err, row.want)
				}
				if got, want := nextStepStates(t, newer), []string{"applied", "applied", last}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		})
	}
}

// The retry timeout starts with each batch, however long the backfill has run.
func TestBackfillRetriesAfterLockWait(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	s := newStore(t, databaseURL)
	createUser(t, s, newUser("ada@example.com"))
	other := openStore(t, databaseURL, Options{MaxConnections: 1})
	executeAll(t, other, lockUsers)
	newer := openStore(t, databaseURL, Options{Migrations: nextSteps(t, "-- backfill\n\nUPDATE users SET role = 'ADMIN' WHERE role = 'USER'")})
	// For the connections of migrations.
	newer.dialect.(mysqlDialect).config.Params["innodb_lock_wait_timeout"] = "1"
	conflicts := 0
	newer.dialect = conflictDialect{newer.dialect, func() {
		conflicts++
		execute(t, other, "ROLLBACK")
	}}
	_, err := newer.up(testContext(t), false)
	requireNoError(t, err)
	if got, want := nextStepStates(t, newer), []string{"applied"}; !slices.Equal(got, want) || conflicts != 1 {
		t.Errorf("got %q after %d conflicts, want %q after one", got, conflicts, want)
	}
}

// conflictDialect calls onConflict when a statement fails.
type conflictDialect struct {
	dialect
	onConflict func()
}

func (n conflictDialect) retryable(err error) bool {
	n.onConflict()
	return n.dialect.retryable(err)
}

// A long read blocks a step. Queries that come meanwhile must not wait for both.
func TestBlockedMigrationStepDoesNotBlockQueries(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	s := newStore(t, databaseURL)
	u := createUser(t, s, newUser("ada@example.com"))
	newer := openStore(t, databaseURL, Options{Migrations: nextSteps(t, addNickname)})
	migrated := make(chan error, 1)
	requireNoError(t, s.Transaction(testContext(t), func(long *Store) error {
		_, err := long.UserByID(testContext(t), u.ID)
		requireNoError(t, err)
		go func() {
			_, err := newer.Migrate(context.WithoutCancel(testContext(t)))
			migrated <- err
		}()
		const waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table metadata lock%'"
		for queryAll[int](t, s, waiting)[0] == 0 {
			select {
			case err := <-migrated:
				t.Fatalf("Migrate did not wait: %v", err)
			default:
			}
		}
		begin := time.Now()
		_, err = s.UserByID(testContext(t), u.ID)
		requireNoError(t, err)
		t.Logf("the query took %s", time.Since(begin))
		return nil
	}))
	requireNoError(t, <-migrated)
	if got, want := nextStepStates(t, newer), []string{"applied"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

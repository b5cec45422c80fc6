package models

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

func TestMigrateAppliesEachStepOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		ctx := testContext(t)

		before, err := s.Migrations(ctx)
		requireNoError(t, err)
		if len(before) == 0 || slices.ContainsFunc(before, func(m Migration) bool { return !m.AppliedAt.IsZero() }) {
			t.Errorf("empty database: got %v", before)
		}
		if err := s.CreateUser(ctx, newUser("early@example.com")); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("without tables: got error %v", err)
		}

		applied, err := s.Migrate(ctx)
		requireNoError(t, err)
		if len(applied) != len(before) {
			t.Errorf("got applied steps %v, want all of %v", applied, before)
		}
		for i, m := range applied {
			if m.Number != int64(i+1) || m.Name != before[i].Name || m.AppliedAt.IsZero() {
				t.Errorf("step %d: got %+v", i+1, m)
			}
		}

		if again, err := s.Migrate(ctx); err != nil || len(again) > 0 {
			t.Errorf("second Migrate: got %v, %v", again, err)
		}
		after, err := s.Migrations(ctx)
		requireNoError(t, err)
		for _, m := range after {
			if age := time.Since(m.AppliedAt).Abs(); age > time.Hour {
				t.Errorf("%s: got applied at %s, want about now", m.Name, m.AppliedAt)
			}
		}
		wantStepsOnce(t, s)
	})
}

func TestConcurrentMigrateAppliesEachStepOnce(t *testing.T) {
	t.Parallel()
	const many = 8
	for _, row := range []struct {
		name    string
		migrate func(t *testing.T, databaseURL string) error
	}{
		{"several stores in one process", func(t *testing.T, databaseURL string) error {
			s, err := Open(databaseURL, Options{})
			if err != nil {
				return err
			}
			_, err = s.Migrate(testContext(t))
			return errors.Join(err, s.Ping(testContext(t)), s.Close())
		}},
		{"several processes", func(t *testing.T, databaseURL string) error {
			out, err := child(t, "migrates", databaseURL).CombinedOutput()
			if err != nil {
				return errors.New(string(out))
			}
			return nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				var all sync.WaitGroup
				start := make(chan struct{})
				for range many {
					all.Go(func() {
						<-start
						if err := row.migrate(t, databaseURL); err != nil {
							t.Error(err)
						}
					})
				}
				close(start)
				all.Wait()
				wantStepsOnce(t, openStore(t, databaseURL, Options{}))
			})
		})
	}
}

// A process that is killed during a migration leaves its lock behind.
func TestMigrateSucceedsAfterKilledProcess(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		cmd := child(t, "locks", databaseURL)
		out, err := cmd.StdoutPipe()
		requireNoError(t, err)
		requireNoError(t, cmd.Start())
		output, isLocked := "", false
		// The test runner's lines come first.
		for lines := bufio.NewScanner(out); !isLocked && lines.Scan(); output += lines.Text() + "\n" {
			isLocked = lines.Text() == "locked"
		}
		if !isLocked {
			t.Fatalf("the child process did not lock the migrations:\n%s", output)
		}

		s := openStore(t, databaseURL, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := s.Migrate(ctx); err == nil {
			t.Error("Migrate succeeded while another process held the lock")
		}
		requireNoError(t, cmd.Process.Kill())
		if err := cmd.Wait(); err == nil {
			t.Error("the child process exited before it was killed")
		}
		if s.dialect.name() == "mysql" {
			left := queryAll[float64](t, s, "SELECT TIMESTAMPDIFF(MICROSECOND, NOW(6), lease_expires_at) / 1e6 FROM goose_lock")
			if len(left) != 1 || left[0] > migrationLease.Seconds() {
				t.Fatalf("got a lease of %v seconds, want at most %s", left, migrationLease)
			}
			// Lets the lease expire.
			execute(t, s, "UPDATE goose_lock SET lease_expires_at = NOW(6)")
		}
		begin := time.Now()
		migrate(t, s)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("Migrate took %s", took)
		}
	})
}

func TestMigrateStopsWithContext(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		context func(context.Context) (context.Context, context.CancelFunc)
		want    error
	}{
		{"at once if the context has ended", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, context.Canceled},
		{"at the deadline while the lock is held", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 300*time.Millisecond)
		}, context.DeadlineExceeded},
		{"on cancellation while the lock is held", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(300*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				defer lockMigrations(t, databaseURL)()
				ctx, cancel := row.context(t.Context())
				defer cancel()
				begin := time.Now()
				_, err := openStore(t, databaseURL, Options{}).Migrate(ctx)
				wantError(t, err, row.want)
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("Migrate took %s", took)
				}
			})
		})
	}
}

func TestMigrateReturnsAppliedStepsWithError(t *testing.T) {
	t.Parallel()
	s := openStore(t, dbtest.SQLite(t), Options{})
	execute(t, s, "CREATE TABLE sessions (in_the_way TEXT)")
	applied, err := s.Migrate(testContext(t))
	if err == nil || len(applied) != 1 || applied[0].Number != 1 {
		t.Errorf("got steps %v, error %v; want step 1 and an error", applied, err)
	}
	execute(t, s, "DROP TABLE sessions")
	migrate(t, s)
	wantStepsOnce(t, s)
}

// MySQL commits after each CREATE TABLE, so a killed process may leave a table without a record of
// its step.
func TestMigrateResumesUnrecordedStep(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	execute(t, s, "DELETE FROM goose_db_version WHERE version_id > 0")
	migrate(t, s)
	wantStepsOnce(t, s)
}

func TestMigrationLockRetriesOnlyConflicts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		err  error
		want bool
	}{
		{"a held lock", errors.New("acquire lock 4097083626: already held by another instance"), true},
		{"a conflict between two waiters", mysqlError(1213), true},
		{"a missing privilege", mysqlError(1142), false},
		{"a read-only server", mysqlError(1290), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := isLockRetryable(row.err); got != row.want {
				t.Errorf("isLockRetryable: got %t, want %t", got, row.want)
			}
		})
	}
}

func TestStoreWorksWithOneConnection(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{MaxConnections: 1})
		migrate(t, s)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				ctx := testContext(t)
				u := newUser(newID())
				err := s.Transaction(ctx, func(tx *Store) error {
					if err := tx.CreateUser(ctx, u); err != nil {
						return err
					}
					if _, err := tx.UserByID(ctx, u.ID); err != nil {
						return err
					}
					return tx.CreateSession(ctx, newSession(u))
				})
				_, readErr := s.UserByID(ctx, u.ID)
				if err := errors.Join(err, readErr, s.SetRole(ctx, u.ID, "ADMIN"), s.Ping(ctx)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.pool.Stats().MaxOpenConnections; n != 1 {
			t.Errorf("got %d connections, want 1", n)
		}
	})
}

// The test program runs itself as a child process for tests that need one.
const childEnv = "FIELDGATE_MODELS_CHILD"

func child(t *testing.T, does, databaseURL string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	requireNoError(t, err)
	cmd := exec.CommandContext(testContext(t), self, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+does+" "+databaseURL)
	return cmd
}

func TestChild(t *testing.T) {
	t.Parallel()
	does, databaseURL, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		t.Skip("runs only as the child process of other tests")
	}
	switch does {
	case "migrates":
		migrate(t, openStore(t, databaseURL, Options{}))
	case "locks":
		defer lockMigrations(t, databaseURL)()
		os.Stdout.WriteString("\nlocked\n")
		<-time.After(time.Minute) // without a timer Go would report a deadlock
	}
}

// lockMigrations holds the migration lock until unlock is called.
func lockMigrations(t *testing.T, databaseURL string) (unlock func()) {
	t.Helper()
	d, err := dialectOf(databaseURL)
	requireNoError(t, err)
	pool, lock, err := d.migrationPool()
	requireNoError(t, err)
	requireNoError(t, lock.Lock(t.Context(), pool))
	return func() {
		if err := errors.Join(lock.Unlock(context.Background(), pool), pool.Close()); err != nil {
			t.Error(err)
		}
	}
}

func wantStepsOnce(t *testing.T, s *Store) {
	t.Helper()
	list, err := s.Migrations(testContext(t))
	requireNoError(t, err)
	var want []int64
	for _, m := range list {
		want = append(want, m.Number)
	}
	got := queryAll[int64](t, s, "SELECT version_id FROM goose_db_version WHERE version_id > 0 ORDER BY version_id")
	if !slices.Equal(got, want) {
		t.Errorf("got recorded steps %v, want each of %v once", got, want)
	}
}

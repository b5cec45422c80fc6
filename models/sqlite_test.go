package models

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"fieldgate/internal/dbtest"
)

func TestSQLiteFilesAreOwnerOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	dir := t.TempDir()
	s := newStore(t, "sqlite://"+filepath.Join(dir, "x.db"))
	createUser(t, s, newUser("ada@example.com"))
	wantModes(t, dir, 0o600, "x.db", "x.db-shm", "x.db-wal", "x.db.lock")
}

func TestSQLiteSidecarFilesHaveDatabaseMode(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	requireNoError(t, os.WriteFile(path, nil, 0o600))
	requireNoError(t, os.Chmod(path, 0o660)) // whatever the umask
	s := newStore(t, "sqlite://"+path)
	createUser(t, s, newUser("ada@example.com"))
	wantModes(t, dir, 0o660, "x.db", "x.db-shm", "x.db-wal", "x.db.lock")
}

func TestSQLiteCloseRemovesSidecarFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open("sqlite://"+filepath.Join(dir, "x.db"), Options{})
	requireNoError(t, err)
	migrate(t, s)
	requireNoError(t, s.Close())
	for _, name := range []string{"x.db-wal", "x.db-shm"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s still exists", name)
		}
	}
}

func TestSQLitePathIsUsedLiterally(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"plain.db", "with space.db", "100%.db", "%41.db", "%00.db", "what?.db", "what?mode=memory&cache=shared", "sharp#1.db",
		"a&b=c+d;e.db", "zoë 👍.db", "quote's \"x\".db", "file:x.db", ":memory:.db", "~", "semi;colon", "[x]", "-x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			s := newStore(t, "sqlite://"+path)
			createUser(t, s, newUser("ada@example.com"))
			wantModes(t, dir, 0o600, name, name+"-shm", name+"-wal", name+".lock")
			if got, ok := SQLitePath("sqlite://" + path); got != path || !ok {
				t.Errorf("SQLitePath: got %q, %t", got, ok)
			}
			again := openStore(t, "sqlite://"+path, Options{})
			_, err := again.UserByEmailKey(testContext(t), "ada@example.com")
			requireNoError(t, err)
		})
	}
}

func TestSQLitePathAcceptsExtraSlashes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newStore(t, "sqlite:////"+dir+"//x.db")
	wantModes(t, dir, 0o600, "x.db", "x.db-shm", "x.db-wal", "x.db.lock")
}

func TestSQLitePathRejectsOtherDatabases(t *testing.T) {
	t.Parallel()
	if _, ok := SQLitePath("mysql://ada@localhost/x"); ok {
		t.Error("got ok for a mysql:// URL")
	}
}

func TestSQLiteSettings(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1", "busy_timeout": "10000",
	} {
		if got := queryAll[string](t, s, "PRAGMA "+pragma); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", pragma, got, want)
		}
	}
}

func TestSQLiteTimesSortAsText(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	createUser(t, s, newUser("ada@example.com"))
	if got := queryAll[string](t, s, "SELECT CAST(created_at AS TEXT) FROM users"); got[0] != "2026-02-28 23:59:59.999" {
		t.Errorf("got %q, want 2026-02-28 23:59:59.999", got[0])
	}
}

// The number of prepared statements is bounded.
func TestPreparedStatementsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	pool := s.db.ConnPool.(*preparedPool)
	text := "SELECT 1"
	for range 2 * maxPrepared {
		text += " "
		if got := queryAll[int](t, s, text); len(got) != 1 || got[0] != 1 {
			t.Fatalf("got %v, want 1", got)
		}
	}
	kept := 0
	pool.statements.Range(func(any, any) bool { kept++; return true })
	if kept != maxPrepared {
		t.Errorf("got %d prepared statements, want %d", kept, maxPrepared)
	}
}

func wantModes(t *testing.T, dir string, mode fs.FileMode, names ...string) {
	t.Helper()
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		switch {
		case err != nil:
			t.Error(err)
		case runtime.GOOS != "windows" && info.Mode().Perm() != mode:
			t.Errorf("%s: got mode %s, want %s", name, info.Mode().Perm(), mode)
		}
	}
	entries, err := os.ReadDir(dir)
	requireNoError(t, err)
	if len(entries) != len(names) {
		t.Errorf("got %d files, want %q", len(entries), names)
	}
}

// Without the write lock from the start, a transaction that has read fails at its write if another
// one was quicker.
func TestSQLiteReadThenWriteTransactionsDoNotConflict(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.SQLite(t))
	u := newUser("ada@example.com")
	u.Name = ""
	createUser(t, s, u)
	const many = 20
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			ctx := testContext(t)
			err := s.Transaction(ctx, func(tx *Store) error {
				now, err := tx.UserByID(ctx, u.ID)
				if err != nil {
					return err
				}
				return tx.SetName(ctx, u.ID, now.Name+"x", "")
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := s.UserByID(testContext(t), u.ID)
	requireNoError(t, err)
	if len(got.Name) != many {
		t.Errorf("got %d changes, want %d", len(got.Name), many)
	}
}

func TestSQLiteWaitsForLocksOnNewFile(t *testing.T) {
	t.Parallel()
	for _, lock := range []string{"IMMEDIATE", "EXCLUSIVE"} {
		t.Run(lock, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			s := openStore(t, "sqlite://"+path, Options{})
			other, err := driver.Open("file:" + path)
			requireNoError(t, err)
			conn, err := other.Conn(testContext(t))
			requireNoError(t, err)
			_, err = conn.ExecContext(testContext(t), "BEGIN "+lock)
			requireNoError(t, err)
			released := make(chan error, 1)
			time.AfterFunc(100*time.Millisecond, func() { released <- errors.Join(conn.Close(), other.Close()) })
			migrate(t, s)
			requireNoError(t, <-released)
		})
	}
}

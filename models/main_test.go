package models

import (
	"context"
	"errors"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"fieldgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// testTimeout bounds calls that should be fast, on a busy machine.
const testTimeout = 30 * time.Second

// testContext returns a context that ends hanging calls before the test runner ends all tests.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

func openStore(t *testing.T, databaseURL string, o Options) *Store {
	t.Helper()
	s, err := Open(databaseURL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newStore returns a store with migrated tables.
func newStore(t *testing.T, databaseURL string) *Store {
	t.Helper()
	s := openStore(t, databaseURL, Options{})
	migrate(t, s)
	return s
}

func migrate(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Migrate(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// eachStore runs f on an empty database of each kind.
func eachStore(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, databaseURL string) { f(t, newStore(t, databaseURL)) })
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// moment is a time that every column stores exactly.
var moment = time.Date(2026, 2, 28, 23, 59, 59, 999_000_000, time.UTC)

func newUser(key string) *User {
	return &User{
		ID: newID(), Email: key, EmailKey: key, Name: "Ada", NameKey: "ada", PasswordHash: "hash", Role: "USER",
		CreatedAt: moment, UpdatedAt: moment,
	}
}

func newSession(u *User) *Session {
	return &Session{
		ID: newID(), UserID: u.ID, User: u, Epoch: u.SessionEpoch, RefreshHash: []byte(newID())[:32],
		CreatedAt: moment, LastUsedAt: moment, ExpiresAt: moment.Add(time.Hour),
	}
}

func createUser(t *testing.T, s *Store, u *User) *User {
	t.Helper()
	if err := s.CreateUser(testContext(t), u); err != nil {
		t.Fatal(err)
	}
	return u
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func requireNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func queryAll[T any](t *testing.T, s *Store, query string, args ...any) []T {
	t.Helper()
	var list []T
	if err := s.conn(testContext(t)).Raw(query, args...).Scan(&list).Error; err != nil {
		t.Fatal(err)
	}
	return list
}

func execute(t *testing.T, s *Store, statement string) {
	t.Helper()
	if err := s.conn(testContext(t)).Exec(statement).Error; err != nil {
		t.Fatal(err)
	}
}

func mysqlError(number uint16) error {
	return &mysqldriver.MySQLError{Number: number, Message: "the message"}
}

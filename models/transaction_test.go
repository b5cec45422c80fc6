package models

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"fieldgate/internal/dbtest"
)

var errCaller = errors.New("an error of the caller")

func TestFailedTransactionRollsBack(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		call func(ctx context.Context, s *Store, u *User) error
		want error
	}{
		{"on an error", func(ctx context.Context, s *Store, u *User) error {
			return s.Transaction(ctx, func(tx *Store) error {
				return errors.Join(tx.CreateUser(ctx, u), tx.CreateSession(ctx, newSession(u)), errCaller)
			})
		}, errCaller},
		{"on an error after a nested transaction", func(ctx context.Context, s *Store, u *User) error {
			return s.Transaction(ctx, func(tx *Store) error {
				err := tx.Transaction(ctx, func(tx *Store) error { return tx.CreateUser(ctx, u) })
				return errors.Join(err, errCaller)
			})
		}, errCaller},
		{"on an error of the second statement", func(ctx context.Context, s *Store, u *User) error {
			return s.Transaction(ctx, func(tx *Store) error {
				if err := tx.CreateUser(ctx, u); err != nil {
					return err
				}
				return tx.CreateUser(ctx, newUser(u.EmailKey))
			})
		}, ErrEmailTaken},
		{"on a panic", func(ctx context.Context, s *Store, u *User) (err error) {
			defer func() { err = recover().(error) }()
			return s.Transaction(ctx, func(tx *Store) error {
				if err := tx.CreateUser(ctx, u); err != nil {
					return err
				}
				panic(errCaller)
			})
		}, errCaller},
		{"when its context is cancelled at the end", func(ctx context.Context, s *Store, u *User) error {
			ctx, cancel := context.WithCancel(ctx)
			return s.Transaction(ctx, func(tx *Store) error {
				defer cancel()
				return tx.CreateUser(ctx, u)
			})
		}, context.Canceled},
		{"when its context is cancelled between two statements", func(ctx context.Context, s *Store, u *User) error {
			ctx, cancel := context.WithCancel(ctx)
			return s.Transaction(ctx, func(tx *Store) error {
				err := tx.CreateUser(ctx, u)
				cancel()
				return errors.Join(err, tx.CreateSession(ctx, newSession(u)))
			})
		}, context.Canceled},
		{"when its context was cancelled before", func(ctx context.Context, s *Store, u *User) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return s.CreateUser(ctx, u)
		}, context.Canceled},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				// A connection that is not returned would block.
				s := openStore(t, databaseURL, Options{MaxConnections: 1})
				migrate(t, s)
				u := newUser("ada@example.com")
				err := row.call(testContext(t), s, u)
				wantError(t, err, row.want)
				if errors.Is(err, ErrUnavailable) {
					t.Errorf("got ErrUnavailable from a working database: %v", err)
				}
				for _, table := range []string{"users", "sessions"} {
					if n := queryAll[int](t, s, "SELECT COUNT(*) FROM "+table); n[0] != 0 {
						t.Errorf("got %d rows in table %s, want 0", n[0], table)
					}
				}
				createUser(t, s, u)
			})
		})
	}
}

func TestTransactionCommitsAllStatements(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		u := newUser("ada@example.com")
		session := newSession(u)
		requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
			if err := tx.CreateUser(ctx, u); err != nil {
				return err
			}
			if _, err := tx.UserByID(ctx, u.ID); err != nil {
				t.Errorf("the transaction does not see its own row: %v", err)
			}
			return tx.CreateSession(ctx, session)
		}))
		_, err := s.SessionWithUser(ctx, session.ID, session.UserID)
		requireNoError(t, err)
	})
}

func TestTransactionRetriesOnlyConflicts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		err      error
		attempts int
		want     error
	}{
		{"after a deadlock", mysqlError(1213), conflictBackoff.attempts, ErrUnavailable},
		{"after a lock wait timeout", mysqlError(1205), conflictBackoff.attempts, ErrUnavailable},
		{"after a conflict that Galera reports before the COMMIT", mysqlError(1180), conflictBackoff.attempts, ErrUnavailable},
		{"on a node of Galera that is not ready", mysqlError(1047), conflictBackoff.attempts, ErrUnavailable},
		{"after a conflict in Group Replication", mysqlError(3101), conflictBackoff.attempts, ErrUnavailable},
		{"after a conflict in TiDB", mysqlError(9007), conflictBackoff.attempts, ErrUnavailable},
		{"after a conflict of MariaDB's snapshots", mysqlError(1020), conflictBackoff.attempts, ErrUnavailable},
		{"but not after an unknown error", mysqlError(1105), 1, nil},
		{"but not with too many connections", mysqlError(1040), 1, ErrUnavailable},
		{"but not without a connection", mysqldriver.ErrInvalidConn, 1, ErrUnavailable},
		{"but not after an error of the caller", errCaller, 1, errCaller},
		{"but not for a missing row", ErrNotFound, 1, ErrNotFound},
		{"but not for an address that is taken", ErrEmailTaken, 1, ErrEmailTaken},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, dbtest.MySQL(t))
			attempts := 0
			err := s.Transaction(testContext(t), func(*Store) error {
				attempts++
				return row.err
			})
			if attempts != row.attempts {
				t.Errorf("got %d attempts, want %d", attempts, row.attempts)
			}
			wantError(t, err, row.err)
			if row.want != nil {
				wantError(t, err, row.want)
			} else if errors.Is(err, ErrUnavailable) {
				t.Errorf("got error %v, want no ErrUnavailable", err)
			}
		})
	}
}

// A transaction that times out on a lock in each attempt must return while its client still waits.
func TestTransactionRetryStopsAtTimeout(t *testing.T) {
	t.Parallel()
	now, attempts := moment, 0
	s := openStore(t, dbtest.MySQL(t), Options{Now: func() time.Time { return now }})
	err := s.Transaction(testContext(t), func(*Store) error {
		attempts++
		now = now.Add(lockWaitTimeout)
		return mysqlError(1205)
	})
	wantError(t, err, ErrUnavailable)
	if attempts != 2 {
		t.Errorf("got %d attempts, want 2", attempts)
	}
}

func TestTransactionRetryStopsWithContext(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	ctx, cancel := context.WithCancel(testContext(t))
	attempts := 0
	err := s.Transaction(ctx, func(*Store) error {
		attempts++
		cancel()
		return mysqlError(1213)
	})
	wantError(t, err, context.Canceled)
	if attempts != 1 {
		t.Errorf("got %d attempts, want 1", attempts)
	}
}

// Two transactions that have locked one row each and want the other's.
func TestBothDeadlockedTransactionsSucceed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		// rename is one write of the transaction.
		rename func(ctx context.Context, tx *Store, id, name string) error
	}{
		{"with plain writes", func(ctx context.Context, tx *Store, id, name string) error {
			return tx.SetName(ctx, id, name, name)
		}},
		{"with nested transactions", func(ctx context.Context, tx *Store, id, name string) error {
			return tx.Transaction(ctx, func(tx *Store) error { return tx.SetName(ctx, id, name, name) })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, dbtest.MySQL(t))
			ctx := testContext(t)
			ada, bob := createUser(t, s, newUser("ada@example.com")), createUser(t, s, newUser("bob@example.com"))
			var both, all sync.WaitGroup
			both.Add(2)
			var mu sync.Mutex
			attempts := 0
			for name, order := range map[string][2]string{"one": {ada.ID, bob.ID}, "two": {bob.ID, ada.ID}} {
				all.Go(func() {
					first := sync.OnceFunc(func() { both.Done(); both.Wait() })
					err := s.Transaction(ctx, func(tx *Store) error {
						mu.Lock()
						attempts++
						mu.Unlock()
						if err := row.rename(ctx, tx, order[0], name); err != nil {
							return err
						}
						first()
						return row.rename(ctx, tx, order[1], name)
					})
					if err != nil {
						t.Errorf("transaction %s: %v", name, err)
					}
				})
			}
			all.Wait()
			if attempts != 3 {
				t.Errorf("got %d attempts, want 3: one retry", attempts)
			}
			if names := queryAll[string](t, s, "SELECT DISTINCT name FROM users"); len(names) != 1 {
				t.Errorf("got names %q: one transaction was applied in part", names)
			}
		})
	}
}

// MariaDB from 11.6 on refuses to write a row that another transaction has changed since the
// snapshot.
func TestStaleSnapshotIsRetried(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	ctx := testContext(t)
	u := createUser(t, s, newUser("ada@example.com"))
	if len(queryAll[struct{ VariableName, Value string }](t, s, "SHOW VARIABLES LIKE 'innodb_snapshot_isolation'")) == 0 {
		t.Skip("this server has no innodb_snapshot_isolation")
	}
	attempts := 0
	requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
		attempts++
		execute(t, tx, "SET SESSION innodb_snapshot_isolation = ON")
		if _, err := tx.UserByID(ctx, u.ID); err != nil {
			return err
		}
		if attempts == 1 {
			requireNoError(t, s.SetName(ctx, u.ID, "Eve", "eve"))
		}
		return tx.SetRole(ctx, u.ID, "ADMIN")
	}))
	if attempts != 2 {
		t.Errorf("got %d attempts, want 2", attempts)
	}
}

// Preparing a shared statement waits for a connection. A transaction that holds the only connection
// must not wait for that statement.
func TestTransactionDoesNotWaitForStatementBeingPrepared(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{MaxConnections: 1})
		migrate(t, s)
		ctx := testContext(t)
		u := createUser(t, s, newUser("ada@example.com"))
		outside := make(chan error, 1)
		requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
			before := s.pool.Stats().WaitCount
			go func() { _, err := s.UserByID(ctx, u.ID); outside <- err }()
			for s.pool.Stats().WaitCount == before && ctx.Err() == nil {
				runtime.Gosched() // until the other call waits for the connection
			}
			_, err := tx.UserByID(ctx, u.ID)
			return err
		}))
		requireNoError(t, <-outside)
	})
}

func TestCanceledClientDoesNotCancelOthers(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		u := createUser(t, s, newUser("ada@example.com"))
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(testContext(t))
				if i%2 == 0 {
					defer cancel()
				} else {
					go cancel()
				}
				_, err := s.UserByID(ctx, u.ID)
				if i%2 == 0 && err != nil {
					t.Errorf("waiting client: got error %v", err)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("cancelled client: got error %v", err)
				}
				cancel()
			})
		}
		all.Wait()
	})
}

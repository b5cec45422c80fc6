package models

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

var errRefused = errors.New("refused")

func emailKeys(t *testing.T, s *Store) []string {
	t.Helper()
	return queryAll[string](t, s, "SELECT email_key FROM users ORDER BY email_key")
}

func wantEmailKeys(t *testing.T, s *Store, want ...string) {
	t.Helper()
	got := emailKeys(t, s)
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestSavepointRollsBackOnlyRejectedPart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		part := func(tx *Store, email string, err error) error {
			return tx.savepoint(ctx, errRefused, func(tx *Store) error { return errors.Join(tx.CreateUser(ctx, newUser(email)), err) })
		}
		requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
			requireNoError(t, tx.CreateUser(ctx, newUser("a")))
			wantError(t, part(tx, "b", errRefused), errRefused)
			requireNoError(t, part(tx, "b", nil)) // the same key again
			requireNoError(t, tx.savepoint(ctx, errRefused, func(tx *Store) error {
				requireNoError(t, tx.CreateUser(ctx, newUser("c")))
				wantError(t, part(tx, "d", errRefused), errRefused)
				return tx.CreateUser(ctx, newUser("e"))
			}))
			wantError(t, tx.savepoint(ctx, errRefused, func(tx *Store) error {
				// Released, and rolled back with the outer savepoint.
				requireNoError(t, part(tx, "f", nil))
				return errRefused
			}), errRefused)
			return tx.CreateUser(ctx, newUser("g"))
		}))
		wantEmailKeys(t, s, "a", "b", "c", "e", "g")
	})
}

func TestSavepointOutsideTransactionStartsOne(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		requireNoError(t, s.savepoint(ctx, errRefused, func(tx *Store) error { return tx.CreateUser(ctx, newUser("a")) }))
		for _, err := range []error{errRefused, errors.New("another error")} {
			wantError(t, s.savepoint(ctx, errRefused, func(tx *Store) error {
				requireNoError(t, tx.CreateUser(ctx, newUser("b")))
				return err
			}), err)
		}
		wantEmailKeys(t, s, "a")
	})
}

func TestOtherErrorInSavepointFailsTransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		other := errors.New("another error")
		wantError(t, s.Transaction(ctx, func(tx *Store) error {
			requireNoError(t, tx.CreateUser(ctx, newUser("a")))
			return tx.savepoint(ctx, errRefused, func(*Store) error { return other })
		}), other)
		wantEmailKeys(t, s)
	})
}

// A savepoint that the database has dropped does not count as rolled back.
func TestLostSavepointFailsTransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		err := s.Transaction(ctx, func(tx *Store) error {
			err := tx.savepoint(ctx, errRefused, func(tx *Store) error {
				requireNoError(t, tx.CreateUser(ctx, newUser("a")))
				// As a deadlock does.
				requireNoError(t, tx.control(ctx, "RELEASE SAVEPOINT savepoint_1"))
				return errRefused
			})
			if err == nil || errors.Is(err, errRefused) {
				t.Errorf("got error %v, want the database's", err)
			}
			return err
		})
		if err == nil {
			t.Error("the transaction was committed")
		}
		wantEmailKeys(t, s)
	})
}

// Two transactions deadlock inside savepoints. InnoDB rolls back all of one, which is retried as a
// whole.
func TestDeadlockInSavepointRetriesWholeTransaction(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	ctx := testContext(t)
	users := []*User{createUser(t, s, newUser("ada")), createUser(t, s, newUser("bob"))}
	var runs atomic.Int32
	var met, done sync.WaitGroup
	met.Add(len(users))
	for i, own := range users {
		other := users[1-i]
		done.Go(func() {
			first := true
			err := s.Transaction(ctx, func(tx *Store) error {
				runs.Add(1)
				if err := tx.SetName(ctx, own.ID, "Eve", "eve"); err != nil {
					return err
				}
				if first {
					first = false
					met.Done()
					met.Wait() // each has locked its own row now
				}
				if err := tx.insert(ctx, newSession(own)); err != nil {
					return err
				}
				return tx.savepoint(ctx, errRefused, func(tx *Store) error { return tx.SetRole(ctx, other.ID, "STAFF") })
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := runs.Load(); n < 3 {
		t.Errorf("got %d runs, want at least 3: no deadlock happened", n)
	}
	for _, u := range users {
		got, err := s.UserByID(ctx, u.ID)
		requireNoError(t, err)
		if got.Name != "Eve" || got.Role != "STAFF" {
			t.Errorf("got %s, %s; want Eve, STAFF", got.Name, got.Role)
		}
		if n := queryAll[int](t, s, "SELECT COUNT(*) FROM sessions WHERE user_id = ?", u.ID); n[0] != 1 {
			t.Errorf("got %d sessions of %s, want 1", n[0], u.Email)
		}
	}
}

// A registration for a taken address costs as many statements as one for a free address.
func TestCreateUserUnlessReservedCostsSameForTakenEmail(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		cost := func(want error) (n uint64) {
			requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
				before := s.Queries()
				wantError(t, tx.CreateUserUnlessReserved(ctx, newUser("ada")), want)
				if want != nil { // the caller reads the owner of the address
					_, err := tx.UserByEmailKey(ctx, "ada")
					requireNoError(t, err)
				}
				n = s.Queries() - before
				return nil
			}))
			return n
		}
		if free, taken := cost(nil), cost(ErrEmailTaken); free != taken {
			t.Errorf("got %d statements for a free address, %d for a taken one", free, taken)
		}
	})
}

func TestReservedEmailInsertsNothingAndKeepsTransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		reserveEmail(t, s, "reserved", moment.Add(time.Hour))
		requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
			wantError(t, tx.CreateUserUnlessReserved(ctx, newUser("reserved")), ErrEmailTaken)
			_, err := tx.UserByEmailKey(ctx, "reserved")
			wantError(t, err, ErrNotFound)
			return tx.CreateUser(ctx, newUser("other"))
		}))
		wantError(t, s.CreateUserUnlessReserved(ctx, newUser("reserved")), ErrEmailTaken)
		requireNoError(t, s.CreateUserUnlessReserved(ctx, newUser("free")))
		wantEmailKeys(t, s, "free", "other")
	})
}

// reserveEmail lets another account reserve an address until a time.
func reserveEmail(t *testing.T, s *Store, key string, until time.Time) {
	t.Helper()
	requireNoError(t, s.insert(testContext(t), newToken(newID(), key, nil, until)))
}

func newToken(userID, key string, singletonKey *string, until time.Time) *OneTimeToken {
	return &OneTimeToken{ID: newID(), Hash: []byte(newID())[:32], UserID: userID, Purpose: "purpose", SingletonKey: singletonKey, Email: key, EmailKey: key, ExpiresAt: until}
}

package models

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// clientTimeout is how long a client waits for an answer.
const clientTimeout = 30 * time.Second

func TestTransactionSurvivesTwoSecondSwitchover(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	ctx, u := testContext(t), newUser("ada@example.com")
	begin := time.Now()
	requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
		if time.Since(begin) < 2*time.Second {
			return fmt.Errorf("no writer: %w", driver.ErrBadConn)
		}
		return tx.CreateUser(ctx, u)
	}))
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("got %s, want at most 4s", took)
	}
	_, err := s.UserByID(ctx, u.ID)
	requireNoError(t, err)
}

func TestBadConnectionIsRetriedForSeconds(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	attempts, begin := 0, time.Now()
	err := s.Transaction(testContext(t), func(*Store) error { attempts++; return driver.ErrBadConn })
	wantError(t, err, ErrUnavailable)
	wantError(t, err, driver.ErrBadConn)
	if took := time.Since(begin); attempts != badConnectionBackoff.attempts || took < 3*time.Second || took > clientTimeout/3 {
		t.Errorf("got %d attempts in %s", attempts, took)
	}
}

// A transaction whose connection fails again after seconds of work must not keep its client
// waiting.
func TestBadConnectionRetryStopsAtTransactionTimeout(t *testing.T) {
	t.Parallel()
	now, attempts := moment, 0
	s := openStore(t, dbtest.MySQL(t), Options{Now: func() time.Time { return now }})
	err := s.Transaction(testContext(t), func(*Store) error {
		attempts++
		now = now.Add(transactionRetryTimeout / 2)
		return driver.ErrBadConn
	})
	wantError(t, err, ErrUnavailable)
	if attempts != 2 {
		t.Errorf("got %d attempts, want 2", attempts)
	}
}

func TestBadConnectionRetryStopsWithContext(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	ctx, cancel := context.WithCancel(testContext(t))
	attempts := 0
	err := s.Transaction(ctx, func(*Store) error { attempts++; cancel(); return driver.ErrBadConn })
	wantError(t, err, context.Canceled)
	if attempts != 1 || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %d attempts, %v; want 1 and no ErrUnavailable", attempts, err)
	}
}

// A switchover may end in deadlocks between the waiting transactions: each reason has its own
// attempts.
func TestConflictsAndBadConnectionsAreCountedApart(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	attempts := 0
	requireNoError(t, s.Transaction(testContext(t), func(*Store) error {
		attempts++
		switch {
		case attempts <= 3:
			return driver.ErrBadConn
		case attempts <= 3+conflictBackoff.attempts-1:
			return mysqlError(1213)
		}
		return nil
	}))
}

func TestBackoffStaysWithinBounds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name        string
		b           backoff
		least, most time.Duration // sum of all waits
	}{
		{"conflict", conflictBackoff, 0, 955 * time.Millisecond},
		{"bad connection", badConnectionBackoff, 3 * time.Second, 4500 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for range 1000 {
				var sum time.Duration
				for attempt := 1; attempt < row.b.attempts; attempt++ {
					sum += row.b.wait(attempt)
				}
				if sum < row.least || sum > row.most {
					t.Fatalf("got waits of %s, want %s to %s", sum, row.least, row.most)
				}
			}
		})
	}
}

// The driver turns the error of a read-only server into driver.ErrBadConn.
func TestRetryLeavesReadOnlyServer(t *testing.T) {
	t.Parallel()
	for _, number := range []uint16{1290, 1792, 1836} {
		t.Run(fmt.Sprint("error ", number), func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, dbtest.MySQL(t))
			s := newStore(t, p.url)
			u := newUser("ada@example.com")
			p.refuseAt("INSERT INTO `users`", "DO 0", number, "The server is read only")
			requireNoError(t, s.CreateUser(testContext(t), u))
			_, err := s.UserByID(testContext(t), u.ID)
			requireNoError(t, err)
		})
	}
}

// A COMMIT that a read-only server rejects is not retried: the client learns that nothing was done.
func TestBadConnectionAtCommitIsNotRetried(t *testing.T) {
	t.Parallel()
	p := newProxy(t, dbtest.MySQL(t))
	s := newStore(t, p.url)
	ctx, u, attempts := testContext(t), newUser("ada@example.com"), 0
	p.refuseAt("COMMIT", "ROLLBACK", 1290, "The server is read only")
	wantError(t, s.Transaction(ctx, func(tx *Store) error { attempts++; return tx.CreateUser(ctx, u) }), ErrUnavailable)
	_, err := s.UserByID(ctx, u.ID)
	wantError(t, err, ErrNotFound)
	if attempts != 1 {
		t.Errorf("got %d attempts, want 1", attempts)
	}
}

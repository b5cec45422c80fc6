package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
)

// A slow database that answers a probe is not silent.
func TestCircuitStaysClosedForSlowDatabase(t *testing.T) {
	t.Parallel()
	t.Run("during a slow statement", func(t *testing.T) {
		t.Parallel()
		s := newStore(t, dbtest.MySQL(t))
		if got := queryAll[int](t, s, "SELECT SLEEP(4)"); got[0] != 0 {
			t.Error("the statement was interrupted")
		}
		wantNoInterruption(t, s)
	})
	t.Run("while a statement waits for a lock", func(t *testing.T) {
		t.Parallel()
		databaseURL := dbtest.MySQL(t)
		s, other := newStore(t, databaseURL), openStore(t, databaseURL, Options{MaxConnections: 1})
		u := createUser(t, s, newUser("ada@example.com"))
		executeAll(t, other, lockUsers)
		ctx := testContext(t)
		err := s.conn(ctx).Exec("UPDATE users SET name = 'Eve' WHERE id = ?", u.ID).Error
		if err == nil || !s.dialect.retryable(err) {
			t.Errorf("got error %v, want a lock wait timeout", err)
		}
		wantNoInterruption(t, s)
		executeAll(t, other, "ROLLBACK")
	})
	t.Run("with a database 100 ms away", func(t *testing.T) {
		t.Parallel()
		databaseURL := dbtest.MySQL(t)
		f := clustertest.Forward(t, hostOf(t, databaseURL))
		f.SetDelay(50*time.Millisecond, 50*time.Millisecond)
		s := openStore(t, f.URL(databaseURL), Options{MaxConnections: 4})
		migrate(t, openStore(t, databaseURL, Options{}))
		c := startLoad(t, s, 12, s.Ping, func(ctx context.Context) error {
			return s.conn(ctx).Exec("DO SLEEP(2)").Error
		})
		<-time.After(6 * time.Second)
		c.end()
		if len(c.refused)+len(c.otherErrors) > 0 || c.answered.IsZero() {
			t.Errorf("got %d refusals, errors %v; want none", len(c.refused), c.otherErrors)
		}
		wantNoInterruption(t, s)
	})
}

func wantNoInterruption(t *testing.T, s *Store) {
	t.Helper()
	if state := s.Connections(); state.Openings != 0 || state.ReadOnly || state.Retired != 0 {
		t.Errorf("got state %+v", state)
	}
	if silent := s.Silence(s.now().Add(-time.Minute)); silent != 0 {
		t.Errorf("got a silence of %s, want 0", silent)
	}
}

// The outcome of a COMMIT without an answer is unknown, so the breaker leaves it the driver's full
// timeout.
func TestBreakerDoesNotInterruptCommit(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	f := clustertest.Forward(t, hostOf(t, node.URL()))
	s := newStore(t, f.URL(node.URL()))
	ctx := testContext(t)
	u := newUser("ada@example.com")
	var begin time.Time
	err := s.Transaction(ctx, func(tx *Store) error {
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		begin = time.Now()
		f.Swallow(clustertest.HoleAfterAccept)
		time.AfterFunc(4*time.Second, f.Restore)
		return nil
	})
	if took := time.Since(begin); err != nil || took < 4*time.Second {
		t.Errorf("COMMIT: got %v after %s", err, took)
	}
	if s.Connections().Openings != 1 {
		t.Errorf("got state %+v, want one opening", s.Connections())
	}
	eventually(t, 2*time.Second, "the database answers", func() error { _, err := s.UserByID(ctx, u.ID); return err })
}

// A transaction whose connection was cut before COMMIT has done nothing, and returns
// ErrUnavailable.
func TestTransactionCutBeforeCommitIsNotCommitted(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	f := clustertest.Forward(t, hostOf(t, node.URL()))
	s := newStore(t, f.URL(node.URL()))
	ctx := testContext(t)
	u := newUser("ada@example.com")
	err := s.Transaction(ctx, func(tx *Store) error {
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		f.Swallow(clustertest.HoleAfterAccept)
		eventually(t, 5*time.Second, "the circuit opens", func() error {
			if !s.Connections().CircuitOpen {
				return errors.New("it is closed")
			}
			return nil
		})
		return nil
	})
	wantError(t, err, ErrUnavailable)
	f.Restore()
	eventually(t, 2*time.Second, "the database answers", func() error { return s.Ping(ctx) })
	_, err = s.UserByID(ctx, u.ID)
	wantError(t, err, ErrNotFound)
}

// A new connection runs SHOW VARIABLES; pooled connections rely on the heartbeat.
func TestHeartbeatRunsOncePerSecond(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	s := openStore(t, node.URL(), Options{MaxConnections: 8})
	migrate(t, s)
	c := startLoad(t, s, 8, s.Ping)
	count := func() (n int) {
		pool, err := sql.Open("mysql", "root@tcp("+hostOf(t, node.URL())+")/")
		requireNoError(t, err)
		defer pool.Close()
		requireNoError(t, pool.QueryRowContext(testContext(t), "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Com_show_variables'").Scan(&n))
		return n
	}
	<-time.After(2 * time.Second) // all connections are open by then
	before := count()
	<-time.After(5 * time.Second)
	n := count() - before
	c.end()
	if t.Logf("%d queries in 5 s", n); n < 3 || n > 7 {
		t.Errorf("got %d queries in 5 s, want 3 to 7", n)
	}
}

func TestCloseStopsHeartbeat(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	other := openStore(t, databaseURL, Options{MaxConnections: 1})
	others := func() int {
		return queryAll[int](t, other, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()")[0]
	}
	s, err := Open(databaseURL, Options{MaxConnections: 1})
	requireNoError(t, err)
	_, err = s.Migrate(testContext(t))
	requireNoError(t, err)
	eventually(t, 5*time.Second, "both heartbeats have connections", func() error {
		if n := others(); n != 4 {
			return fmt.Errorf("got %d connections, want 4", n)
		}
		return nil
	})
	requireNoError(t, s.Close())
	eventually(t, 5*time.Second, "only the other store has connections", func() error {
		if n := others(); n != 2 {
			return fmt.Errorf("got %d connections, want 2", n)
		}
		return nil
	})
}

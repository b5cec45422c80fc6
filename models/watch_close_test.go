package models

import (
	"errors"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
)

// silentStore returns a store with an open circuit.
func silentStore(t *testing.T, connections int) (*Store, *clustertest.Forwarder) {
	t.Helper()
	databaseURL := dbtest.MySQL(t)
	f := clustertest.Forward(t, hostOf(t, databaseURL))
	s, err := Open(f.URL(databaseURL), Options{MaxConnections: max(connections, 1)})
	requireNoError(t, err)
	migrate(t, s)
	s.pool.SetMaxOpenConns(connections)
	f.Swallow(clustertest.HoleAfterAccept)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() { wantError(t, s.Ping(testContext(t)), ErrUnavailable) })
	}
	asking.Wait()
	eventually(t, 5*time.Second, "the circuit opens", func() error {
		if !s.Connections().CircuitOpen {
			return errors.New("it is closed")
		}
		return nil
	})
	return s, f
}

// Close waits for all background work.
func TestCloseDoesNotWaitForSilentDatabase(t *testing.T) {
	t.Parallel()
	s, _ := silentStore(t, 2)
	begin := time.Now()
	requireNoError(t, s.Close())
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %s, want at most 1s", took)
	}
	if s.Ping(testContext(t)) == nil {
		t.Error("Ping of a closed store succeeded")
	}
}

func TestCircuitKeepsPoolLimits(t *testing.T) {
	t.Parallel()
	for _, connections := range []int{0, 1, 4} { // 0 is unlimited
		s, f := silentStore(t, connections)
		f.Restore()
		eventually(t, 3*time.Second, "the circuit closes", func() error {
			if s.Connections().CircuitOpen {
				return errors.New("it is open")
			}
			return nil
		})
		if got := s.Pool().MaxOpenConnections; got != connections {
			t.Errorf("got up to %d connections, want %d", got, connections)
		}
		requireNoError(t, s.Ping(testContext(t)))
		requireNoError(t, s.Close())
	}
}

// A migration may take longer than the timeout of a request's query.
func TestMigrationsAreNotInterrupted(t *testing.T) {
	t.Parallel()
	s := newStore(t, dbtest.MySQL(t))
	pool, _, err := s.dialect.migrationPool()
	requireNoError(t, err)
	defer pool.Close()
	ctx := testContext(t)
	var stops sync.WaitGroup
	stop := make(chan struct{})
	for range 2 { // as the lease of the migration is renewed meanwhile
		stops.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Millisecond):
				}
				if err := pool.PingContext(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var interrupted int
	requireNoError(t, pool.QueryRowContext(ctx, "SELECT SLEEP(12)").Scan(&interrupted))
	close(stop)
	stops.Wait()
	if interrupted != 0 {
		t.Error("the statement was interrupted")
	}
}

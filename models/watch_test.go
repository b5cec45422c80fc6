package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
)

// sampled returns the first of several rows that each start a database, or all of them in
// exhaustive runs.
func sampled[T any](rows []T) []T {
	if dbtest.Exhaustive() {
		return rows
	}
	return rows[:1]
}

// hostOf returns the host and port of a database.
func hostOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	requireNoError(t, err)
	return u.Host
}

// execOutside runs a statement on a connection of its own.
func execOutside(t *testing.T, databaseURL, statement string) {
	t.Helper()
	pool, err := sql.Open("mysql", "root@tcp("+hostOf(t, databaseURL)+")/")
	requireNoError(t, err)
	defer pool.Close()
	_, err = pool.ExecContext(testContext(t), statement)
	requireNoError(t, err)
}

// eventually polls f until it returns nil, and returns how long that took.
func eventually(t *testing.T, limit time.Duration, what string, f func() error) time.Duration {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for {
		err := f()
		took := time.Since(begin)
		if err == nil && took <= limit {
			return took
		}
		if took > limit {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		<-tick.C
	}
}

func matchError(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("got error %v, want %v", err, want)
	}
	return nil
}

func TestReadOnlyServerIsErrReadOnlyForReads(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	s := newStore(t, node.URL())
	ctx := testContext(t)
	u := createUser(t, s, newUser("ada@example.com"))
	for range 2 {
		execOutside(t, node.URL(), "SET GLOBAL read_only = ON")
		took := eventually(t, 2*time.Second, "reads are refused", func() error {
			_, err := s.UserByID(ctx, u.ID)
			return matchError(err, ErrReadOnly)
		})
		t.Logf("reads are refused after %s", took)
		wantError(t, s.Ping(ctx), ErrReadOnly)
		wantError(t, s.Ping(ctx), ErrUnavailable)
		wantError(t, s.CreateUser(ctx, newUser("eve@example.com")), ErrUnavailable)
		if state := s.Connections(); !state.ReadOnly || state.CircuitOpen || state.Retired == 0 {
			t.Errorf("got state %+v", state)
		}
		execOutside(t, node.URL(), "SET GLOBAL read_only = OFF")
		took = eventually(t, 2*time.Second, "reads are answered", func() error {
			_, err := s.UserByID(ctx, u.ID)
			return err
		})
		t.Logf("reads are answered after %s", took)
		if s.Connections().ReadOnly {
			t.Error("got a read-only state, want a writable one")
		}
	}
}

func TestReadOnlyServerIsRejectedAtStart(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	newStore(t, node.URL())
	execOutside(t, node.URL(), "SET GLOBAL read_only = ON")
	s := openStore(t, node.URL(), Options{})
	ctx := testContext(t)
	wantError(t, s.Ping(ctx), ErrReadOnly)
	_, err := s.Migrate(ctx)
	wantError(t, err, ErrReadOnly)
	if !strings.Contains(err.Error(), "the database is read-only") {
		t.Errorf("got error %q", err)
	}
}

// A load balancer sends new connections to another server, and keeps established ones.
func TestConnectionsMoveToNewPrimary(t *testing.T) {
	t.Parallel()
	for _, connections := range sampled([]int{8, 1}) {
		t.Run(fmt.Sprint(connections, " connections"), func(t *testing.T) {
			t.Parallel()
			first, second := clustertest.Single(t), clustertest.Single(t)
			ctx := testContext(t)
			u := newUser("ada@example.com")
			createUser(t, newStore(t, first.URL()), u)
			moved := *u
			moved.Name = "of the new primary"
			createUser(t, newStore(t, second.URL()), &moved)
			f := clustertest.Forward(t, hostOf(t, first.URL()))
			s := openStore(t, f.URL(first.URL()), Options{MaxConnections: connections})
			name := func() (string, error) {
				got, err := s.UserByID(ctx, u.ID)
				if err != nil {
					return "", err
				}
				return got.Name, nil
			}
			crowd := func() (names []string) {
				list := make([]string, connections)
				var asking sync.WaitGroup
				for i := range list {
					asking.Go(func() {
						got, err := name()
						if err != nil && !errors.Is(err, ErrUnavailable) {
							t.Error(err)
						}
						list[i] = got
					})
				}
				asking.Wait()
				return list
			}
			for range 20 {
				crowd()
			}
			old := f.Connections(hostOf(t, first.URL()))
			execOutside(t, first.URL(), "SET GLOBAL read_only = ON")
			f.SetTargets(hostOf(t, second.URL()))
			begin := time.Now()
			eventually(t, 2*time.Second, "the new primary answers", func() error {
				got, err := name()
				if err == nil && got != moved.Name {
					err = errors.New("it is the old one")
				}
				return err
			})
			t.Logf("%d connections to the old primary; the new primary answers after %s", old, time.Since(begin))
			for time.Since(begin) < 4*time.Second {
				asked := time.Since(begin)
				if got := crowd(); asked > 2*time.Second && slices.Contains(got, u.Name) {
					t.Fatalf("a read used the old primary %s after the switch", asked)
				}
			}
			requireNoError(t, s.SetRole(ctx, u.ID, "ADMIN"))
		})
	}
}

// loadGenerator calls the store as requests do, without a timeout of its own, and records how long
// each refusal took.
type loadGenerator struct {
	s       *Store
	stop    chan struct{}
	running sync.WaitGroup

	mu          sync.Mutex
	refused     []refusal
	answered    time.Time // time of the last answer
	otherErrors []error
}

type refusal struct {
	begin time.Time
	took  time.Duration
}

func startLoad(t *testing.T, s *Store, callers int, ask ...func(ctx context.Context) error) *loadGenerator {
	t.Helper()
	c := &loadGenerator{s: s, stop: make(chan struct{})}
	for i := range callers {
		c.running.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-c.stop:
					return
				case <-tick.C:
				}
				begin := time.Now()
				err := ask[i%len(ask)](context.Background())
				c.mu.Lock()
				switch {
				case err == nil:
					c.answered = time.Now()
				case errors.Is(err, ErrUnavailable):
					c.refused = append(c.refused, refusal{begin, time.Since(begin)})
				default:
					c.otherErrors = append(c.otherErrors, err)
				}
				c.mu.Unlock()
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *loadGenerator) end() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.running.Wait()
}

// percentile returns a percentile of the durations of refusals that began after a time, and their
// number.
func (c *loadGenerator) percentile(part float64, after time.Time) (time.Duration, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []time.Duration
	for _, r := range c.refused {
		if r.begin.After(after) {
			list = append(list, r.took)
		}
	}
	if len(list) == 0 {
		return 0, 0
	}
	slices.Sort(list)
	return list[int(part*float64(len(list)-1))], len(list)
}

func (c *loadGenerator) answeredAfter(moment time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered.After(moment)
}

func TestUnresponsiveDatabaseFailsFast(t *testing.T) {
	t.Parallel()
	type silent struct {
		name        string
		hole        clustertest.Hole
		connections int
	}
	for _, row := range sampled([]silent{
		{"with an unreachable host", clustertest.HoleBeforeAccept, 4},
		{"behind a proxy that accepts", clustertest.HoleAfterAccept, 4},
		{"with one connection", clustertest.HoleAfterAccept, 1},
	}) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			node := clustertest.Single(t)
			f := clustertest.Forward(t, hostOf(t, node.URL()))
			s := openStore(t, f.URL(node.URL()), Options{MaxConnections: row.connections})
			migrate(t, s)
			ctx := testContext(t)
			u := createUser(t, s, newUser("ada@example.com"))
			session := newSession(u)
			requireNoError(t, s.CreateSession(ctx, session))
			c := startLoad(t, s, 40,
				func(ctx context.Context) error { _, err := s.SessionWithUser(ctx, session.ID, u.ID); return err },
				func(ctx context.Context) error { _, err := s.UserByID(ctx, u.ID); return err },
				s.Ping,
				func(ctx context.Context) error {
					return s.Transaction(ctx, func(tx *Store) error { _, err := tx.UserByID(ctx, u.ID); return err })
				},
			)
			eventually(t, 5*time.Second, "the database answers", func() error {
				if !c.answeredAfter(time.Time{}) {
					return errors.New("no answer")
				}
				return nil
			})
			f.Swallow(row.hole)
			swallowed := time.Now()
			eventually(t, 3*time.Second, "the circuit opens", func() error {
				if !s.Connections().CircuitOpen {
					return errors.New("it is closed")
				}
				return nil
			})
			opened := time.Since(swallowed)
			<-time.After(time.Until(swallowed.Add(6 * time.Second)))
			p99, n := c.percentile(.99, swallowed.Add(time.Second))
			f.Restore()
			flows := time.Now()
			recovered := eventually(t, 2*time.Second, "the database answers", func() error {
				if state := s.Connections(); !c.answeredAfter(flows) || state.CircuitOpen {
					return fmt.Errorf("no answer: %+v", state)
				}
				return nil
			})
			c.end()
			t.Logf("opened after %s; p99 of %d refusals %s; recovered after %s; silent for %s", opened, n, p99, recovered, s.Silence(s.now().Add(-time.Minute)))
			if p99 > time.Second || n == 0 {
				t.Errorf("got p99 %[2]s of %[1]d refusals, want at most 1s", n, p99)
			}
			for _, err := range c.otherErrors {
				if !strings.Contains(err.Error(), "lost at COMMIT") {
					t.Error(err)
				}
			}
			eventually(t, 3*time.Second, "the silence is measured", func() error {
				if silent := s.Silence(s.now().Add(-time.Minute)); silent < 5*time.Second || silent > 9*time.Second {
					return fmt.Errorf("%s", silent)
				}
				return nil
			})
			if state := s.Connections(); state.CircuitOpen || state.Openings != 1 || s.Pool().MaxOpenConnections != row.connections {
				t.Errorf("got state %+v, pool %+v", state, s.Pool())
			}
		})
	}
}

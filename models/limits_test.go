package models

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/limit"
)

func fivePerMinute(key string) Reservation {
	return Reservation{Name: key, ID: limit.Key(key), Rate: limit.Rate{Count: 5, Window: time.Minute}}
}

// eachStoreWithClock runs f on a store of each kind whose clock only the test advances.
func eachStoreWithClock(t *testing.T, f func(t *testing.T, s *Store, advance func(time.Duration))) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var ahead atomic.Int64
		s := openStore(t, databaseURL, Options{Now: func() time.Time { return moment.Add(time.Duration(ahead.Load())) }})
		migrate(t, s)
		f(t, s, func(d time.Duration) { ahead.Add(int64(d)) })
	})
}

// acquireWait acquires the reservations and returns 0, or the wait if a limit is used up.
func acquireWait(t *testing.T, s *Store, reservations ...Reservation) time.Duration {
	t.Helper()
	acquired, err := s.Acquire(testContext(t), reservations)
	if full, ok := errors.AsType[*LimitReachedError](err); ok {
		if acquired != nil || full.Wait <= 0 {
			t.Errorf("got LimitReachedError with %d reservations and a wait of %s", len(acquired), full.Wait)
		}
		return full.Wait
	}
	requireNoError(t, err)
	return 0
}

func bucketRows(t *testing.T, s *Store) []Bucket {
	t.Helper()
	return queryAll[Bucket](t, s, "SELECT id, until FROM limits ORDER BY id")
}

func TestAcquireIsRejectedWhenBucketIsFull(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		for i := range 5 {
			if w := acquireWait(t, s, fivePerMinute("a")); w != 0 {
				t.Fatalf("attempt %d: got a wait of %s, want 0", i+1, w)
			}
		}
		if w := acquireWait(t, s, fivePerMinute("a")); w != 12*time.Second {
			t.Errorf("attempt 6: got a wait of %s, want 12s", w)
		}
		if w := acquireWait(t, s, fivePerMinute("b")); w != 0 {
			t.Errorf("another key: got a wait of %s, want 0", w)
		}
		advance(12*time.Second - time.Millisecond)
		if w := acquireWait(t, s, fivePerMinute("a")); w != time.Millisecond {
			t.Errorf("1 ms early: got a wait of %s, want 1ms", w)
		}
		advance(time.Millisecond)
		if w := acquireWait(t, s, fivePerMinute("a")); w != 0 {
			t.Errorf("after the wait: got %s, want 0", w)
		}
		if w := acquireWait(t, s, fivePerMinute("a")); w != 12*time.Second {
			t.Errorf("next attempt: got %s, want 12s", w)
		}
		advance(time.Hour)
		for i := range 6 {
			if w := acquireWait(t, s, fivePerMinute("a")); (w == 0) != (i < 5) {
				t.Errorf("attempt %d after an hour: got a wait of %s", i+1, w)
			}
		}
	})
}

// No interval, wherever it begins, contains more than Count executions and one for each Step in it.
func TestNoIntervalExceedsRate(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		reservation := Reservation{Name: "a", ID: limit.Key("a"), Rate: limit.Rate{Count: 7, Window: time.Second}}
		pauses := []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond, 143 * time.Millisecond, 400 * time.Millisecond}
		var allowed []time.Duration
		for now := time.Duration(0); len(allowed) < 100; {
			pause := pauses[rand.N(len(pauses))]
			advance(pause)
			now += pause
			if acquireWait(t, s, reservation) == 0 {
				allowed = append(allowed, now)
			}
		}
		for i := range allowed {
			for j := i; j < len(allowed); j++ {
				if d := allowed[j] - allowed[i]; j-i+1 > reservation.Rate.Count+int(d/reservation.Rate.Step()) {
					t.Fatalf("got %d executions in %s", j-i+1, d)
				}
			}
		}
	})
}

func TestRejectedAcquireOnlyReads(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		for range 5 {
			acquireWait(t, s, fivePerMinute("full"))
		}
		rows, before := bucketRows(t, s), s.Queries()
		if w := acquireWait(t, s, fivePerMinute("fresh"), fivePerMinute("full"), fivePerMinute("another")); w != 12*time.Second {
			t.Errorf("got a wait of %s, want 12s", w)
		}
		if n := s.Queries() - before; n != 1 {
			t.Errorf("got %d queries, want 1", n)
		}
		if after := bucketRows(t, s); len(after) != len(rows) || after[0].Until != rows[0].Until {
			t.Errorf("the table changed from %v to %v", rows, after)
		}
	})
}

func TestLimitReachedErrorHasLongestWait(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		long := Reservation{Name: "long", ID: limit.Key("long"), Rate: limit.Rate{Count: 1, Window: time.Hour}}
		acquireWait(t, s, long)
		// IDs on both sides of that of long.
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			for range 5 {
				acquireWait(t, s, fivePerMinute(key))
			}
			_, err := s.Acquire(testContext(t), []Reservation{fivePerMinute(key), long})
			if full, ok := errors.AsType[*LimitReachedError](err); !ok || full.Name != "long" || full.Wait != time.Hour {
				t.Errorf("got error %#v, want the limit \"long\" and 1h", err)
			}
		}
	})
}

// Acquire reads once and writes once per reservation. The first use of keys also inserts their
// rows.
func TestAcquireAndReleaseQueryCount(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		reservations := []Reservation{fivePerMinute("a"), fivePerMinute("b"), fivePerMinute("c")}
		for _, want := range []uint64{5, 4} {
			before := s.Queries()
			acquireWait(t, s, reservations...)
			if n := s.Queries() - before; n != want {
				t.Errorf("got %d queries, want %d", n, want)
			}
		}
		before := s.Queries()
		requireNoError(t, s.Release(testContext(t), reservations))
		if n := s.Queries() - before; n != 3 {
			t.Errorf("Release: got %d queries, want 3", n)
		}
	})
}

func TestReleaseReturnsReservations(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		reservations := []Reservation{fivePerMinute("a"), {Name: "b", ID: limit.Key("b"), Rate: limit.Rate{Count: 2, Window: time.Hour}}}
		for i := range 20 {
			if w := acquireWait(t, s, reservations...); w != 0 {
				t.Fatalf("attempt %d: got a wait of %s", i+1, w)
			}
			requireNoError(t, s.Release(testContext(t), reservations))
			advance(time.Millisecond)
		}
		for range 2 {
			acquireWait(t, s, reservations...)
		}
		if w := acquireWait(t, s, reservations...); w == 0 {
			t.Error("Release returned a reservation more than once")
		}
		requireNoError(t, s.Release(testContext(t), reservations[:1]))
		if w := acquireWait(t, s, reservations[1]); w == 0 {
			t.Error("Release of one key released the other")
		}
		requireNoError(t, s.Release(testContext(t), nil))
		requireNoError(t, s.Release(testContext(t), []Reservation{fivePerMinute("never acquired")}))
	})
}

func TestConcurrentAcquireNeverExceedsRate(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		const n = 50
		for round := range 3 { // the first round inserts the rows
			wide := Reservation{Name: "wide", ID: limit.Key("wide", string(rune(round))), Rate: limit.Rate{Count: 1000, Window: time.Minute}}
			narrow := Reservation{Name: "narrow", ID: limit.Key("narrow", string(rune(round))), Rate: limit.Rate{Count: 7, Window: time.Minute}}
			var allowed, rejected atomic.Int64
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					_, err := s.Acquire(testContext(t), []Reservation{wide, narrow})
					switch _, full := errors.AsType[*LimitReachedError](err); {
					case err == nil:
						allowed.Add(1)
					case full:
						rejected.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			all.Wait()
			if allowed.Load() != 7 || rejected.Load() != n-7 {
				t.Errorf("got %d acquired and %d rejected", allowed.Load(), rejected.Load())
			}
			until := queryAll[int64](t, s, "SELECT until FROM limits WHERE id = ?", wide.ID)
			if want := moment.Add(7 * wide.Rate.Step()).UnixMicro(); len(until) != 1 || until[0] != want {
				t.Errorf("wide limit: got until %d, want %d: a rejected attempt was counted", until, want)
			}
		}
	})
}

// A rollback would undo a count inside a transaction.
func TestAcquireInTransactionIsRejected(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		for name, f := range map[string]func(context.Context, *Store) error{"Acquire": storeCalls["Acquire"], "Release": storeCalls["Release"]} {
			err := s.Transaction(testContext(t), func(tx *Store) error { return f(testContext(t), tx) })
			if !errors.Is(err, errInTransaction) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSweepDeletesExpiredBuckets(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		for i := range 250 { // more than a batch
			acquireWait(t, s, Reservation{Name: "old", ID: limit.Key("old", string(rune(i))), Rate: limit.Rate{Count: 1, Window: time.Second}})
		}
		acquireWait(t, s, fivePerMinute("a"))
		sweep := func(want int) {
			t.Helper()
			if rows, err := s.Sweep(testContext(t), s.Now()); rows != want || err != nil {
				t.Errorf("got %d rows, %v; want %d", rows, err, want)
			}
		}
		sweep(0)
		advance(time.Second)
		sweep(250)
		advance(11 * time.Second)
		sweep(1)
		if w := acquireWait(t, s, fivePerMinute("a")); w != 0 {
			t.Errorf("after the sweep: got a wait of %s", w)
		}
	})
}

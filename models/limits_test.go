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

// eachStoreWithClock is a store of each kind whose clock only the test moves.
func eachStoreWithClock(t *testing.T, f func(t *testing.T, s *Store, advance func(time.Duration))) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var ahead atomic.Int64
		s := openStore(t, databaseURL, Options{Now: func() time.Time { return moment.Add(time.Duration(ahead.Load())) }})
		migrate(t, s)
		f(t, s, func(d time.Duration) { ahead.Add(int64(d)) })
	})
}

// acquireWait takes the slots, and returns how long the one who wants them has to wait; 0 if they were to be had.
func acquireWait(t *testing.T, s *Store, slots ...Reservation) time.Duration {
	t.Helper()
	taken, err := s.Acquire(testContext(t), slots)
	if full, ok := errors.AsType[*LimitReachedError](err); ok {
		if taken != nil || full.Wait <= 0 {
			t.Errorf("refused with %d slots and a wait of %s", len(taken), full.Wait)
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
				t.Fatalf("the %d. has to wait %s", i+1, w)
			}
		}
		if w := acquireWait(t, s, fivePerMinute("a")); w != 12*time.Second {
			t.Errorf("the sixth waits %s", w)
		}
		if w := acquireWait(t, s, fivePerMinute("b")); w != 0 {
			t.Errorf("another key waits %s", w)
		}
		advance(12*time.Second - time.Millisecond)
		if w := acquireWait(t, s, fivePerMinute("a")); w != time.Millisecond {
			t.Errorf("just before its time: %s", w)
		}
		advance(time.Millisecond)
		if w := acquireWait(t, s, fivePerMinute("a")); w != 0 {
			t.Errorf("at its time: %s", w)
		}
		if w := acquireWait(t, s, fivePerMinute("a")); w != 12*time.Second {
			t.Errorf("the next one: %s", w)
		}
		advance(time.Hour)
		for i := range 6 {
			if w := acquireWait(t, s, fivePerMinute("a")); (w == 0) != (i < 5) {
				t.Errorf("the %d. after a long time: %s", i+1, w)
			}
		}
	})
}

// No stretch of time, wherever it begins, sees more than Count and one for each Step in it.
func TestNoIntervalExceedsRate(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		slot := Reservation{Name: "a", ID: limit.Key("a"), Rate: limit.Rate{Count: 7, Window: time.Second}}
		pauses := []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond, 143 * time.Millisecond, 400 * time.Millisecond}
		var through []time.Duration
		for now := time.Duration(0); len(through) < 100; {
			pause := pauses[rand.N(len(pauses))]
			advance(pause)
			now += pause
			if acquireWait(t, s, slot) == 0 {
				through = append(through, now)
			}
		}
		for i := range through {
			for j := i; j < len(through); j++ {
				if d := through[j] - through[i]; j-i+1 > slot.Rate.Count+int(d/slot.Rate.Step()) {
					t.Fatalf("%d in %s", j-i+1, d)
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
			t.Errorf("waits %s", w)
		}
		if n := s.Queries() - before; n != 1 {
			t.Errorf("%d queries, want one that reads", n)
		}
		if after := bucketRows(t, s); len(after) != len(rows) || after[0].Until != rows[0].Until {
			t.Errorf("the table has changed: %v, now %v", rows, after)
		}
	})
}

func TestLimitReachedErrorHasLongestWait(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		long := Reservation{Name: "long", ID: limit.Key("long"), Rate: limit.Rate{Count: 1, Window: time.Hour}}
		acquireWait(t, s, long)
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} { // some before, some after it in the order of IDs
			for range 5 {
				acquireWait(t, s, fivePerMinute(key))
			}
			_, err := s.Acquire(testContext(t), []Reservation{fivePerMinute(key), long})
			if full, ok := errors.AsType[*LimitReachedError](err); !ok || full.Name != "long" || full.Wait != time.Hour {
				t.Errorf("error %#v", err)
			}
		}
	})
}

// One that reads and one a slot; the first use of keys also makes their rows, in one.
func TestAcquireAndReleaseQueryCount(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		slots := []Reservation{fivePerMinute("a"), fivePerMinute("b"), fivePerMinute("c")}
		for _, want := range []uint64{5, 4} {
			before := s.Queries()
			acquireWait(t, s, slots...)
			if n := s.Queries() - before; n != want {
				t.Errorf("%d queries, want %d", n, want)
			}
		}
		before := s.Queries()
		requireNoError(t, s.Release(testContext(t), slots))
		if n := s.Queries() - before; n != 3 {
			t.Errorf("%d queries for giving back", n)
		}
	})
}

func TestReleaseReturnsReservations(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		slots := []Reservation{fivePerMinute("a"), {Name: "b", ID: limit.Key("b"), Rate: limit.Rate{Count: 2, Window: time.Hour}}}
		for i := range 20 {
			if w := acquireWait(t, s, slots...); w != 0 {
				t.Fatalf("the %d. waits %s", i+1, w)
			}
			requireNoError(t, s.Release(testContext(t), slots))
			advance(time.Millisecond)
		}
		for range 2 {
			acquireWait(t, s, slots...)
		}
		if w := acquireWait(t, s, slots...); w == 0 {
			t.Error("what was given back was not given back once only")
		}
		requireNoError(t, s.Release(testContext(t), slots[:1]))
		if w := acquireWait(t, s, slots[1]); w == 0 {
			t.Error("giving one key back gave the other")
		}
		requireNoError(t, s.Release(testContext(t), nil))
		requireNoError(t, s.Release(testContext(t), []Reservation{fivePerMinute("never taken")}))
	})
}

func TestConcurrentAcquireNeverExceedsRate(t *testing.T) {
	t.Parallel()
	eachStoreWithClock(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		const n = 50
		for round := range 3 { // the first makes the rows
			wide := Reservation{Name: "wide", ID: limit.Key("wide", string(rune(round))), Rate: limit.Rate{Count: 1000, Window: time.Minute}}
			narrow := Reservation{Name: "narrow", ID: limit.Key("narrow", string(rune(round))), Rate: limit.Rate{Count: 7, Window: time.Minute}}
			var through, refused atomic.Int64
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					_, err := s.Acquire(testContext(t), []Reservation{wide, narrow})
					switch _, full := errors.AsType[*LimitReachedError](err); {
					case err == nil:
						through.Add(1)
					case full:
						refused.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			all.Wait()
			if through.Load() != 7 || refused.Load() != n-7 {
				t.Errorf("%d through and %d refused", through.Load(), refused.Load())
			}
			until := queryAll[int64](t, s, "SELECT until FROM limits WHERE id = ?", wide.ID)
			if want := moment.Add(7 * wide.Rate.Step()).UnixMicro(); len(until) != 1 || until[0] != want {
				t.Errorf("the wide limit is used up until %d, want %d: a refused attempt used it", until, want)
			}
		}
	})
}

// A count inside a transaction would be rolled back with it.
func TestAcquireInTransactionIsRejected(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		for name, f := range map[string]func(context.Context, *Store) error{"Take": storeCalls["Acquire"], "Give": storeCalls["Release"]} {
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
				t.Errorf("%d rows, %v; want %d", rows, err, want)
			}
		}
		sweep(0)
		advance(time.Second)
		sweep(250)
		advance(11 * time.Second)
		sweep(1)
		if w := acquireWait(t, s, fivePerMinute("a")); w != 0 {
			t.Errorf("waits %s after its row was swept", w)
		}
	})
}

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

func fiveAMinute(key string) Slot {
	return Slot{Name: key, ID: limit.Key(key), Rate: limit.Rate{Count: 5, Window: time.Minute}}
}

// clocked is a store of each kind whose clock only the test moves.
func clocked(t *testing.T, f func(t *testing.T, s *Store, advance func(time.Duration))) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var ahead atomic.Int64
		s := openStore(t, databaseURL, Options{Now: func() time.Time { return moment.Add(time.Duration(ahead.Load())) }})
		migrate(t, s)
		f(t, s, func(d time.Duration) { ahead.Add(int64(d)) })
	})
}

// wait takes the slots, and returns how long the one who wants them has to wait; 0 if they were to be had.
func wait(t *testing.T, s *Store, slots ...Slot) time.Duration {
	t.Helper()
	taken, err := s.Take(testContext(t), slots)
	if full, ok := errors.AsType[*LimitReached](err); ok {
		if taken != nil || full.Wait <= 0 {
			t.Errorf("refused with %d slots and a wait of %s", len(taken), full.Wait)
		}
		return full.Wait
	}
	noError(t, err)
	return 0
}

func limitRows(t *testing.T, s *Store) []Limit {
	t.Helper()
	return queryAll[Limit](t, s, "SELECT id, until FROM limits ORDER BY id")
}

func TestTakeUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		for i := range 5 {
			if w := wait(t, s, fiveAMinute("a")); w != 0 {
				t.Fatalf("the %d. has to wait %s", i+1, w)
			}
		}
		if w := wait(t, s, fiveAMinute("a")); w != 12*time.Second {
			t.Errorf("the sixth waits %s", w)
		}
		if w := wait(t, s, fiveAMinute("b")); w != 0 {
			t.Errorf("another key waits %s", w)
		}
		advance(12*time.Second - time.Millisecond)
		if w := wait(t, s, fiveAMinute("a")); w != time.Millisecond {
			t.Errorf("just before its time: %s", w)
		}
		advance(time.Millisecond)
		if w := wait(t, s, fiveAMinute("a")); w != 0 {
			t.Errorf("at its time: %s", w)
		}
		if w := wait(t, s, fiveAMinute("a")); w != 12*time.Second {
			t.Errorf("the next one: %s", w)
		}
		advance(time.Hour)
		for i := range 6 {
			if w := wait(t, s, fiveAMinute("a")); (w == 0) != (i < 5) {
				t.Errorf("the %d. after a long time: %s", i+1, w)
			}
		}
	})
}

// No stretch of time, wherever it begins, sees more than Count and one for each Step in it.
func TestNoStretchOfTimeSeesMoreThanTheRate(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		slot := Slot{Name: "a", ID: limit.Key("a"), Rate: limit.Rate{Count: 7, Window: time.Second}}
		pauses := []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond, 143 * time.Millisecond, 400 * time.Millisecond}
		var through []time.Duration
		for now := time.Duration(0); len(through) < 100; {
			pause := pauses[rand.N(len(pauses))]
			advance(pause)
			now += pause
			if wait(t, s, slot) == 0 {
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

func TestRefusedTakeOnlyReads(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		for range 5 {
			wait(t, s, fiveAMinute("full"))
		}
		rows, before := limitRows(t, s), s.Queries()
		if w := wait(t, s, fiveAMinute("fresh"), fiveAMinute("full"), fiveAMinute("another")); w != 12*time.Second {
			t.Errorf("waits %s", w)
		}
		if n := s.Queries() - before; n != 1 {
			t.Errorf("%d queries, want one that reads", n)
		}
		if after := limitRows(t, s); len(after) != len(rows) || after[0].Until != rows[0].Until {
			t.Errorf("the table has changed: %v, now %v", rows, after)
		}
	})
}

func TestLimitReachedIsTheLongestWait(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		long := Slot{Name: "long", ID: limit.Key("long"), Rate: limit.Rate{Count: 1, Window: time.Hour}}
		wait(t, s, long)
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} { // some before, some after it in the order of IDs
			for range 5 {
				wait(t, s, fiveAMinute(key))
			}
			_, err := s.Take(testContext(t), []Slot{fiveAMinute(key), long})
			if full, ok := errors.AsType[*LimitReached](err); !ok || full.Name != "long" || full.Wait != time.Hour {
				t.Errorf("error %#v", err)
			}
		}
	})
}

// One that reads and one a slot; the first use of keys also makes their rows, in one.
func TestQueriesOfTakeAndGive(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		slots := []Slot{fiveAMinute("a"), fiveAMinute("b"), fiveAMinute("c")}
		for _, want := range []uint64{5, 4} {
			before := s.Queries()
			wait(t, s, slots...)
			if n := s.Queries() - before; n != want {
				t.Errorf("%d queries, want %d", n, want)
			}
		}
		before := s.Queries()
		noError(t, s.Give(testContext(t), slots))
		if n := s.Queries() - before; n != 3 {
			t.Errorf("%d queries for giving back", n)
		}
	})
}

func TestGive(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		slots := []Slot{fiveAMinute("a"), {Name: "b", ID: limit.Key("b"), Rate: limit.Rate{Count: 2, Window: time.Hour}}}
		for i := range 20 {
			if w := wait(t, s, slots...); w != 0 {
				t.Fatalf("the %d. waits %s", i+1, w)
			}
			noError(t, s.Give(testContext(t), slots))
			advance(time.Millisecond)
		}
		for range 2 {
			wait(t, s, slots...)
		}
		if w := wait(t, s, slots...); w == 0 {
			t.Error("what was given back was not given back once only")
		}
		noError(t, s.Give(testContext(t), slots[:1]))
		if w := wait(t, s, slots[1]); w == 0 {
			t.Error("giving one key back gave the other")
		}
		noError(t, s.Give(testContext(t), nil))
		noError(t, s.Give(testContext(t), []Slot{fiveAMinute("never taken")}))
	})
}

func TestManyTakeAtOnce(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, _ func(time.Duration)) {
		const n = 50
		for round := range 3 { // the first makes the rows
			wide := Slot{Name: "wide", ID: limit.Key("wide", string(rune(round))), Rate: limit.Rate{Count: 1000, Window: time.Minute}}
			narrow := Slot{Name: "narrow", ID: limit.Key("narrow", string(rune(round))), Rate: limit.Rate{Count: 7, Window: time.Minute}}
			var through, refused atomic.Int64
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					_, err := s.Take(testContext(t), []Slot{wide, narrow})
					switch _, full := errors.AsType[*LimitReached](err); {
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
func TestLimitsAreNotCountedInATransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		for name, f := range map[string]func(context.Context, *Store) error{"Take": calls["Take"], "Give": calls["Give"]} {
			err := s.Transaction(testContext(t), func(tx *Store) error { return f(testContext(t), tx) })
			if !errors.Is(err, errInTransaction) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSweepOfLimits(t *testing.T) {
	t.Parallel()
	clocked(t, func(t *testing.T, s *Store, advance func(time.Duration)) {
		for i := range 250 { // more than a batch
			wait(t, s, Slot{Name: "old", ID: limit.Key("old", string(rune(i))), Rate: limit.Rate{Count: 1, Window: time.Second}})
		}
		wait(t, s, fiveAMinute("a"))
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
		if w := wait(t, s, fiveAMinute("a")); w != 0 {
			t.Errorf("waits %s after its row was swept", w)
		}
	})
}

package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// These tests run in synctest bubbles, whose clock jumps when all goroutines wait: no test sleeps.

// newBusyQueue returns a queue whose threads are all busy until free is called, which also closes
// it.
func newBusyQueue(workers, capacity int, maxWait time.Duration) (q *Queue, free func()) {
	q = newQueue(workers, capacity, maxWait)
	release := make(chan struct{})
	for range workers {
		go q.Do(context.Background(), func() error {
			<-release
			return nil
		})
		synctest.Wait()
	}
	return q, func() {
		close(release)
		q.Close()
	}
}

func isOverloaded(err error) bool {
	var full *OverloadedError
	return errors.As(err, &full) && full.RetryAfter >= time.Second && full.RetryAfter <= 5*time.Second
}

func TestQueueRunsOneTaskPerThread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(3, 100, time.Hour)
		var begun, ended atomic.Int32
		release := make(chan struct{})
		for range 10 {
			go q.Do(t.Context(), func() error {
				begun.Add(1)
				<-release
				ended.Add(1)
				return nil
			})
		}
		synctest.Wait()
		if n := begun.Load(); n != 3 {
			t.Errorf("%d tasks run at once, want 3", n)
		}
		close(release)
		q.Close()
		if n := ended.Load(); n != 10 {
			t.Errorf("%d of 10 tasks were done", n)
		}
	})
}

func TestQueueReturnsErrorOfTask(t *testing.T) {
	t.Parallel()
	q := newTestQueue(t)
	for _, want := range []error{nil, errors.New("wrong"), context.Canceled, &OverloadedError{time.Second}} {
		if err := q.Do(t.Context(), func() error { return want }); err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestQueueServesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, free := newBusyQueue(1, 100, time.Hour)
		var order []int
		for i := range 10 {
			go q.Do(t.Context(), func() error {
				order = append(order, i)
				return nil
			})
			synctest.Wait()
		}
		free()
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
	})
}

func TestFullQueueReturnsOverloadedError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, free := newBusyQueue(2, 3, time.Hour)
		var done atomic.Int32
		work := func() error {
			done.Add(1)
			return nil
		}
		for range 3 {
			go q.Do(t.Context(), work)
		}
		synctest.Wait()
		start := time.Now()
		after := map[time.Duration]bool{}
		for range 20 {
			err := q.Do(t.Context(), work)
			if !isOverloaded(err) {
				t.Fatalf("%v, want *OverloadedError", err)
			}
			after[err.(*OverloadedError).RetryAfter] = true
		}
		if time.Since(start) != 0 {
			t.Error("the rejection took time")
		}
		if len(after) < 10 {
			t.Errorf("20 clients got %d different delays, want at least 10", len(after))
		}
		free()
		if n := done.Load(); n != 3 {
			t.Errorf("%d tasks were done, want the 3 that waited", n)
		}
	})
}

func TestQueueFreesPlaceOfCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		maxWait time.Duration
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		after   time.Duration
		want    func(error) bool
	}{
		{
			"the request times out", time.Hour,
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 3*time.Second)
			},
			3 * time.Second, func(err error) bool { return err == context.DeadlineExceeded },
		},
		{
			"the client disconnects", time.Hour,
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(2*time.Second, cancel)
				return ctx, cancel
			},
			2 * time.Second, func(err error) bool { return err == context.Canceled },
		},
		{
			"the client has disconnected before", time.Hour,
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, cancel
			},
			0, func(err error) bool { return err == context.Canceled },
		},
		{"the maxWait wait is over", 10 * time.Second, context.WithCancel, 10 * time.Second, isOverloaded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q, free := newBusyQueue(1, 1, tt.maxWait)
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				start := time.Now()
				err := q.Do(ctx, func() error {
					t.Error("the task ran")
					return nil
				})
				if !tt.want(err) || time.Since(start) != tt.after {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				// The place in the backlog is free again.
				next := make(chan error)
				go func() { next <- q.Do(t.Context(), func() error { return nil }) }()
				synctest.Wait()
				go free()
				if err := <-next; err != nil {
					t.Errorf("the next caller: %v", err)
				}
				synctest.Wait()
			})
		})
	}
}

func TestQueueSkipsCancelledCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1, time.Hour)
		defer q.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // which of the two channels is read first is random
			synctest.Wait() // until the thread is idle
			if err := q.Do(ctx, func() error {
				t.Error("the task ran")
				return nil
			}); err != context.Canceled {
				t.Errorf("%v, want the context's error", err)
			}
		}
	})
}

// A caller waits for a started task even if its context ends: it reads what the task writes.
func TestQueueAwaitsStartedTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1, time.Second)
		defer q.Close()
		ctx, cancel := context.WithCancel(t.Context())
		written := false
		err := q.Do(ctx, func() error {
			cancel()
			<-time.After(time.Minute)
			written = true
			return nil
		})
		if err != nil || !written {
			t.Errorf("%v, written %v", err, written)
		}
	})
}

func TestQueuePropagatesPanicWithStack(t *testing.T) {
	t.Parallel()
	q := newQueue(1, 1, time.Minute)
	defer q.Close()
	for range 3 {
		func() {
			defer func() {
				said, _ := recover().(string)
				if !strings.Contains(said, "the task failed") || !strings.Contains(said, "queue_test.go") {
					t.Errorf("panic %q, want that of the task with its stack", said)
				}
			}()
			err := q.Do(t.Context(), func() error { panic("the task failed") })
			t.Errorf("returned %v", err)
		}()
	}
	if err := q.Do(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestQueueCloseWaitsForQueuedTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 10, time.Hour)
		release := make(chan struct{})
		var done atomic.Int32
		for range 5 {
			go func() {
				if err := q.Do(t.Context(), func() error {
					<-release
					done.Add(1)
					return nil
				}); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			q.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		if err := q.Do(t.Context(), func() error { return nil }); !isOverloaded(err) {
			t.Errorf("%v while closing, want *OverloadedError", err)
		}
		close(release)
		<-closed
		if n := done.Load(); n != 5 {
			t.Errorf("%d of 5 tasks were done", n)
		}
		q.Close()
		if err := q.Do(t.Context(), func() error { return nil }); !isOverloaded(err) {
			t.Errorf("%v after Close, want *OverloadedError", err)
		}
	})
}

func TestQueueCloseDuringRequestsLosesNoResult(t *testing.T) {
	t.Parallel()
	q := newQueue(2, 1000, time.Minute)
	var done, returned atomic.Int32
	var wg sync.WaitGroup
	for i := range 200 {
		if i == 100 {
			wg.Go(q.Close)
			wg.Go(q.Close)
		}
		wg.Go(func() {
			err := q.Do(t.Context(), func() error {
				done.Add(1)
				return nil
			})
			switch {
			case err == nil:
				returned.Add(1)
			case !isOverloaded(err):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != returned.Load() {
		t.Errorf("%d tasks were done, %d callers got a result", done.Load(), returned.Load())
	}
}

func TestNewQueueRunsTask(t *testing.T) {
	t.Parallel()
	q := NewQueue(1)
	defer q.Close()
	ran := false
	if err := q.Do(t.Context(), func() error {
		ran = true
		return nil
	}); err != nil || !ran {
		t.Errorf("%v, ran %v", err, ran)
	}
}

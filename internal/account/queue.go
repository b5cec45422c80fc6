package account

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fieldgate/internal/trace"
)

// What waits at most, per slot and in time. At bcrypt's cost 12 a core hashes about four passwords a second
// or more, so the number comes to the same as the time.
const (
	waitingPerSlot = 64
	longestWait    = 10 * time.Second
)

// Overloaded is the error of work that the queue has no room for. Nothing was done.
type Overloaded struct{ RetryAfter time.Duration }

func (*Overloaded) Error() string { return "too many people are signing in; try again shortly" }

// Queue does expensive work on a fixed number of threads of low priority, so that a storm of sign-ins uses
// the processors that the rest of the server leaves idle, and no more.
type Queue struct {
	// Unbuffered: what waits is the callers of Do. Go serves them in their order, and one that gives up
	// leaves nothing behind.
	work    chan func()
	slots   int           // how many threads there are
	room    int           // how many may wait
	longest time.Duration // that each may wait
	threads sync.WaitGroup

	// Waited, if it is set before the first Do, is told how long each waited whose turn came.
	Waited func(time.Duration)

	busy    atomic.Int64
	refused atomic.Uint64

	mu      sync.Mutex
	waiting int
	closed  bool
	callers sync.WaitGroup // those who wait
}

// NewQueue starts the threads; Close ends them. Where threads can be given a lower priority there is one for each
// of the processors, elsewhere one processor is left free.
func NewQueue(processors int) *Queue {
	slots := processors
	if !canLowerPriority {
		slots = max(1, slots-1)
	}
	return newQueue(slots, slots*waitingPerSlot, longestWait)
}

func newQueue(slots, room int, longest time.Duration) *Queue {
	q := &Queue{work: make(chan func()), slots: slots, room: room, longest: longest}
	for range slots {
		q.threads.Go(q.run)
	}
	return q
}

func (q *Queue) run() {
	// The thread keeps its low priority and so must run nothing else. It is never unlocked: it ends with the goroutine.
	runtime.LockOSThread()
	lowerPriority()
	for do := range q.work {
		q.busy.Add(1)
		do()
	}
}

// Do runs f when its turn comes and returns its error; f has ended, or never begins, once Do returns. It
// returns *Overloaded at once if the queue is full or closed, or when the turn does not come in time; and
// the context's error if the context ends first. A panic of f goes on in the caller.
func (q *Queue) Do(ctx context.Context, f func() error) (err error) {
	var panicked any
	done := make(chan struct{})
	do := func() {
		defer close(done)
		defer q.busy.Add(-1)
		defer func() {
			if v := recover(); v != nil {
				panicked = fmt.Sprintf("%v\n\nin the queue:\n%s", v, debug.Stack())
			}
		}()
		if err = ctx.Err(); err == nil { // it may have ended in the moment of the turn
			_, span := trace.Start(ctx, "password hash")
			defer span.End(false)
			err = f()
		}
	}
	if err := q.handOver(ctx, do); err != nil {
		return err
	}
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// handOver waits until a thread has taken do. After an error no thread will.
func (q *Queue) handOver(ctx context.Context, do func()) (err error) {
	if !q.enter() {
		return q.overloaded()
	}
	defer q.leave()
	_, span := trace.Start(ctx, "password wait")
	defer func() { span.End(err != nil) }()
	start := time.Now()
	select {
	case q.work <- do:
		if q.Waited != nil {
			q.Waited(time.Since(start))
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(q.longest):
		return q.overloaded()
	}
}

func (q *Queue) enter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.waiting == q.room {
		return false
	}
	q.waiting++
	q.callers.Add(1)
	return true
}

func (q *Queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
	q.callers.Done()
}

// overloaded spreads the clients' next tries, so that they do not come back together.
func (q *Queue) overloaded() error {
	q.refused.Add(1)
	return &Overloaded{time.Second + rand.N(4*time.Second)}
}

// Close takes no more work, lets what waits be done and ends the threads. A second call does nothing more.
func (q *Queue) Close() {
	q.mu.Lock()
	first := !q.closed
	q.closed = true
	q.mu.Unlock()
	q.callers.Wait()
	if first {
		close(q.work)
	}
	q.threads.Wait()
}

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

	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/internal/trace"
)

// What waits at most, per slot and in time. At bcrypt's cost 12 a core hashes about four passwords a second
// or more, so the number comes to the same as the time.
const (
	queuedPerThread = 64
	maxQueueWait    = 10 * time.Second
)

// OverloadedError is the error of work that the queue has no room for. Nothing was done.
type OverloadedError struct{ RetryAfter time.Duration }

func (*OverloadedError) Error() string { return "too many people are signing in; try again shortly" }

// Queue does expensive work on a fixed number of threads of low priority, so that a storm of sign-ins uses
// the processors that the rest of the server leaves idle, and no more. The networks whose requests wait are served in
// turn, those of one IPv6 /48 as one (limit.Site): one that floods the queue waits for itself.
type Queue struct {
	workers int           // how many threads there are
	maxWait time.Duration // that each caller may wait
	running sync.WaitGroup

	// OnWait, if it is set before the first Do, is called when a thread takes a caller: with the caller's network, "" for
	// none, and how long the caller waited. The calls are in the order of the turns. Nothing is served meanwhile.
	OnWait func(network string, d time.Duration)

	busy    atomic.Int64
	refused atomic.Uint64

	mu      sync.Mutex
	wake    sync.Cond // on mu: there is a waiter, or the queue is closed
	backlog backlog
	started bool
	closed  bool
}

// NewQueue makes a queue. Its threads start with the first work, and Close ends them. Where threads can be given a lower priority there is one for each
// of the processors, elsewhere one processor is left free.
func NewQueue(processors int) *Queue {
	slots := processors
	if !canLowerPriority {
		slots = max(1, slots-1)
	}
	return newQueue(slots, slots*queuedPerThread, maxQueueWait)
}

func newQueue(slots, room int, longest time.Duration) *Queue {
	q := &Queue{workers: slots, maxWait: longest, backlog: backlog{capacity: room}}
	q.wake.L = &q.mu
	return q
}

// start starts the threads, once. The caller holds mu.
func (q *Queue) start() {
	if q.started {
		return
	}
	q.started = true
	for range q.workers {
		q.running.Go(q.run)
	}
}

func (q *Queue) run() {
	// The thread keeps its low priority and so must run nothing else. It is never unlocked: it ends with the goroutine.
	runtime.LockOSThread()
	lowerPriority()
	for w := q.next(); w != nil; w = q.next() {
		q.busy.Add(1)
		w.task()
	}
}

// next waits for the caller whose turn it is. It returns nil when the queue is closed and nothing waits.
func (q *Queue) next() *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if w := q.backlog.pop(); w != nil {
			if q.OnWait != nil {
				q.OnWait(w.network, time.Since(w.since))
			}
			close(w.settled)
			return w
		}
		if q.closed {
			return nil
		}
		q.wake.Wait()
	}
}

// Do runs f when its turn comes and returns its error; f has ended, or never begins, once Do returns. It
// returns *Overloaded at once if the queue is full or closed, or when the turn does not come in time or is given to
// another network; and the context's error if the context ends first. The network is that of the request in ctx. A panic
// of f goes on in the caller.
func (q *Queue) Do(ctx context.Context, f func() error) error {
	return q.doFor(ctx, limit.Network(auth.ViewerFrom(ctx).Client().IP), f)
}

func (q *Queue) doFor(ctx context.Context, network string, f func() error) (err error) {
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
	if err := q.submit(ctx, network, do); err != nil {
		return err
	}
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// submit waits until a thread has taken do. After an error no thread will.
func (q *Queue) submit(ctx context.Context, network string, do func()) (err error) {
	w := &waiter{network: network, since: time.Now(), task: do, settled: make(chan struct{})}
	if !q.enqueue(w) {
		return q.overloaded()
	}
	_, span := trace.Start(ctx, "password wait")
	defer func() { span.End(err != nil) }()
	select {
	case <-w.settled:
	case <-ctx.Done():
		if q.withdraw(w) {
			return ctx.Err()
		}
	case <-time.After(q.maxWait):
		if q.withdraw(w) {
			return q.overloaded()
		}
	}
	if <-w.settled; w.dropped {
		return q.overloaded()
	}
	return nil
}

// createAuditEntry reports whether w waits from now on. For its sake another one may be dropped.
func (q *Queue) enqueue(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.start()
	dropped := q.backlog.push(w)
	if dropped == w {
		return false
	}
	if dropped != nil {
		dropped.dropped = true
		close(dropped.settled)
	}
	q.wake.Signal()
	return true
}

// withdraw reports whether w has given up before it was decided about.
func (q *Queue) withdraw(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog.remove(w)
}

// overloaded spreads the clients' next tries, so that they do not come back together.
func (q *Queue) overloaded() error {
	q.refused.Add(1)
	return &OverloadedError{time.Second + rand.N(4*time.Second)}
}

// Close takes no more work, lets what waits be done and ends the threads. A second call does nothing more.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Broadcast()
	q.mu.Unlock()
	q.running.Wait()
}

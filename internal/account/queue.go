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

// Limits of the backlog, per thread and in time. At bcrypt cost 12 a core hashes about four
// passwords per second or more, so both limits are reached at about the same time.
const (
	queuedPerThread = 64
	maxQueueWait    = 10 * time.Second
)

// OverloadedError is the error of work that the queue rejects. Nothing was done.
type OverloadedError struct{ RetryAfter time.Duration }

func (*OverloadedError) Error() string {
	return "too many sign-ins are waiting; try again in a few seconds"
}

// Queue runs expensive work on a fixed number of low-priority threads, so that many sign-ins use
// only the processors that the rest of the server leaves idle. It serves waiting networks
// round-robin, and those of one IPv6 /48 as one (limit.Site). A network that floods the queue
// delays only itself.
type Queue struct {
	workers int           // number of threads
	maxWait time.Duration // longest wait of a caller
	running sync.WaitGroup

	// OnWait is called when a thread takes a caller, with the caller's network ("" for none) and
	// its waiting time. Set it before the first Do. Calls are in the order of service, and block
	// it.
	OnWait func(network string, d time.Duration)

	busy    atomic.Int64
	refused atomic.Uint64

	mu      sync.Mutex
	wake    sync.Cond // on mu: there is a waiter, or the queue is closed
	backlog backlog
	started bool
	closed  bool
}

// NewQueue returns a queue. Its threads start with the first work; Close ends them. If threads can
// have a lower priority, there is one per processor. Otherwise one processor is left free.
func NewQueue(processors int) *Queue {
	workers := processors
	if !canLowerPriority {
		workers = max(1, workers-1)
	}
	return newQueue(workers, workers*queuedPerThread, maxQueueWait)
}

func newQueue(workers, capacity int, maxWait time.Duration) *Queue {
	q := &Queue{workers: workers, maxWait: maxWait, backlog: backlog{capacity: capacity}}
	q.wake.L = &q.mu
	return q
}

// start starts the threads once. The caller holds mu.
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
	// The thread keeps its low priority, so it must run nothing else. It is never unlocked: it ends
	// with the goroutine.
	runtime.LockOSThread()
	lowerPriority()
	for w := q.next(); w != nil; w = q.next() {
		q.busy.Add(1)
		w.task()
	}
}

// next waits for the next caller to serve. It returns nil when the queue is closed and empty.
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

// Do runs f on a thread of the queue and returns its error. When Do returns, f has ended or will
// never start. Do returns *OverloadedError at once if the queue is full or closed, and also if the
// caller waits too long or is dropped for another network. It returns the context's error if the
// context ends first. The network is that of the request in ctx. A panic of f continues in the
// caller.
func (q *Queue) Do(ctx context.Context, f func() error) error {
	return q.doFor(ctx, limit.Network(auth.ViewerFrom(ctx).Client().IP), f)
}

func (q *Queue) doFor(ctx context.Context, network string, f func() error) (err error) {
	var panicked any
	done := make(chan struct{})
	task := func() {
		defer close(done)
		defer q.busy.Add(-1)
		defer func() {
			if v := recover(); v != nil {
				panicked = fmt.Sprintf("%v\n\nin the queue:\n%s", v, debug.Stack())
			}
		}()
		if err = ctx.Err(); err == nil { // ctx may have ended just before the task started
			_, span := trace.Start(ctx, "password hash")
			defer span.End(false)
			err = f()
		}
	}
	if err := q.submit(ctx, network, task); err != nil {
		return err
	}
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// submit waits until a thread has taken do. After an error no thread will run it.
func (q *Queue) submit(ctx context.Context, network string, task func()) (err error) {
	w := &waiter{network: network, since: time.Now(), task: task, settled: make(chan struct{})}
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

// enqueue reports whether w was added to the backlog. Another waiter may be dropped for it.
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

// withdraw removes w and reports whether it was still waiting.
func (q *Queue) withdraw(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog.remove(w)
}

// overloaded returns an error with a random delay, so that clients do not retry at the same time.
func (q *Queue) overloaded() error {
	q.refused.Add(1)
	return &OverloadedError{time.Second + rand.N(4*time.Second)}
}

// Close rejects new work, completes the waiting work and ends the threads. Further calls have no
// effect.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Broadcast()
	q.mu.Unlock()
	q.running.Wait()
}

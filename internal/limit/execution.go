package limit

import (
	"context"
	"sync/atomic"
)

// Execution is one execution of something that is limited, in its context: the work tells its limits how far it has come.
type Execution struct {
	// OnSuccess takes the slots of the limits that count successes only. Its error is why there are none.
	OnSuccess func(ctx context.Context) error

	counted, succeeded atomic.Bool
}

type executionKey struct{}

// NewContext returns a context for the work of e.
func NewContext(ctx context.Context, e *Execution) context.Context {
	return context.WithValue(ctx, executionKey{}, e)
}

// MarkCounted says that the execution in ctx has done what its limits are there to bound, such as hashing a password: it counts
// from now on, whatever error it ends in.
func MarkCounted(ctx context.Context) {
	if e, ok := ctx.Value(executionKey{}).(*Execution); ok {
		e.counted.Store(true)
	}
}

// AcquireSuccess says that the execution in ctx is about to succeed, before it changes anything. Its error is that the limits on
// successes are used up; then it must change nothing, and end in that error.
func AcquireSuccess(ctx context.Context) error {
	if e, ok := ctx.Value(executionKey{}).(*Execution); ok {
		return e.AcquireSuccess(ctx)
	}
	return nil
}

// AcquireSuccess is the same, once.
func (e *Execution) AcquireSuccess(ctx context.Context) error {
	if e.succeeded.Swap(true) || e.OnSuccess == nil {
		return nil
	}
	return e.OnSuccess(ctx)
}

// IsCounted reports whether there was a call of Worked.
func (e *Execution) IsCounted() bool { return e.counted.Load() }

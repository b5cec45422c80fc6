package limit

import (
	"context"
	"sync/atomic"
)

// Execution tracks one execution of a rate-limited operation. The operation reports its progress
// through the context.
type Execution struct {
	// OnSuccess acquires from the limits that count only successes. Its error means that one of
	// them is used up.
	OnSuccess func(ctx context.Context) error

	counted, succeeded atomic.Bool
}

type executionKey struct{}

// NewContext returns a copy of ctx that carries e.
func NewContext(ctx context.Context, e *Execution) context.Context {
	return context.WithValue(ctx, executionKey{}, e)
}

// MarkCounted marks the execution in ctx as counted, whatever its outcome. An operation calls it
// when it has done the work that its limits bound, such as hashing a password.
func MarkCounted(ctx context.Context) {
	if e, ok := ctx.Value(executionKey{}).(*Execution); ok {
		e.counted.Store(true)
	}
}

// AcquireSuccess acquires from the limits on successes of the execution in ctx. An operation calls
// it before its first change. On an error, which means that a limit is used up, it must change
// nothing and return the error.
func AcquireSuccess(ctx context.Context) error {
	if e, ok := ctx.Value(executionKey{}).(*Execution); ok {
		return e.AcquireSuccess(ctx)
	}
	return nil
}

// AcquireSuccess calls OnSuccess once. Later calls return nil.
func (e *Execution) AcquireSuccess(ctx context.Context) error {
	if e.succeeded.Swap(true) || e.OnSuccess == nil {
		return nil
	}
	return e.OnSuccess(ctx)
}

// IsCounted reports whether MarkCounted was called.
func (e *Execution) IsCounted() bool { return e.counted.Load() }

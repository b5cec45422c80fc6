package limit

import (
	"context"
	"sync/atomic"
)

// Execution is one execution of something that is limited, in its context: the work tells its limits how far it has come.
type Execution struct {
	// Succeeding takes the slots of the limits that count successes only. Its error is why there are none.
	Succeeding func(ctx context.Context) error

	worked, succeeded atomic.Bool
}

type executionKey struct{}

// With returns a context for the work of e.
func With(ctx context.Context, e *Execution) context.Context {
	return context.WithValue(ctx, executionKey{}, e)
}

// Worked says that the execution in ctx has done what its limits are there to bound, such as hashing a password: it counts
// from now on, whatever error it ends in.
func Worked(ctx context.Context) {
	if e, ok := ctx.Value(executionKey{}).(*Execution); ok {
		e.worked.Store(true)
	}
}

// Succeed says that the execution in ctx is about to succeed, before it changes anything. Its error is that the limits on
// successes are used up; then it must change nothing, and end in that error.
func Succeed(ctx context.Context) error {
	if e, ok := ctx.Value(executionKey{}).(*Execution); ok {
		return e.Succeed(ctx)
	}
	return nil
}

// Succeed is the same, once.
func (e *Execution) Succeed(ctx context.Context) error {
	if e.succeeded.Swap(true) || e.Succeeding == nil {
		return nil
	}
	return e.Succeeding(ctx)
}

// HasWorked reports whether there was a call of Worked.
func (e *Execution) HasWorked() bool { return e.worked.Load() }

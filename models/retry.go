package models

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff says how often a transaction is run in all, and how long it waits in between.
type backoff struct {
	attempts     int
	initial, max time.Duration // each wait is twice the one before
	fixedPart    float64       // the part of a wait that is not random
}

// The two reasons to run a transaction again have a backoff each, and count on their own.
var (
	// conflictBackoff is for transactions that lost against another one. The wait only has to
	// keep the two from meeting again, and the rows are free at once: 955 ms at most. Six tries
	// were too few for fifty clients that bring one token to a busy machine.
	conflictBackoff = backoff{attempts: 11, initial: 5 * time.Millisecond, max: 160 * time.Millisecond}
	// badConnectionBackoff is for driver.ErrBadConn: nothing was done, and a new connection may
	// lead to another server. It waits for 3.2 s at least and 4.3 s at most, so that a planned
	// switchover of two seconds goes unnoticed by clients. Each try may also take as long as a
	// connection takes; transactionRetryTimeout bounds the sum.
	badConnectionBackoff = backoff{attempts: 12, initial: 50 * time.Millisecond, max: 500 * time.Millisecond, fixedPart: 0.75}
)

// acquireWait returns the pause after a failed try; tries count from 1.
func (b backoff) wait(try int) time.Duration {
	longest := min(b.initial<<min(try-1, 30), b.max)
	fixed := time.Duration(b.fixedPart * float64(longest))
	return fixed + rand.N(longest-fixed)
}

// retries decides whether one transaction is run again.
type retries struct {
	begin                    time.Time
	conflicts, badConnection int // failed tries
}

// waitToRetry waits, and reports whether the transaction that ended with err is to be run once more. At
// COMMIT a bad connection is final: what the server did is known, and the caller's answer says
// so.
func (r *retries) waitToRetry(ctx context.Context, s *Store, committing bool, err error) (bool, error) {
	var b backoff
	var try *int
	switch {
	case s.dialect.retryable(err):
		b, try = conflictBackoff, &r.conflicts
	case !committing && s.dialect.badConnection(err):
		b, try = badConnectionBackoff, &r.badConnection
	default:
		return false, nil
	}
	*try++
	if *try >= b.attempts || s.now().Sub(r.begin) >= transactionRetryTimeout {
		return false, nil
	}
	// Without the error: some servers put the row's values into it.
	s.log.DebugContext(ctx, "transaction again", "try", r.conflicts+r.badConnection)
	if err := sleep(ctx, b.wait(*try)); err != nil {
		return false, err
	}
	return true, nil
}

package models

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff limits the attempts of a transaction and sets the waits between them.
type backoff struct {
	attempts     int
	initial, max time.Duration // each wait is twice the previous one
	fixedPart    float64       // the part of a wait that is not random
}

// Each of the two reasons for a retry has its own backoff and its own count.
var (
	// conflictBackoff is for transactions that lost a conflict. The wait only has to keep the two
	// from meeting again, and the rows are free at once: 955 ms at most in total. Six attempts were
	// too few for fifty clients that use one token on a busy machine.
	conflictBackoff = backoff{attempts: 11, initial: 5 * time.Millisecond, max: 160 * time.Millisecond}
	// badConnectionBackoff is for driver.ErrBadConn: nothing was done, and a new connection may
	// reach another server. The waits sum up to between 3.2 s and 4.3 s, so that clients do not
	// notice a planned switchover of two seconds. Connecting adds to each attempt;
	// transactionRetryTimeout bounds the sum.
	badConnectionBackoff = backoff{
		attempts: 12, initial: 50 * time.Millisecond, max: 500 * time.Millisecond, fixedPart: 0.75,
	}
)

// wait returns the pause after a failed attempt. Attempts count from 1.
func (b backoff) wait(attempt int) time.Duration {
	longest := min(b.initial<<min(attempt-1, 30), b.max)
	fixed := time.Duration(b.fixedPart * float64(longest))
	return fixed + rand.N(longest-fixed)
}

// retries counts the failed attempts of one transaction.
type retries struct {
	begin                    time.Time
	conflicts, badConnection int // failed attempts
}

// waitToRetry waits, and reports whether the transaction that ended with err is to be run again. A
// bad connection at COMMIT is final: the server is known to have done nothing, and the caller
// reports that.
func (r *retries) waitToRetry(ctx context.Context, s *Store, committing bool, err error) (bool, error) {
	var b backoff
	var attempt *int
	switch {
	case s.dialect.retryable(err):
		b, attempt = conflictBackoff, &r.conflicts
	case !committing && s.dialect.badConnection(err):
		b, attempt = badConnectionBackoff, &r.badConnection
	default:
		return false, nil
	}
	*attempt++
	if *attempt >= b.attempts || s.now().Sub(r.begin) >= transactionRetryTimeout {
		return false, nil
	}
	// The error is omitted: some servers include values of the row.
	s.log.DebugContext(ctx, "transaction retry", "try", r.conflicts+r.badConnection)
	if err := sleep(ctx, b.wait(*attempt)); err != nil {
		return false, err
	}
	return true, nil
}

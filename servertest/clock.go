package servertest

import (
	"sync/atomic"
	"time"
)

// Clock is the clock of a test server: the real time, until it is stopped, plus the duration that
// the test has added.
type Clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

// Now returns the server's time.
func (c *Clock) Now() time.Time {
	now := c.stopped.Load()
	if now == nil {
		now = new(time.Now())
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

// Advance moves the clock forward by d, or backward if d is negative.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Stop stops the clock: from now on only Advance moves it.
func (c *Clock) Stop() { c.stopped.Store(new(time.Now())) }

// Follow sets the clock's offset to that of another clock.
func (c *Clock) Follow(other *Clock) { c.ahead.Store(other.ahead.Load()) }

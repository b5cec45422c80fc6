package servertest

import (
	"sync/atomic"
	"time"
)

// Clock is what a server of a test takes for the time: the real one, until it is stopped, plus what the test added.
type Clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

// Now is the server's time.
func (c *Clock) Now() time.Time {
	now := c.stopped.Load()
	if now == nil {
		now = new(time.Now())
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

// Advance puts the clock forward, or backward if d is negative.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Stop holds the clock: from now on only Advance moves it.
func (c *Clock) Stop() { c.stopped.Store(new(time.Now())) }

// Follow puts the clock as far forward as another one.
func (c *Clock) Follow(other *Clock) { c.ahead.Store(other.ahead.Load()) }

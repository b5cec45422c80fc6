//go:build failure && unix

package failure

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"fieldgate/internal/dbtest"
)

// TestFailureConcurrentStartsMakeOneSchema checks that servers that start at once on an empty
// database create one schema and all serve. One connection is enough for each.
func TestFailureConcurrentStartsMakeOneSchema(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		env  []string
	}{
		{"three servers", nil},
		{"three servers with one connection each", []string{dbtest.ConnectionsEnv + "=1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, databaseURL string) {
				f := newFastHashFleet(t, databaseURL, row.env...)
				f.addServers(3)
				c := newClients(t, "together-", f.endpoints()...)
				c.registerAdmin(databaseURL)
				c.start(9)
				c.during("nothing happens", func() {})
				c.end()
				c.wantPromisesKept(databaseURL)
				c.wantUnknownOutcomesExplained(f.logs())
			})
		})
	}
}

// TestFailureLosesNoRegistration kills a server repeatedly during a thousand registrations.
func TestFailureLosesNoRegistration(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		const registrations, kills = 1000, 8
		f := newFastHashFleet(t, databaseURL)
		f.addServers(1)
		c := newClients(t, "killed-", f.endpoints()...)
		done := c.onlyRegister()
		c.start(8)
		for i := range int64(kills) {
			// A random moment.
			moment := (i*2 + 1 + rand.Int64N(2)) * registrations / (2 * (kills + 1))
			waitUntil(t, fmt.Sprintf("%d have registered", moment), func() bool { return done.Load() >= moment })
			f.servers[0].process.Kill()
			f.servers[0].restart()
		}
		waitUntil(t, "a thousand have registered", func() bool { return done.Load() >= registrations })
		c.end()
		c.wantPromisesKept(databaseURL)
		c.wantUnknownOutcomesExplained(f.logs())
	})
}

// TestFailureStopAnswersRequestsInFlight checks that a server that stops answers the requests it
// has begun: a request without an answer wrote nothing.
func TestFailureStopAnswersRequestsInFlight(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		f := newFastHashFleet(t, databaseURL)
		f.addServers(1)
		c := newClients(t, "stopped-", f.endpoints()...)
		done := c.onlyRegister()
		c.start(8)
		for i := range int64(3) {
			waitUntil(t, "more have registered", func() bool { return done.Load() >= 50*(i+1) })
			f.servers[0].stop()
			f.servers[0].restart()
		}
		c.end()
		c.wantPromisesKept(databaseURL)
		if n := c.counts["registrations whose answer was lost"]; n > 0 {
			t.Errorf("%d registrations were written and not answered, want 0", n)
		}
	})
}

// onlyRegister makes the clients register only, and returns the number of registrations.
func (c *clients) onlyRegister() *atomic.Int64 {
	var done atomic.Int64
	c.work = func() {
		if _, _, m := c.registerNext(); m != nil {
			done.Add(1)
		}
	}
	return &done
}

//go:build failure && unix

package failure

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// testSingleDatabase kills, stops and freezes the only database. The servers report the outage and
// recover with the database.
func testSingleDatabase(t *testing.T, node *clustertest.Node) *clients {
	t.Helper()
	f := newFastHashFleet(t, node.URL())
	f.addServers(2)
	c := newClients(t, "one-database-", f.endpoints()...)
	witness := c.register(0, "one-database-witness@example.com")
	if witness == nil {
		t.Fatal(c.violations)
	}
	c.start(2)

	c.during("the only database is killed, and started again", func() {
		node.Kill()
		c.wantFailClosed(f, witness)
		node.Rejoin(t)
	})
	c.during("it is stopped, and started again", func() {
		node.Stop(t)
		c.wantFailClosed(f, witness)
		node.Rejoin(t)
	})
	c.during("it hangs, and goes on", func() {
		node.Freeze(t)
		c.wantFailClosed(f, witness)
		node.Thaw(t)
	})
	c.end()
	c.wantPromisesKept(node.URL())
	c.wantUnknownOutcomesExplained(f.logs())
	return c
}

// wantFailClosed checks that, without the database, gated fields are denied with UNAVAILABLE,
// probes report the outage, and public fields work. All requests are sent at once, because each
// waits for a database that hangs.
func (c *clients) wantFailClosed(f *fleet, witness *account) {
	var sending sync.WaitGroup
	for _, s := range f.servers {
		for name, query := range map[string]string{"me": meQuery, "users": `{ result: users { edges { cursor } } }`} {
			sending.Go(func() {
				begin := time.Now()
				a, code := c.send(s.endpoint, witness.token, query)
				if took := time.Since(begin); code != unavailable || a.At("result") != nil || a.Header.Get("Retry-After") == "" || took > 5*time.Second {
					c.t.Errorf("%s without a database: %q %s after %s", name, code, a.Body, took)
				}
			})
		}
		sending.Go(func() {
			if _, code := c.send(s.endpoint, "", meQuery); code != "UNAUTHENTICATED" {
				c.t.Errorf("me without a token and without a database: %q, want UNAUTHENTICATED", code)
			}
		})
		for page, status := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/healthz": http.StatusOK} {
			sending.Go(func() {
				begin := time.Now()
				if got := s.status(page); got != status || time.Since(begin) > 5*time.Second {
					c.t.Errorf("%s without a database: %d after %s", page, got, time.Since(begin))
				}
			})
		}
	}
	sending.Wait()
}

//go:build failure && unix

package main

import (
	"net/http"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// testOneDatabase: without a cluster the service is away as long as its database is. It says so, and comes back with it.
func testOneDatabase(t *testing.T, node *clustertest.Node) *clients {
	f := newCheapFleet(t, node.URL())
	f.add(2)
	c := newClients(t, "one-database-", f.endpoints()...)
	c.maxWait = time.Minute
	c.work = func() { // without refreshes: their ten seconds are over before a database that hangs is given up
		if here, there, m := c.arrive(); m != nil {
			c.signOut(here, there, m)
		}
	}
	witness := c.register(0, "one-database-witness@example.com")
	if witness == nil {
		t.Fatal(c.broken)
	}
	c.start(8)

	c.while("the only database is killed, and started again", func() {
		node.Kill()
		c.wantClosed(f, witness)
		node.Rejoin(t)
	})
	c.while("it is stopped, and started again", func() {
		node.Stop(t)
		c.wantClosed(f, witness)
		node.Rejoin(t)
	})
	c.while("it hangs, and goes on", func() {
		node.Freeze(t)
		c.wantClosed(f, witness)
		node.Thaw(t)
	})
	c.end()
	c.wantPromisesKept(node.URL())
	c.wantUnknownsExplained(f.logs())
	return c
}

// wantClosed: without the database nobody is let in, whoever asks is told why, probes see it, and what needs no database
// goes on.
func (c *clients) wantClosed(f *fleet, witness *registered) {
	t := c.t
	t.Helper()
	for _, s := range f.servers {
		for name, query := range map[string]string{
			"me":    failureMe,
			"users": `{ result: users { edges { cursor } } }`,
		} {
			begin := time.Now()
			a, code := c.try(s.endpoint, witness.token, query)
			if code != later || a.at("result") != nil || a.header.Get("Retry-After") == "" {
				t.Errorf("%s without a database: %q %s", name, code, a.body)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("%s without a database took %s", name, took)
			}
		}
		begin := time.Now()
		if status := s.get("/readyz"); status != http.StatusServiceUnavailable || time.Since(begin) > 5*time.Second {
			t.Errorf("readyz without a database: %d after %s", status, time.Since(begin))
		}
		if status := s.get("/healthz"); status != http.StatusOK {
			t.Errorf("healthz without a database: %d", status)
		}
		if _, code := c.try(s.endpoint, "", failureMe); code != "UNAUTHENTICATED" {
			t.Errorf("nobody without a database: %q", code)
		}
	}
}

//go:build failure && unix

package failure

import (
	"net/url"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
)

// The answer to a refresh is lost, and then the database is silent for half a minute, longer than the grace of a token
// that was replaced. The retry gets the same successor. A minute after the replacement the grace is over, even if the
// database answered for less than ten seconds of it.
func TestFailureRefreshGraceEndsAfterAMinute(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		silent func(f *clustertest.Forwarder)
		back   func(f *clustertest.Forwarder, target string)
	}{
		{
			"the database swallows packets", func(f *clustertest.Forwarder) { f.Swallow(clustertest.HoleAfterAccept) },
			func(f *clustertest.Forwarder, _ string) { f.Restore() },
		},
		{
			"the database resets connections", func(f *clustertest.Forwarder) { f.SetTargets(); f.Cut() },
			func(f *clustertest.Forwarder, target string) { f.SetTargets(target) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := dbtest.MySQL(t)
			target := hostOf(t, databaseURL)
			forwarder := clustertest.Forward(t, target)
			servers := newFastHashFleet(t, forwarder.URL(databaseURL))
			servers.addServers(2)
			c := newClients(t, "silence-", servers.endpoints()...)
			m := c.register(0, "silence-ada@example.com")
			if m == nil {
				t.Fatal(c.violations)
			}
			parent, replaced := m.refresh, time.Time{}
			waitUntil(t, "the refresh token is old enough to be replaced", func() bool {
				replaced = time.Now()
				c.refresh(0, m)
				return m.refresh != parent
			})

			silentUntil := func(end time.Time) {
				row.silent(forwarder)
				waitUntil(t, "the silence is over", func() bool { return time.Now().After(end) })
				row.back(forwarder, target)
				waitUntil(t, "both servers are ready", func() bool { return servers.servers[0].status("/readyz")+servers.servers[1].status("/readyz") == 400 })
			}
			silentUntil(replaced.Add(30 * time.Second))
			for here := range servers.servers {
				again, code, _ := c.retry(here, "", refreshQuery, "t", parent)
				if code != "" || again.Text("result.refreshToken") != m.refresh {
					t.Fatalf("the retry after %s at server %d: %q, want the same successor\n%s", time.Since(replaced), here+1, code, again.Body)
				}
			}
			silentUntil(replaced.Add(61 * time.Second))
			if _, code, _ := c.retry(1, "", refreshQuery, "t", parent); code != "INVALID_TOKEN" {
				t.Errorf("the retry after %s: %q, want INVALID_TOKEN", time.Since(replaced), code)
			}
			if _, code, _ := c.retry(0, m.token, meQuery); code != "UNAUTHENTICATED" {
				t.Errorf("after the reuse of a token the session goes on: %q", code)
			}
		})
	}
}

// A silence that was over before the refresh does not prolong the grace.
func TestFailureRefreshGraceIgnoresAnEarlierOutage(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	target := hostOf(t, databaseURL)
	forwarder := clustertest.Forward(t, target)
	servers := newFastHashFleet(t, forwarder.URL(databaseURL))
	servers.addServers(1)
	c := newClients(t, "earlier-", servers.endpoints()...)
	m := c.register(0, "earlier-ada@example.com")
	if m == nil {
		t.Fatal(c.violations)
	}
	end := time.Now().Add(8 * time.Second)
	forwarder.SetTargets()
	forwarder.Cut()
	waitUntil(t, "the silence is over", func() bool { return time.Now().After(end) })
	forwarder.SetTargets(target)
	parent, replaced := m.refresh, time.Time{}
	waitUntil(t, "the refresh token is replaced", func() bool {
		c.refresh(0, m)
		replaced = time.Now()
		return m.refresh != parent
	})
	waitUntil(t, "the grace is over", func() bool { return time.Since(replaced) > refreshGrace+time.Second })
	if _, code, _ := c.retry(0, "", refreshQuery, "t", parent); code != "INVALID_TOKEN" {
		t.Errorf("after %s: %q, want INVALID_TOKEN", time.Since(replaced), code)
	}
	if _, code, _ := c.retry(0, m.token, meQuery); code != "UNAUTHENTICATED" {
		t.Errorf("after the reuse of a token the session goes on: %q", code)
	}
}

func hostOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	repotest.NoError(t, err)
	return u.Host
}

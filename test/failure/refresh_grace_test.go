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

// TestFailureRefreshGraceEndsAfterAMinute checks a refresh whose answer is lost in an outage of
// half a minute, which is longer than the grace period. The retry gets the same successor. One
// minute after the rotation the grace period ends, even if the database answered for less than ten
// seconds of it.
func TestFailureRefreshGraceEndsAfterAMinute(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		begin func(f *clustertest.Forwarder)
		end   func(f *clustertest.Forwarder, target string)
	}{
		{
			"packets are dropped", func(f *clustertest.Forwarder) { f.Swallow(clustertest.HoleAfterAccept) },
			func(f *clustertest.Forwarder, _ string) { f.Restore() },
		},
		{
			"connections are reset", func(f *clustertest.Forwarder) { f.SetTargets(); f.Cut() },
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
			parent, rotated := m.refresh, time.Time{}
			waitUntil(t, "the refresh token is old enough to be rotated", func() bool {
				rotated = time.Now()
				c.refresh(0, m)
				return m.refresh != parent
			})

			interruptUntil := func(end time.Time) {
				row.begin(forwarder)
				waitUntil(t, "the outage is over", func() bool { return time.Now().After(end) })
				row.end(forwarder, target)
				waitUntil(t, "both servers are ready", func() bool { return servers.servers[0].status("/readyz")+servers.servers[1].status("/readyz") == 400 })
			}
			interruptUntil(rotated.Add(30 * time.Second))
			for here := range servers.servers {
				again, code, _ := c.retry(here, "", refreshQuery, "t", parent)
				if code != "" || again.Text("result.refreshToken") != m.refresh {
					t.Fatalf("the retry after %s at server %d: %q, want the same successor\n%s", time.Since(rotated), here+1, code, again.Body)
				}
			}
			interruptUntil(rotated.Add(61 * time.Second))
			if _, code, _ := c.retry(1, "", refreshQuery, "t", parent); code != "INVALID_TOKEN" {
				t.Errorf("the retry after %s: %q, want INVALID_TOKEN", time.Since(rotated), code)
			}
			if _, code, _ := c.retry(0, m.token, meQuery); code != "UNAUTHENTICATED" {
				t.Errorf("me after a reuse: %q, want UNAUTHENTICATED", code)
			}
		})
	}
}

// TestFailureRefreshGraceIgnoresAnEarlierOutage checks that an outage that ended before the refresh
// does not extend the grace period.
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
	waitUntil(t, "the outage is over", func() bool { return time.Now().After(end) })
	forwarder.SetTargets(target)
	parent, rotated := m.refresh, time.Time{}
	waitUntil(t, "the refresh token is rotated", func() bool {
		c.refresh(0, m)
		rotated = time.Now()
		return m.refresh != parent
	})
	waitUntil(t, "the grace period is over", func() bool { return time.Since(rotated) > refreshGrace+time.Second })
	if _, code, _ := c.retry(0, "", refreshQuery, "t", parent); code != "INVALID_TOKEN" {
		t.Errorf("after %s: %q, want INVALID_TOKEN", time.Since(rotated), code)
	}
	if _, code, _ := c.retry(0, m.token, meQuery); code != "UNAUTHENTICATED" {
		t.Errorf("me after a reuse: %q, want UNAUTHENTICATED", code)
	}
}

func hostOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	repotest.NoError(t, err)
	return u.Host
}

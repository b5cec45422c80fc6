//go:build failure && unix

package failure

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/servertest"
)

// maxReadStaleness bounds the time for which a server may read a demoted primary after another
// server has written to the new one.
const maxReadStaleness = 2 * time.Second

// TestFailureSwitchoverHonorsLogout checks a planned switchover that leaves the old primary up and
// read-only and closes no connection, as with DNS, a virtual IP or many balancers. Pooled
// connections still read the old primary then.
func TestFailureSwitchoverHonorsLogout(t *testing.T) {
	t.Parallel()
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		testSwitchover(t, clustertest.MariaDBPair(t))
	})
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		testSwitchover(t, clustertest.MySQLPair(t))
	})
}

// switchover is two servers, each with its own forwarder to a primary and its replica.
type switchover struct {
	t          *testing.T
	old, new   *clustertest.Node // primary and replica before the next switchover
	forwarders []*clustertest.Forwarder
	fleet      *fleet
	clients    *clients
}

func testSwitchover(t *testing.T, pair *clustertest.Pair) {
	s := newSwitchover(t, pair)
	for _, row := range []struct {
		name   string
		demote func()
		move   func() // redirects the servers' connections; nil: new ones go to the new primary
	}{
		{"all pooled connections stay on the old primary", s.demote, nil},
		{"the new primary was demoted before", s.demote, nil},
		{"one of several connections stays", s.demote, func() {
			s.moveConnections()
			for _, forwarder := range s.forwarders {
				forwarder.CutAllBut(1, s.old.Addr())
			}
		}},
		{"the old primary is locked before it is demoted", func() { s.old.DemoteLocked(t, func() {}) }, nil},
		{"the balancer sends new connections to both", s.demote, func() {
			for _, forwarder := range s.forwarders {
				forwarder.SetTargets(s.old.Addr(), s.new.Addr())
			}
		}},
		{"both are read-only for two seconds", func() {
			s.demote()
			<-time.After(2 * time.Second) // the time of this switchover
		}, nil},
		{"the reading server is directed to the old primary for two more seconds", s.demote, func() {
			s.forwarders[1].SetTargets(s.new.Addr())
		}},
		{"no request for three seconds", func() {
			s.demote()
		}, func() {
			s.moveConnections()
			<-time.After(3 * time.Second) // longer than any interval of a server's checks
		}},
	} {
		if !t.Run(row.name, func(t *testing.T) { s.switchAndCheck(t, row.demote, row.move) }) {
			return // the primary is unknown
		}
	}
}

func newSwitchover(t *testing.T, pair *clustertest.Pair) *switchover {
	t.Helper()
	s := &switchover{t: t, old: pair.First, new: pair.Second}
	var envs [][]string
	for range 2 {
		forwarder := clustertest.Forward(t, pair.First.Addr())
		s.forwarders, envs = append(s.forwarders, forwarder), append(envs, []string{"DATABASE_URL=" + forwarder.URL(pair.URL())})
	}
	s.fleet = newFastHashFleet(t, pair.URL())
	s.fleet.addServersWithEnv(envs...)
	s.clients = newClients(t, "switchover-", s.fleet.endpoints()...)
	return s
}

func (s *switchover) demote() { s.old.Demote(s.t) }

func (s *switchover) moveConnections() {
	for _, forwarder := range s.forwarders {
		forwarder.SetTargets(s.new.Addr())
	}
}

// switchAndCheck switches once and checks both servers. The reading server only reads until the
// writing server has revoked a session.
func (s *switchover) switchAndCheck(t *testing.T, demote, move func()) {
	const reader, writer = 0, 1
	session := s.clients.register(writer, fmt.Sprintf("switchover-%s@example.com", strconv.FormatInt(time.Now().UnixNano(), 36)))
	if session == nil {
		t.Fatal(s.clients.violations)
	}
	for i, forwarder := range s.forwarders {
		waitUntil(t, "the pool has connections", func() bool {
			s.sendConcurrently(i, 64, session.token)
			return forwarder.Connections(s.old.Addr()) >= 24 // of 32
		})
	}

	demote()
	s.new.CatchUp(t, s.old)
	s.new.Promote(t)
	if move == nil {
		move = s.moveConnections
	}
	move()

	begin := time.Now()
	retries := s.sendUntilAccepted(t, writer, session.token, logoutQuery)
	acknowledged := time.Now()
	t.Logf("the first write took %s and %d retries", acknowledged.Sub(begin).Round(time.Millisecond), retries)
	if retries > 1 {
		t.Errorf("the first write after the switchover took %d retries, want at most 1", retries)
	}
	if stayed := s.forwarders[reader].Connections(s.old.Addr()); stayed == 0 {
		t.Error("the reading server has no connection to the old primary: the test shows nothing")
	}
	s.wantSessionRejected(t, reader, session.token, acknowledged)
	s.moveConnections()

	retries = s.sendUntilAccepted(t, reader, "", loginQuery, "e", session.email, "p", servertest.Password)
	if retries > 1 {
		t.Errorf("the first write of the reading server took %d retries, want at most 1", retries)
	}
	for _, server := range s.fleet.servers {
		server.waitReady()
	}
	if t.Failed() {
		return
	}
	s.moveConnections()
	s.old.Follow(t, s.new)
	s.old.CatchUp(t, s.new)
	s.old, s.new = s.new, s.old
}

// wantSessionRejected sends requests over all connections of a server until maxReadStaleness is
// over for each.
func (s *switchover) wantSessionRejected(t *testing.T, server int, token string, acknowledged time.Time) {
	t.Helper()
	var sending sync.WaitGroup
	var mu sync.Mutex
	var accepted time.Duration
	codes := map[string]int{}
	for range 16 {
		sending.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for ; ; <-tick.C {
				sent := time.Since(acknowledged)
				a, code := s.clients.send(s.clients.endpoints[server], token, meQuery)
				mu.Lock()
				codes[code]++
				if code == "" {
					accepted = max(accepted, sent)
				}
				mu.Unlock()
				switch {
				case sent <= maxReadStaleness:
				case code == "UNAUTHENTICATED", code == unavailable:
					return
				default:
					t.Errorf("%s after the logout the reading server returns %q %s, want UNAUTHENTICATED or %s", sent.Round(time.Millisecond), code, a.Body, unavailable)
					return
				}
			}
		})
	}
	sending.Wait()
	t.Logf("the reading server accepted the session until %s after its logout: %v", accepted.Round(time.Millisecond), codes)
}

// sendConcurrently sends several requests for me to a server at once.
func (s *switchover) sendConcurrently(server, count int, token string) {
	var sending sync.WaitGroup
	for range count {
		sending.Go(func() { _, _ = s.clients.send(s.clients.endpoints[server], token, meQuery) })
	}
	sending.Wait()
}

// sendUntilAccepted repeats a request, waits as long as Retry-After says, and returns the number of
// retries.
func (s *switchover) sendUntilAccepted(t *testing.T, server int, token, query string, variables ...any) (retries int) {
	t.Helper()
	for begin := time.Now(); ; retries++ {
		a, code := s.clients.send(s.clients.endpoints[server], token, query, variables...)
		switch {
		case code == "":
			return retries
		case code != unavailable:
			t.Fatalf("%s: %q %s", strings.TrimSpace(query)[:20], code, a.Body)
		case time.Since(begin) > time.Minute:
			t.Fatalf("still UNAVAILABLE after %s", time.Since(begin))
		}
		seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil {
			t.Fatalf("Retry-After: %v", err)
		}
		<-time.After(time.Duration(seconds) * time.Second)
	}
}

// testPair switches the primary while clients use the service, and loses it.
func testPair(t *testing.T, pair *clustertest.Pair) *clients {
	t.Helper()
	s := newSwitchover(t, pair)
	c := s.clients
	c.prefix, c.maxStaleness = "pair-", maxReadStaleness
	c.registerAdmin(pair.First.URL())
	c.start(userCount)
	c.during("the primary is switched, and the old one stays up", func() { s.switchPrimary(t) })
	c.during("it is switched back", func() { s.switchPrimary(t) })
	c.during("the primary is locked, demoted, and two seconds later the replica is promoted", func() {
		s.old.DemoteLocked(t, func() {})
		<-time.After(2 * time.Second)
		s.switchPrimary(t)
	})
	c.during("the machine of the primary loses its power", func() {
		for _, forwarder := range s.forwarders {
			forwarder.Swallow(clustertest.HoleEstablished)
		}
		s.old.Kill()
		s.new.ApplyReceived(t)
		s.new.Promote(t)
		s.moveConnections()
	})
	c.end()
	for _, forwarder := range s.forwarders {
		forwarder.Restore()
	}
	c.wantPromisesKept(s.new.URL())
	c.wantUnknownOutcomesExplained(s.fleet.logs())
	return c
}

// switchPrimary promotes the replica and makes the old primary follow it.
func (s *switchover) switchPrimary(t *testing.T) {
	s.old.Demote(t)
	s.new.CatchUp(t, s.old)
	s.new.Promote(t)
	s.moveConnections()
	s.old.Follow(t, s.new)
	s.old, s.new = s.new, s.old
}

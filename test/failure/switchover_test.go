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

// maxReadStaleness bounds how long a server may read a primary that was demoted, after another server has
// written to the new one.
const maxReadStaleness = 2 * time.Second

// A planned switchover leaves the old primary up and read-only, and cuts no connection: DNS, a
// virtual IP and many balancers work like that. Pooled connections then still read the old data.
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

// switchover is two servers, each with a way of its own to a primary and its replica.
type switchover struct {
	t          *testing.T
	old, new   *clustertest.Node // primary and replica before the next switch
	forwarders []*clustertest.Forwarder
	fleet      *fleet
	clients    *clients
}

func testSwitchover(t *testing.T, pair *clustertest.Pair) {
	s := newSwitchover(t, pair)
	for _, row := range []struct {
		name   string
		demote func()
		move   func() // of the servers' connections; nil: new ones go to the new primary
	}{
		{"all pooled connections stay on the old primary", s.demote, nil},
		{"back to a primary that was demoted before", s.demote, nil},
		{"one of several connections stays", s.demote, func() {
			s.moveConnections()
			for _, way := range s.forwarders {
				way.CutAllBut(1, s.old.Addr())
			}
		}},
		{"the old primary is locked before it is demoted", func() { s.old.DemoteLocked(t, func() {}) }, nil},
		{"the balancer sends new connections to both", s.demote, func() {
			for _, way := range s.forwarders {
				way.SetTargets(s.old.Addr(), s.new.Addr())
			}
		}},
		{"both are read-only for two seconds", func() {
			s.demote()
			<-time.After(2 * time.Second) // how long this switchover takes
		}, nil},
		{"the server that reads is sent to the old primary for two seconds more", s.demote, func() {
			s.forwarders[1].SetTargets(s.new.Addr())
		}},
		{"nobody asks for three seconds", func() {
			s.demote()
		}, func() {
			s.moveConnections()
			<-time.After(3 * time.Second) // longer than any interval at which a server may look
		}},
	} {
		if !t.Run(row.name, func(t *testing.T) { s.switchAndCheck(t, row.demote, row.move) }) {
			return // who is the primary is not known
		}
	}
}

func newSwitchover(t *testing.T, pair *clustertest.Pair) *switchover {
	t.Helper()
	s := &switchover{t: t, old: pair.First, new: pair.Second}
	var envs [][]string
	for range 2 {
		way := clustertest.Forward(t, pair.First.Addr())
		s.forwarders, envs = append(s.forwarders, way), append(envs, []string{"DATABASE_URL=" + way.URL(pair.URL())})
	}
	s.fleet = newFastHashFleet(t, pair.URL())
	s.fleet.addServersWithEnv(envs...)
	s.clients = newClients(t, "switchover-", s.fleet.endpoints()...)
	return s
}

func (s *switchover) demote() { s.old.Demote(s.t) }

func (s *switchover) moveConnections() {
	for _, way := range s.forwarders {
		way.SetTargets(s.new.Addr())
	}
}

// switchAndCheck switches once, and asks both servers for what they promise. The first one only reads until
// the other has signed a session out.
func (s *switchover) switchAndCheck(t *testing.T, demote, move func()) {
	const reader, writer = 0, 1
	session := s.clients.register(writer, fmt.Sprintf("switchover-%s@example.com", strconv.FormatInt(time.Now().UnixNano(), 36)))
	if session == nil {
		t.Fatal(s.clients.violations)
	}
	for i, way := range s.forwarders {
		waitUntil(t, "the pool has connections", func() bool {
			s.sendConcurrently(i, 64, session.token)
			return way.Connections(s.old.Addr()) >= 24 // of 32
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
	refused := s.sendUntilAccepted(t, writer, session.token, logoutQuery)
	acknowledged := time.Now()
	t.Logf("the first write took %s; %d were told to ask again", acknowledged.Sub(begin).Round(time.Millisecond), refused)
	if refused > 1 {
		t.Errorf("the first write after the switchover was told to ask again %d times, want once at most", refused)
	}
	if stayed := s.forwarders[reader].Connections(s.old.Addr()); stayed == 0 {
		t.Error("no connection of the server that reads is on the old primary: this shows nothing")
	}
	s.wantSessionRejected(t, reader, session.token, acknowledged)
	s.moveConnections()

	refused = s.sendUntilAccepted(t, reader, "", loginQuery, "e", session.email, "p", servertest.Password)
	if refused > 1 {
		t.Errorf("the first write of the server that only read was told to ask again %d times, want once at most", refused)
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

// wantSessionRejected asks by way of all connections that a server has, until maxReadStaleness is over for each.
func (s *switchover) wantSessionRejected(t *testing.T, server int, token string, acknowledged time.Time) {
	t.Helper()
	var asking sync.WaitGroup
	var mu sync.Mutex
	var accepted time.Duration
	codes := map[string]int{}
	for range 16 {
		asking.Go(func() {
			again := time.NewTicker(5 * time.Millisecond)
			defer again.Stop()
			for ; ; <-again.C {
				asked := time.Since(acknowledged)
				a, code := s.clients.send(s.clients.endpoints[server], token, meQuery)
				mu.Lock()
				codes[code]++
				if code == "" {
					accepted = max(accepted, asked)
				}
				mu.Unlock()
				switch {
				case asked <= maxReadStaleness:
				case code == "UNAUTHENTICATED", code == unavailable:
					return
				default:
					t.Errorf("%s after the logout the server that only reads says %q %s, want UNAUTHENTICATED or %s", asked.Round(time.Millisecond), code, a.Body, unavailable)
					return
				}
			}
		})
	}
	asking.Wait()
	t.Logf("the server that only reads accepted the session until %s after its logout: %v", accepted.Round(time.Millisecond), codes)
}

// run asks a server several times at once who a session belongs to.
func (s *switchover) sendConcurrently(server, count int, token string) {
	var asking sync.WaitGroup
	for range count {
		asking.Go(func() { _, _ = s.clients.send(s.clients.endpoints[server], token, meQuery) })
	}
	asking.Wait()
}

// sendUntilAccepted asks as a client does that waits as long as it is told, and returns how often it was
// told to ask again.
func (s *switchover) sendUntilAccepted(t *testing.T, server int, token, query string, variables ...any) (refused int) {
	t.Helper()
	for begin := time.Now(); ; refused++ {
		a, code := s.clients.send(s.clients.endpoints[server], token, query, variables...)
		switch {
		case code == "":
			return refused
		case code != unavailable:
			t.Fatalf("%s: %q %s", strings.TrimSpace(query)[:20], code, a.Body)
		case time.Since(begin) > time.Minute:
			t.Fatalf("still told to ask again after %s", time.Since(begin))
		}
		seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil {
			t.Fatalf("Retry-After: %v", err)
		}
		<-time.After(time.Duration(seconds) * time.Second)
	}
}

// testPair: the primary is switched while people use the service, and lost.
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
		for _, way := range s.forwarders {
			way.Swallow(clustertest.HoleEstablished)
		}
		s.old.Kill()
		s.new.ApplyReceived(t)
		s.new.Promote(t)
		s.moveConnections()
	})
	c.end()
	for _, way := range s.forwarders {
		way.Restore()
	}
	c.wantPromisesKept(s.new.URL())
	c.wantUnknownOutcomesExplained(s.fleet.logs())
	return c
}

// switchPrimary switches to the replica, and has the old primary follow it.
func (s *switchover) switchPrimary(t *testing.T) {
	s.old.Demote(t)
	s.new.CatchUp(t, s.old)
	s.new.Promote(t)
	s.moveConnections()
	s.old.Follow(t, s.new)
	s.old, s.new = s.new, s.old
}

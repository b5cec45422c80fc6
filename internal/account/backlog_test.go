package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pushAll adds waiters of networks named by letters, and returns those of the dropped waiters.
func (b *backlog) pushAll(networks string) (dropped string) {
	for _, network := range strings.Split(networks, "") {
		if w := b.push(&waiter{network: network}); w != nil {
			dropped += w.network
		}
	}
	return dropped
}

// popAll removes all waiters and returns their networks in order of service.
func (b *backlog) popAll() (served string) {
	for w := b.pop(); w != nil; w = b.pop() {
		served += w.network
	}
	return served
}

func TestBacklogServesNetworksInTurn(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		capacity int
		pushed   string
		dropped  string
		served   string
	}{
		{"one network is served in order", 10, "aaa", "", "aaa"},
		{"a network with one waiter is served after one waiter of the flood", 10, "aaaaab", "", "abaaaa"},
		{"three networks take turns", 10, "aaabbbc", "", "abcabab"},
		{"a lone network uses the whole capacity and no more", 3, "aaaaa", "aa", "aaa"},
		{"a new network takes a place of the longest queue", 4, "aaaab", "a", "abaa"},
		{"a new network takes places until the queues are equal", 4, "aaaabbbb", "aabb", "abab"},
		{"the longer of two queues loses a place", 7, "aaaabbbc", "a", "abcabab"},
		{"a new network is rejected if all queues have one waiter", 3, "abcd", "d", "abc"},
		{"zero capacity rejects every waiter", 0, "ab", "ab", ""},
	} {
		b := &backlog{capacity: row.capacity}
		if dropped := b.pushAll(row.pushed); dropped != row.dropped {
			t.Errorf("%s: dropped %q, want %q", row.name, dropped, row.dropped)
		}
		if served := b.popAll(); served != row.served || b.count != 0 || len(b.sites) != 0 || len(b.ring) != 0 {
			t.Errorf("%s: served %q, want %q; backlog %+v", row.name, served, row.served, b)
		}
	}
}

func TestBacklogDropsNewestWaiterOfLongestQueue(t *testing.T) {
	t.Parallel()
	b := &backlog{capacity: 3}
	flood := []*waiter{{network: "a"}, {network: "a"}, {network: "a"}}
	for _, w := range flood {
		b.push(w)
	}
	if dropped := b.push(&waiter{network: "b"}); dropped != flood[2] {
		t.Errorf("dropped %p, want %p", dropped, flood[2])
	}
	if b.remove(flood[2]) || !b.remove(flood[0]) || b.remove(flood[0]) || b.count != 2 {
		t.Errorf("%+v", b)
	}
	if served := b.popAll(); served != "ab" {
		t.Errorf("served %q", served)
	}
}

// A site with many networks, such as the 65,536 of an IPv6 /48, gets the turns and the capacity of
// one.
func TestBacklogTreatsNetworksOfOneSiteAsOne(t *testing.T) {
	t.Parallel()
	const capacity = 8
	b := &backlog{capacity: capacity}
	at := func(site string, i int) *waiter { return &waiter{network: fmt.Sprintf("2001:db8:%s:%x::/64", site, i)} }
	for i := range capacity {
		if b.push(at("bad", i)) != nil {
			t.Fatal("a waiter was dropped below capacity")
		}
	}
	owner := at("a", 1)
	if dropped := b.push(owner); dropped == nil || dropped == owner {
		t.Fatalf("dropped %+v, want a waiter of the other site", dropped)
	}
	if extra := at("bad", 99); b.push(extra) != extra {
		t.Error("the largest site gained another place")
	}
	first, second := b.pop(), b.pop()
	if first == nil || second != owner {
		t.Errorf("served %+v and %+v, want the owner second", first, second)
	}

	// Within a site the networks take turns too, and a flood from one yields a place to another.
	b = &backlog{capacity: 4}
	for range 4 {
		b.push(at("c", 1))
	}
	neighbour := at("c", 2)
	if dropped := b.push(neighbour); dropped == nil || dropped == neighbour {
		t.Errorf("dropped %+v, want a waiter of the flooding network", dropped)
	}
	if first, second := b.pop(), b.pop(); first == nil || second != neighbour {
		t.Errorf("served %+v and %+v, want the owner second", first, second)
	}
	if left := b.popAll(); left != "2001:db8:c:1::/642001:db8:c:1::/64" || b.count != 0 || len(b.sites) != 0 || len(b.ring) != 0 {
		t.Errorf("remaining %q, %+v", left, b)
	}
}

// countHashes returns the completed and rejected hashes of each network. Clients with the given
// number of connections send the next request as soon as they have a response. A hash takes 250 ms
// of the bubble's time.
func countHashes(t *testing.T, workers int, connections map[string]int) (done map[string]int, refused map[string]int) {
	t.Helper()
	const hash, lasts = 250 * time.Millisecond, 100 * time.Second
	q := newQueue(workers, workers*queuedPerThread, maxQueueWait)
	defer q.Close()
	ctx, stop := context.WithTimeout(t.Context(), lasts)
	defer stop()
	var clients sync.WaitGroup
	counts := map[string]*[2]atomic.Int64{}
	for network, n := range connections {
		count := &[2]atomic.Int64{}
		counts[network] = count
		for range n {
			clients.Go(func() {
				for ctx.Err() == nil {
					err := q.doFor(ctx, network, func() error {
						<-time.After(hash)
						return nil
					})
					switch {
					case err == nil:
						count[0].Add(1)
					case isOverloaded(err):
						count[1].Add(1)
						<-time.After(time.Second) // as Retry-After says
					}
				}
			})
		}
	}
	clients.Wait()
	done, refused = map[string]int{}, map[string]int{}
	for network, count := range counts {
		done[network], refused[network] = int(count[0].Load()), int(count[1].Load())
	}
	return done, refused
}

// addNetworks adds n networks with one connection each.
func addNetworks(n int, format string, connections map[string]int) map[string]int {
	for i := range n {
		connections[fmt.Sprintf(format, i)] = 1
	}
	return connections
}

func TestQueueSharesItsThreadsBetweenNetworks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name        string
		workers     int
		connections map[string]int
		atLeast     map[string]int // of 400 per thread in total
	}{
		{"two networks beside a flood", 2, map[string]int{"flood": 200, "one": 4, "two": 4}, map[string]int{"one": 250, "two": 250}},
		{"unequal numbers of connections", 2, map[string]int{"flood": 300, "one": 3, "two": 20}, map[string]int{"one": 250, "two": 250}},
		{"one thread", 1, map[string]int{"flood": 200, "one": 2, "two": 8}, map[string]int{"one": 125, "two": 125}},
		{"four threads", 4, map[string]int{"flood": 500, "one": 8, "two": 30}, map[string]int{"one": 500, "two": 500}},
		{"a lone network uses every thread", 2, map[string]int{"one": 8}, map[string]int{"one": 796}},
		{"two networks beside 200 of one site", 2, addNetworks(200, "2001:db8:bad:%x::/64", map[string]int{"one": 4, "two": 4}), map[string]int{"one": 250, "two": 250}},
		{"turns that one network leaves go to the others", 2, map[string]int{"flood": 200, "one": 1}, map[string]int{"one": 190, "flood": 400}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				done, refused := countHashes(t, row.workers, row.connections)
				t.Logf("done %v, rejected %v", done, refused)
				sum := 0
				for network, n := range done {
					sum += n
					if n < row.atLeast[network] {
						t.Errorf("%s: %d, want at least %d", network, n, row.atLeast[network])
					}
					if (network == "one" || network == "two") && refused[network] > 0 {
						t.Errorf("%s was rejected %d times, want 0", network, refused[network])
					}
				}
				if sum < 400*row.workers*99/100 {
					t.Errorf("%d hashes in total: a thread was idle while callers waited", sum)
				}
				if one, two := done["one"], done["two"]; two > 0 && (one*10 < two*8 || two*10 < one*8) {
					t.Errorf("the networks got %d and %d hashes: more than 20 %% apart", one, two)
				}
			})
		})
	}
}

// A request from another network waits for a hash or two, not for the whole flood.
func TestQueueServesNewNetworkBehindFloodSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, free := newBusyQueue(1, queuedPerThread, time.Minute)
		var order []string
		for i := range 140 {
			go q.doFor(t.Context(), "flood", func() error {
				order = append(order, fmt.Sprint(i))
				return nil
			})
		}
		synctest.Wait()
		owner := make(chan error, 1)
		go func() {
			owner <- q.doFor(t.Context(), "owner", func() error {
				order = append(order, "owner")
				return nil
			})
		}()
		synctest.Wait()
		if q.State().Waiting != queuedPerThread {
			t.Errorf("%d callers wait, want %d", q.State().Waiting, queuedPerThread)
		}
		free()
		if err := <-owner; err != nil {
			t.Fatal(err)
		}
		if at := slices.Index(order, "owner"); at < 0 || at > 2 {
			t.Errorf("served at index %d, want at most 2", at)
		}
	})
}

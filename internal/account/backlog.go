package account

import (
	"slices"
	"time"

	"fieldgate/internal/limit"
)

// backlog holds the callers that wait for a thread of a [Queue]. It has a line for each network and serves them in turn
// (round-robin), so that a network with many callers delays its own and not those of others. A lone network gets
// every turn. The networks of one site, as limit.Site tells them apart, share the turns and the room of one: a customer
// with many networks is not many customers. It is not safe for use by several goroutines.
type backlog struct {
	capacity int // how many may wait
	count    int // how many wait
	sites    map[string]*siteQueue
	ring     []*siteQueue // those with a waiter, the next to be served first
}

// siteQueue is what waits of one site, in a line for each of its networks.
type siteQueue struct {
	name   string
	count  int
	queues map[string]*networkQueue
	ring   []*networkQueue // those with a waiter, the next to be served first
}

// networkQueue is what waits of one network, in the order of arrival.
type networkQueue struct {
	network string
	waiters []*waiter
}

// waiter is a caller that waits for a thread.
type waiter struct {
	network string // "" for a caller without one: the command line, a job of the server
	since   time.Time
	task    func()
	settled chan struct{} // closed when a thread has taken the waiter, and when it was dropped
	dropped bool          // to be read after decided is closed
}

// push adds a waiter. When the room is used up, the last waiter of the longest line of the site with the most is dropped, so
// that a flood of one network or site keeps no other out; push returns the one that was dropped, or nil. It is w itself
// where no other line is longer than w's would be.
func (b *backlog) push(w *waiter) (dropped *waiter) {
	s := b.sites[limit.Site(w.network)]
	if s == nil {
		s = &siteQueue{name: limit.Site(w.network), queues: map[string]*networkQueue{}}
	}
	if b.count >= b.capacity {
		if dropped = b.evictionCandidate(s, w.network); dropped == nil {
			return w
		}
		b.remove(dropped)
	}
	b.add(s, w)
	return dropped
}

// evictionCandidate returns the waiter that makes room for one more of a network of s, or nil.
func (b *backlog) evictionCandidate(s *siteQueue, network string) *waiter {
	largest := s
	for _, other := range b.ring {
		if other.count > largest.count {
			largest = other
		}
	}
	own := 0 // in the largest site any line is longer than that of the newcomer
	if s.count+1 >= largest.count {
		largest, own = s, 1
		if l := s.queues[network]; l != nil {
			own += len(l.waiters)
		}
	}
	var longest *networkQueue
	for _, l := range largest.ring {
		if len(l.waiters) > own && (longest == nil || len(l.waiters) > len(longest.waiters)) {
			longest = l
		}
	}
	if longest == nil {
		return nil
	}
	return longest.waiters[len(longest.waiters)-1]
}

func (b *backlog) add(s *siteQueue, w *waiter) {
	if s.count == 0 {
		if b.sites == nil {
			b.sites = map[string]*siteQueue{}
		}
		b.sites[s.name] = s
		b.ring = append(b.ring, s)
	}
	l := s.queues[w.network]
	if l == nil {
		l = &networkQueue{network: w.network}
		s.queues[w.network] = l
		s.ring = append(s.ring, l)
	}
	l.waiters = append(l.waiters, w)
	s.count++
	b.count++
}

// pop removes and returns the waiter whose turn it is, or nil.
func (b *backlog) pop() *waiter {
	if len(b.ring) == 0 {
		return nil
	}
	s := b.ring[0]
	l := s.ring[0]
	w := l.waiters[0]
	b.remove(w)
	if len(l.waiters) > 0 {
		s.ring = append(s.ring[1:], l)
	}
	if s.count > 0 {
		b.ring = append(b.ring[1:], s)
	}
	return w
}

// remove takes a waiter out, and reports whether it was there.
func (b *backlog) remove(w *waiter) bool {
	s := b.sites[limit.Site(w.network)]
	if s == nil || s.queues[w.network] == nil {
		return false
	}
	l := s.queues[w.network]
	i := slices.Index(l.waiters, w)
	if i < 0 {
		return false
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
	s.count--
	b.count--
	if len(l.waiters) == 0 {
		delete(s.queues, w.network)
		s.ring = slices.DeleteFunc(s.ring, func(other *networkQueue) bool { return other == l })
	}
	if s.count == 0 {
		delete(b.sites, s.name)
		b.ring = slices.DeleteFunc(b.ring, func(other *siteQueue) bool { return other == s })
	}
	return true
}

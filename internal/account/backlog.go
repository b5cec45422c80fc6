package account

import (
	"slices"
	"time"

	"fieldgate/internal/limit"
)

// backlog holds the callers that wait for a thread of a [Queue]. It has one FIFO queue per network
// and serves the networks round-robin, so that a network with many callers delays only its own. A
// lone network gets every turn.
//
// Networks of one site, as limit.Site defines it, share the turns and the capacity of one: a
// customer with many networks counts once. A backlog is not safe for concurrent use.
type backlog struct {
	capacity int // maximum number of waiters
	count    int // current number of waiters
	sites    map[string]*siteQueue
	ring     []*siteQueue // sites with a waiter, the next to be served first
}

// siteQueue holds the waiters of one site, in one queue per network.
type siteQueue struct {
	name   string
	count  int
	queues map[string]*networkQueue
	ring   []*networkQueue // networks with a waiter, the next to be served first
}

// networkQueue holds the waiters of one network in order of arrival.
type networkQueue struct {
	network string
	waiters []*waiter
}

// waiter is a caller that waits for a thread.
type waiter struct {
	network string // "" for the command line and for jobs of the server
	since   time.Time
	task    func()
	settled chan struct{} // closed when a thread took the waiter or the waiter was dropped
	dropped bool          // valid after settled is closed
}

// push adds a waiter. If the backlog is full, it drops the last waiter of the longest queue of the
// largest site, so that a flood from one network or site cannot keep others out. It returns the
// dropped waiter or nil. The dropped waiter is w itself if no queue is longer than that of w would
// be.
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

// evictionCandidate returns the waiter to drop for a new one of a network of s, or nil.
func (b *backlog) evictionCandidate(s *siteQueue, network string) *waiter {
	largest := s
	for _, other := range b.ring {
		if other.count > largest.count {
			largest = other
		}
	}
	own := 0 // in another site every queue is longer than the new waiter's
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

// pop removes and returns the next waiter, or nil.
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

// remove removes a waiter and reports whether it was there.
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

package account

import "slices"

// backlog holds the callers that wait for a thread of a [Queue]. It has a line for each network and serves the networks
// in turn (round-robin), so that a network with many callers delays its own and not those of others. A lone network gets
// every turn. It is not safe for use by several goroutines.
type backlog struct {
	room  int // how many may wait
	count int // how many wait
	lines map[string]*line
	ring  []*line // those with a waiter, the next to be served first
}

// line is what waits of one network, in the order of arrival.
type line struct {
	network string
	waiters []*waiter
}

// waiter is a caller that waits for a thread.
type waiter struct {
	network string // "" for a caller without one: the command line, a job of the server
	do      func()
	decided chan struct{} // closed when a thread has taken the waiter, and when it was dropped
	dropped bool          // to be read after decided is closed
}

// push adds a waiter. When the room is used up, the last waiter of the longest line is dropped, so that a flood of one
// network keeps no other out; push returns the one that was dropped, or nil. It is w itself where w's line is as long as
// any, or would be.
func (b *backlog) push(w *waiter) (dropped *waiter) {
	if b.count >= b.room {
		longest := b.longest()
		if longest == nil || b.length(w.network)+1 >= len(longest.waiters) {
			return w
		}
		dropped = longest.waiters[len(longest.waiters)-1]
		b.remove(dropped)
	}
	if b.lines == nil {
		b.lines = map[string]*line{}
	}
	l := b.lines[w.network]
	if l == nil {
		l = &line{network: w.network}
		b.lines[w.network] = l
		b.ring = append(b.ring, l)
	}
	l.waiters = append(l.waiters, w)
	b.count++
	return dropped
}

// pop removes and returns the waiter whose turn it is, or nil.
func (b *backlog) pop() *waiter {
	if len(b.ring) == 0 {
		return nil
	}
	l := b.ring[0]
	w := l.waiters[0]
	b.remove(w)
	if len(l.waiters) > 0 {
		b.ring = append(b.ring[1:], l)
	}
	return w
}

// remove takes a waiter out, and reports whether it was there.
func (b *backlog) remove(w *waiter) bool {
	l := b.lines[w.network]
	if l == nil {
		return false
	}
	i := slices.Index(l.waiters, w)
	if i < 0 {
		return false
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
	b.count--
	if len(l.waiters) == 0 {
		delete(b.lines, w.network)
		b.ring = slices.DeleteFunc(b.ring, func(other *line) bool { return other == l })
	}
	return true
}

func (b *backlog) length(network string) int {
	if l := b.lines[network]; l != nil {
		return len(l.waiters)
	}
	return 0
}

func (b *backlog) longest() (longest *line) {
	for _, l := range b.ring {
		if longest == nil || len(l.waiters) > len(longest.waiters) {
			longest = l
		}
	}
	return longest
}

package dbwatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// runHeartbeats sends heartbeats on its own connection: it never waits for one of the pool.
func (w *Watch) runHeartbeats() {
	var c *conn
	defer func() {
		if c != nil {
			_ = c.Close()
		}
	}()
	next := time.Now().Add(heartbeatInterval)
	for {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-w.ctx.Done():
			timer.Stop()
			return
		}
		if closed := w.closeSignal(); closed != nil {
			select {
			case <-closed:
			case <-w.ctx.Done():
				return
			}
		}
		next = time.Now().Add(heartbeatInterval)
		var err error
		if c, err = w.heartbeat(c); err == nil {
			w.outages.recordHeartbeat(time.Now())
		}
	}
}

// heartbeat confirms that a server answers, is writable and can use its tables. It returns the
// connection for the next heartbeat, or nil.
func (w *Watch) heartbeat(c *conn) (*conn, error) {
	if c != nil && !c.IsValid() {
		_ = c.Close()
		c = nil
	}
	var err error
	fresh := c == nil
	if fresh { // limited by ConnectTimeout, which may exceed heartbeatTimeout
		if c, err = w.connectWritable(w.ctx, nil); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(w.ctx, heartbeatTimeout)
	defer cancel()
	roleKnown := fresh
	if !roleKnown {
		_, err = w.queryRole(ctx, c)
		roleKnown = err == nil
		if errors.Is(err, ErrReadOnly) {
			w.recordReadOnly(err)
		}
	}
	if roleKnown {
		w.recordWritable()
		err = w.execHeartbeat(ctx, c)
	}
	if err != nil {
		// A server that reports its role and answers on other connections may only have the table
		// locked.
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && (!roleKnown || w.isUnheard(c.backend)) {
			w.abandon(c.backend)
		}
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// execHeartbeat runs the heartbeat statement. An error of the statement, for example about a
// missing table, is an answer too.
func (w *Watch) execHeartbeat(ctx context.Context, c *conn) error {
	rows, err := c.QueryContext(ctx, w.config.Heartbeat, nil)
	if err == nil {
		err = rows.Close()
	}
	if err != nil && w.config.IsAnswer(err) && !w.config.IsUnavailable(err) {
		return nil
	}
	return err
}

// Outage returns for how long the database did not answer since a moment. It covers the last two
// minutes and counts gaps of at least five seconds.
func (w *Watch) Outage(since time.Time) time.Duration {
	if w == nil {
		return 0
	}
	return w.outages.total(since, time.Now())
}

type interval struct{ from, to time.Time }

// outages are the intervals in which the database did not answer.
type outages struct {
	mu   sync.Mutex
	last time.Time // the last heartbeat; zero before the first
	past []interval
}

func (s *outages) start(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = now
}

// recordHeartbeat records a heartbeat.
func (s *outages) recordHeartbeat(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(interval{s.last, now})
	s.last = now
}

// recordCommit records a COMMIT. A cluster that lost a node may answer reads and delay commits.
func (s *outages) recordCommit(from, to time.Time) {
	if to.Sub(from) < minOutage {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(interval{from, to})
}

func (s *outages) add(gap interval) {
	if gap.to.Sub(gap.from) < minOutage {
		return
	}
	s.past = slices.DeleteFunc(s.past, func(old interval) bool { return gap.to.Sub(old.to) > outageRetention })
	s.past = append(s.past, gap)
}

// total returns the sum of the gaps, which may overlap.
func (s *outages) total(since, now time.Time) (sum time.Duration) {
	s.mu.Lock()
	gaps := slices.Clone(s.past)
	if !s.last.IsZero() && now.Sub(s.last) >= minOutage {
		gaps = append(gaps, interval{s.last, now})
	}
	s.mu.Unlock()
	slices.SortFunc(gaps, func(a, b interval) int { return a.from.Compare(b.from) })
	for _, gap := range gaps {
		if gap.from.Before(since) {
			gap.from = since
		}
		if gap.to.After(gap.from) {
			sum += gap.to.Sub(gap.from)
			since = gap.to
		}
	}
	return sum
}

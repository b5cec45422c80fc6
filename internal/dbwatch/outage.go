package dbwatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// runHeartbeats sends heartbeats, on a connection of its own: it never waits for one of the pool.
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

// heartbeat confirms that a server answers, is writable and can use its tables. It returns the connection for the next
// one, or nil.
func (w *Watch) heartbeat(c *conn) (*conn, error) {
	if c != nil && !c.IsValid() {
		_ = c.Close()
		c = nil
	}
	var err error
	fresh := c == nil
	if fresh { // it has the time of a connection, which may take longer than a heartbeat
		if c, err = w.connectWritable(w.ctx, nil); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(w.ctx, heartbeatTimeout)
	defer cancel()
	told := fresh
	if !told {
		_, err = w.queryRole(ctx, c)
		told = err == nil
		if errors.Is(err, ErrReadOnly) {
			w.recordReadOnly(err)
		}
	}
	if told {
		w.recordWritable()
		err = w.execHeartbeat(ctx, c)
	}
	if err != nil {
		// A server that tells its role and is heard of may keep the table locked.
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && (!told || w.isUnheard(c.backend)) {
			w.abandon(c.backend)
		}
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// execHeartbeat runs the statement of the heartbeat. An error of the statement, such as that of a table that is not there yet, is an
// answer too.
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

// Outage returns how much of the time since a moment the database did not answer. It remembers two minutes, and counts gaps
// of five seconds or more.
func (w *Watch) Outage(since time.Time) time.Duration {
	if w == nil {
		return 0
	}
	return w.outages.total(since, time.Now())
}

type interval struct{ from, to time.Time }

// outages is when the database did not answer.
type outages struct {
	mu   sync.Mutex
	last time.Time // heartbeat; zero: there are none
	past []interval
}

func (s *outages) start(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = now
}

// lastAnswer notes a heartbeat.
func (s *outages) recordHeartbeat(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(interval{s.last, now})
	s.last = now
}

// recordCommit notes a COMMIT. A cluster that lost a node may answer reads and hold back commits.
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

// total adds up the gaps, which may overlap.
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

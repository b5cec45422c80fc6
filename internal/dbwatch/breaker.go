package dbwatch

import (
	"context"
	"errors"
	"time"
)

// monitor checks every tick whether something has waited too long for an answer.
func (w *Watch) monitor() {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
		case <-w.ctx.Done():
			return
		}
		now := w.ticks.Add(1)
		if w.open.Load() || w.probing.Load() || now < w.probeAfter.Load() ||
			now-w.lastAnswer.Load() < suspectAfter || !w.isWaiting(now-suspectAfter) {
			continue
		}
		w.probing.Store(true)
		w.running.Go(func() {
			defer w.probing.Store(false)
			w.suspect(now)
		})
	}
}

// isWaiting reports whether a read or a connection attempt that began before a tick is still
// running.
func (w *Watch) isWaiting(before int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.wires {
		if since := c.readSince.Load(); since > 0 && since <= before+1 && c.readTimeout == 0 {
			return true
		}
	}
	for a := range w.attempts {
		if a.since <= before {
			return true
		}
	}
	return false
}

// suspect probes a silent database and opens the circuit if the probe gets no answer. An answer on
// any connection since the suspicion arose keeps the circuit closed.
func (w *Watch) suspect(since int64) {
	waited, err := w.probe(w.packetTimeout())
	if w.ctx.Err() != nil {
		return
	}
	if err == nil {
		w.slowestPacket.Store(int64(waited))
	}
	if w.isAnswered(err) || w.lastAnswer.Load() >= since {
		w.probeAfter.Store(w.ticks.Load() + probeCooldown)
		return
	}
	w.openCircuit(err)
	w.probeUntilAnswered()
	if w.ctx.Err() == nil {
		w.closeCircuit()
	}
}

// probeUntilAnswered sends a probe every probeInterval without waiting for the previous one: the
// kernel resends a lost packet after a second, and a new connection is faster. Each probe may take
// ConnectTimeout, because the database may be slow to open a connection.
func (w *Watch) probeUntilAnswered() {
	clock := time.NewTicker(probeInterval)
	defer clock.Stop()
	answered := make(chan struct{}, 1)
	for sent := 1; ; sent++ {
		w.running.Go(func() {
			waited, err := w.probe(w.config.ConnectTimeout)
			if !w.isAnswered(err) {
				return
			}
			select {
			case answered <- struct{}{}:
				if err == nil && w.open.Load() { // other probes were sent during the outage
					w.slowestPacket.Store(int64(waited))
				}
			default:
			}
		})
		if sent == fastProbes {
			clock.Reset(2 * probeInterval)
		}
		select {
		case <-clock.C:
		case <-answered:
			return
		case <-w.ctx.Done():
			return
		}
	}
}

// packetTimeout returns how long a probe waits for a packet: twice the longest wait of the last
// connection, since a database that resolves names or asks a directory for the user takes seconds
// to open one. Before the first answer it is ConnectTimeout.
func (w *Watch) packetTimeout() time.Duration {
	return max(probePacketTimeout, min(2*time.Duration(w.slowestPacket.Load()), w.config.ConnectTimeout))
}

// probe opens a connection, queries the role of the server and returns the longest wait for a
// packet.
func (w *Watch) probe(packetTimeout time.Duration) (waited time.Duration, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, max(probeMaxDuration, packetTimeout))
	defer cancel()
	c, _, err := w.dial(ctx, &wireSlot{readTimeout: packetTimeout})
	if err != nil {
		return 0, err
	}
	return time.Duration(c.wire.longestWait.Load()), c.Close()
}

// isAnswered reports whether a probe got an answer, which may be an error.
func (w *Watch) isAnswered(err error) bool {
	return err == nil || errors.Is(err, ErrReadOnly) || w.config.IsAnswer(err)
}

// openCircuit opens the circuit and releases everything that waits, except for answers to COMMIT.
func (w *Watch) openCircuit(err error) {
	w.mu.Lock()
	w.closed = make(chan struct{})
	w.generation.Add(1)
	w.open.Store(true)
	for a := range w.attempts {
		a.cancel()
	}
	for c := range w.wires {
		if c.readTimeout == 0 { // not a probe
			c.cut()
		}
	}
	w.mu.Unlock()
	w.openings.Add(1)
	w.releasePoolWaiters()
	w.config.Log.Warn("the database does not answer: requests that need it fail at once", "error", err)
}

// releasePoolWaiters releases callers that wait for a pool connection while COMMITs hold all of
// them. The pool can only reject them by an attempt to open a connection, which needs room in the
// pool. While the circuit is open every attempt fails, and each failure makes the pool start the
// next one.
func (w *Watch) releasePoolWaiters() {
	w.poolLimit = w.pool.Stats().MaxOpenConnections
	if w.poolLimit == 0 { // no limit, so callers do not wait for a connection
		return
	}
	w.pool.SetMaxOpenConns(w.poolLimit + 1)
	_ = w.pool.PingContext(w.ctx)
}

// closeCircuit closes the circuit.
func (w *Watch) closeCircuit() {
	w.pool.SetMaxOpenConns(w.poolLimit)
	w.mu.Lock()
	w.lastAnswer.Store(w.ticks.Load())
	w.open.Store(false)
	close(w.closed)
	w.closed = nil
	w.mu.Unlock()
	w.config.Log.Info("the database answers again")
}

// closeSignal returns a channel that is closed when the circuit closes, or nil if the circuit is
// closed.
func (w *Watch) closeSignal() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

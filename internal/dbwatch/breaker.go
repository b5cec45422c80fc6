package dbwatch

import (
	"context"
	"errors"
	"time"
)

// monitor looks every tick whether something waits for an answer in vain.
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
		if w.open.Load() || w.probing.Load() || now < w.probeAfter.Load() || now-w.lastAnswer.Load() < suspectAfter || !w.isWaiting(now-suspectAfter) {
			continue
		}
		w.probing.Store(true)
		w.running.Go(func() {
			defer w.probing.Store(false)
			w.suspect(now)
		})
	}
}

// isWaiting reports whether a read or a connection attempt began before a tick and has not ended.
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

// suspect probes a database that has been silent, and opens the circuit if it remains so. An answer on any connection
// since the suspicion arose keeps it closed.
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

// probeUntilAnswered sends a probe every probeInterval and does not wait for the one before: the kernel sends a lost packet
// again after a second, and a new connection is quicker. Each has the time of a connection, because the database may be slow
// to open one.
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
				if err == nil && w.open.Load() { // the others may have been sent into the silence
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

// packetTimeout is how long a probe may wait for a packet: for twice as long as the last connection had to, since a database that
// looks up names or asks a directory for the user takes seconds to open one. Before the first answer it is the time of a
// connection.
func (w *Watch) packetTimeout() time.Duration {
	return max(probePacketTimeout, min(2*time.Duration(w.slowestPacket.Load()), w.config.ConnectTimeout))
}

// probe opens a connection, asks for the role of the server, and returns the longest wait for a packet.
func (w *Watch) probe(patience time.Duration) (waited time.Duration, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, max(probeMaxDuration, patience))
	defer cancel()
	c, _, err := w.dial(ctx, &wireSlot{readTimeout: patience})
	if err != nil {
		return 0, err
	}
	return time.Duration(c.wire.longestWait.Load()), c.Close()
}

// isAnswered reports whether a probe was answered, with an error perhaps.
func (w *Watch) isAnswered(err error) bool {
	return err == nil || errors.Is(err, ErrReadOnly) || w.config.IsAnswer(err)
}

// openCircuit opens the circuit: everything that waits is released, except for answers to COMMIT.
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

// releasePoolWaiters releases those who wait for a connection of the pool while all are kept by COMMITs. The pool offers no way
// to refuse them but an attempt to open a connection, for which it must have room. While the circuit is open none succeeds,
// and each that fails has the pool make the next one.
func (w *Watch) releasePoolWaiters() {
	w.poolLimit = w.pool.Stats().MaxOpenConnections
	if w.poolLimit == 0 { // no limit, so no caller waits for a connection
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

// closeSignal returns a channel that is closed when the circuit closes; nil if it is closed.
func (w *Watch) closeSignal() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

package dbwatch

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// driverConn is the set of interfaces that a driver's connection must implement.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// Open returns a pool of connections from c, which must dial with w.Dial. It is called once.
func (w *Watch) Open(c driver.Connector) *sql.DB {
	w.driver = c
	w.pool = sql.OpenDB(connector{w})
	return w.pool
}

type connector struct{ watch *Watch }

func (c connector) Driver() driver.Driver { return c.watch.driver.Driver() }

// Close implements io.Closer for sql.DB.
func (c connector) Close() error {
	c.watch.Close()
	return nil
}

// Connect opens a connection to a writable server.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	w := c.watch
	w.start()
	if w.now() < time.Duration(w.readOnlyUntil.Load()) {
		return nil, ErrReadOnly
	}
	conn, err := w.connectWritable(ctx, w.config.Prepare)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// connectWritable opens a connection. It retries after a read-only server: behind a load balancer
// the next one may be writable.
func (w *Watch) connectWritable(ctx context.Context, prepare prepare) (*conn, error) {
	for try := 1; ; try++ {
		c, err := w.connect(ctx, prepare)
		switch {
		case err == nil:
			w.recordWritable()
			return c, nil
		case !errors.Is(err, ErrReadOnly):
			return nil, err
		case try == maxConnectAttempts:
			w.readOnlyUntil.Store(int64(w.now() + readOnlyBackoff))
			w.recordReadOnly(err)
			return nil, err
		}
	}
}

type prepare = func(ctx context.Context, c driver.Conn, variables map[string]string) error

// attempt is a connection attempt in progress.
type attempt struct {
	since  int64 // tick
	cancel context.CancelFunc
}

// connect opens a connection, queries the role of its backend and prepares the connection.
func (w *Watch) connect(ctx context.Context, prepare prepare) (_ *conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.ConnectTimeout)
	defer cancel()
	generation := w.generation.Load()
	a := &attempt{w.ticks.Load(), cancel}
	w.mu.Lock()
	w.attempts[a] = struct{}{}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.attempts, a)
		w.mu.Unlock()
		if err != nil && w.generation.Load() != generation {
			err = ErrCircuitOpen // whatever the driver makes of the cancelled context
		}
	}()
	if w.open.Load() { // the breaker has cancelled the attempts registered before
		return nil, ErrCircuitOpen
	}
	c, variables, err := w.dial(ctx, &wireSlot{})
	if err != nil {
		return nil, err
	}
	c.wire.opened.Store(true)
	w.slowestPacket.Store(c.wire.longestWait.Load())
	c.generation = generation
	if prepare != nil {
		if err := prepare(ctx, c.driverConn, variables); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if w.generation.Load() != generation {
		return nil, errors.Join(ErrCircuitOpen, c.Close())
	}
	return c, nil
}

// dial opens a connection and queries the role of its backend.
func (w *Watch) dial(ctx context.Context, slot *wireSlot) (*conn, map[string]string, error) {
	inner, err := w.driver.Connect(context.WithValue(ctx, wireKey{}, slot))
	if err != nil {
		return nil, nil, err
	}
	full, ok := inner.(driverConn)
	if !ok || slot.wire == nil {
		err := fmt.Errorf("dbwatch: a %T lacks interfaces that dbwatch needs", inner)
		return nil, nil, errors.Join(err, inner.Close())
	}
	slot.wire.ready.Store(true)
	c := &conn{driverConn: full, watch: w, wire: slot.wire}
	variables, err := w.queryRole(ctx, c)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, variables, nil
}

// conn is a connection whose backend was writable when it was opened. It is used by one goroutine
// at a time.
type conn struct {
	driverConn
	watch *Watch
	wire  *wire

	generation int64 // of the watch when the connection was opened
	backend    *backend
	demotions  int64 // of the backend when it was queried
	retired    bool
}

// isStale reports whether the connection must not be used again.
func (c *conn) isStale() bool {
	w := c.watch
	if !w.open.Load() && c.generation == w.generation.Load() && c.demotions == c.backend.demotions.Load() {
		return false
	}
	if !c.retired {
		c.retired = true
		w.retired.Add(1)
	}
	return true
}

// IsValid is called when a connection returns to the pool.
func (c *conn) IsValid() bool { return !c.isStale() && c.driverConn.IsValid() }

// ResetSession is called before the pool reuses a connection.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.isStale() {
		return driver.ErrBadConn
	}
	if err := c.driverConn.ResetSession(ctx); err != nil {
		return err
	}
	return c.watch.confirmWritable(ctx, c)
}

// BeginTx returns a transaction that marks its COMMIT.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	inner, err := c.driverConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &tx{inner, c}, nil
}

type tx struct {
	driver.Tx
	conn *conn
}

// Commit cannot be interrupted by the breaker, because its outcome would be unknown. If the
// connection was cut before, it sends nothing.
func (t *tx) Commit() error {
	state := &t.conn.wire.state
	if !state.CompareAndSwap(wireFree, wireCommitting) {
		return driver.ErrBadConn
	}
	begin := time.Now()
	err := t.Tx.Commit()
	state.Store(wireFree)
	t.conn.watch.outages.recordCommit(begin, time.Now())
	return err
}

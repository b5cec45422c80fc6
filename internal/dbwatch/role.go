package dbwatch

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// roleVariables make a server read-only unless they are off. Servers lack those that they do not
// support.
var roleVariables = []string{
	"read_only", "super_read_only", "innodb_read_only", // innodb_read_only: readers of Aurora
	"tidb_restricted_read_only", "tidb_super_read_only",
}

// identityVariables distinguish backends. Replicating servers differ at least in server_id, Galera
// nodes in name or address.
var identityVariables = []string{
	"hostname", "port", "server_id", "server_uuid", "server_uid", "wsrep_node_name", "wsrep_node_address",
}

// backend is a server behind the dialed address.
type backend struct {
	name        string
	confirmedAt atomic.Int64 // time since epoch of the last query that found it writable
	demotions   atomic.Int64 // incremented when it is read-only or does not answer
	heardAt     atomic.Int64 // the tick of its last answer of any kind

	confirming sync.Mutex
}

// maxBackends limits the remembered backends. Connections keep their own.
const maxBackends = 256

func (w *Watch) backendOf(name string) *backend {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.backends[name]
	if b == nil {
		if len(w.backends) >= maxBackends {
			clear(w.backends)
		}
		b = &backend{name: name}
		w.backends[name] = b
	}
	return b
}

// queryRole queries the role and the identity of the backend of c and records the result. It
// returns ErrReadOnly for a read-only backend.
//
// SHOW VARIABLES omits unknown variables, needs no privilege, and does not wait for a cluster
// (wsrep_sync_wait = 1), as SELECT does.
func (w *Watch) queryRole(ctx context.Context, c *conn) (map[string]string, error) {
	begin := w.now()
	names := slices.Concat(roleVariables, identityVariables, w.config.Variables)
	variables, err := showVariables(ctx, c.driverConn, names)
	if err != nil {
		return nil, err
	}
	var identity []string
	for _, name := range identityVariables {
		identity = append(identity, variables[name])
	}
	// A proxy may have moved the connection to another backend.
	if b := w.backendOf(strings.Join(identity, " ")); c.backend != b {
		c.backend, c.demotions = b, b.demotions.Load()
		c.wire.backend.Store(b)
	}
	for _, name := range roleVariables {
		if value := variables[name]; value != "" && value != "0" && !strings.EqualFold(value, "OFF") {
			c.backend.demotions.Add(1)
			return nil, fmt.Errorf("%w (%s on %s:%s)", ErrReadOnly, name, variables["hostname"], variables["port"])
		}
	}
	c.backend.confirmedAt.Store(int64(begin))
	return variables, nil
}

func showVariables(ctx context.Context, c driver.QueryerContext, names []string) (map[string]string, error) {
	rows, err := c.QueryContext(ctx, "SHOW VARIABLES WHERE Variable_name IN ('"+strings.Join(names, "', '")+"')", nil)
	if err != nil {
		return nil, err
	}
	variables, row := map[string]string{}, make([]driver.Value, 2)
	for err = rows.Next(row); err == nil; err = rows.Next(row) {
		variables[strings.ToLower(text(row[0]))] = text(row[1])
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return variables, errors.Join(err, rows.Close())
}

func text(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// confirmWritable returns driver.ErrBadConn unless the backend of c was recently confirmed as
// writable. If the confirmation is too old, c queries the role; one connection of a backend does so
// at a time.
func (w *Watch) confirmWritable(ctx context.Context, c *conn) error {
	b := c.backend
	switch age := w.now() - time.Duration(b.confirmedAt.Load()); {
	case age < roleMaxAge:
		return nil
	case age >= roleStaleAge:
		b.confirming.Lock()
	case !b.confirming.TryLock():
		return nil // another connection is querying
	}
	defer b.confirming.Unlock()
	if c.isStale() {
		return driver.ErrBadConn
	}
	if w.now()-time.Duration(b.confirmedAt.Load()) < roleMaxAge {
		return nil
	}
	// Other connections rely on the result, so the client of this request cannot cancel the query.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roleTimeout)
	defer cancel()
	_, err := w.queryRole(ctx, c)
	switch {
	case err == nil:
		w.recordWritable()
		return nil
	case errors.Is(err, ErrReadOnly):
		w.recordReadOnly(err)
	case ctx.Err() != nil:
		w.abandon(b)
	}
	c.isStale() // counts the connection as retired
	return driver.ErrBadConn
}

// abandon retires the connections to a backend that does not answer, while another backend at the
// same address may answer: its machine may have lost power, and the circuit stays closed. It
// releases everything that waits for the backend, except COMMITs, unless the backend has answered
// on another connection.
func (w *Watch) abandon(b *backend) {
	b.demotions.Add(1)
	if !w.isUnheard(b) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.wires {
		if c.backend.Load() == b && c.readSince.Load() > 0 {
			c.cut()
		}
	}
}

// isUnheard reports whether a backend has not answered for as long as a role query may take.
func (w *Watch) isUnheard(b *backend) bool {
	return w.ticks.Load()-b.heardAt.Load() >= int64(roleTimeout/tick)
}

func (w *Watch) recordReadOnly(err error) {
	if !w.readOnly.Swap(true) {
		w.config.Log.Warn("the database is read-only: closing its connections", "error", err)
	}
}

func (w *Watch) recordWritable() {
	if w.readOnly.Load() && w.readOnly.Swap(false) {
		w.config.Log.Info("the database is writable again")
	}
}

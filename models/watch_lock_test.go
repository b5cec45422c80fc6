package models

import (
	"database/sql"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// Connections to a server that reports its role are kept while the heartbeat waits for a table.
func TestLockedHeartbeatTableKeepsConnections(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	s := newStore(t, node.URL())
	ctx := testContext(t)
	requireNoError(t, s.Ping(ctx))
	pool, err := sql.Open("mysql", "root@tcp("+hostOf(t, node.URL())+")/fieldgate")
	requireNoError(t, err)
	defer pool.Close()
	c, err := pool.Conn(ctx)
	requireNoError(t, err)
	defer c.Close()
	_, err = c.ExecContext(ctx, "LOCK TABLES goose_db_version WRITE")
	requireNoError(t, err)
	for end := time.Now().Add(7 * time.Second); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		requireNoError(t, s.Ping(ctx))
	}
	if state := s.Connections(); state.Retired > 0 || state.Openings != 0 {
		t.Errorf("got state %+v", state)
	}
}

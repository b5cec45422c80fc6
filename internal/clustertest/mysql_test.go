//go:build unix

package clustertest

import (
	"context"
	"testing"
)

func TestMySQLServersAreSeparate(t *testing.T) {
	nodes := MySQL(t, 2)
	nodes[0].Exec(t, "CREATE TABLE fieldgate.here (id INT PRIMARY KEY)")
	var tables, ids int
	if err := query(t.Context(), nodes[1].port, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'fieldgate'", &tables); err != nil || tables != 0 {
		t.Errorf("%d tables on the other server, %v; want none", tables, err)
	}
	if err := query(t.Context(), nodes[1].port, "SELECT @@server_id", &ids); err != nil || ids != 2 {
		t.Errorf("server_id %d, %v; want 2", ids, err)
	}
	nodes[0].Kill()
	if err := query(context.WithoutCancel(t.Context()), nodes[0].port, "SELECT 1", new(int)); err == nil {
		t.Error("a killed server still answers")
	}
	nodes[0].Rejoin(t)
	if err := query(t.Context(), nodes[0].port, "SELECT COUNT(*) FROM fieldgate.here", &tables); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

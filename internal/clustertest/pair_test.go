//go:build unix

package clustertest

import (
	"strings"
	"testing"
)

func TestPairSwitchesItsPrimary(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *Pair{"mariadb": MariaDBPair, "mysql": MySQLPair} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.First.Exec(t, "CREATE TABLE fieldgate.t (n INT PRIMARY KEY)", "INSERT INTO fieldgate.t VALUES (1)")
			p.Switch(t)
			p.Second.Exec(t, "INSERT INTO fieldgate.t VALUES (2)")
			count := func(n *Node) (rows int) {
				requireNoError(t, query(t.Context(), n.port, "SELECT COUNT(*) FROM fieldgate.t", &rows))
				return rows
			}
			if count(p.First) != 1 || count(p.Second) != 2 {
				t.Errorf("the old primary has %d rows and the new one %d, want 1 and 2", count(p.First), count(p.Second))
			}
			var readOnly [2]string
			for i, n := range []*Node{p.First, p.Second} {
				requireNoError(t, query(t.Context(), n.port, "SELECT IF(@@read_only, 'yes', 'no')", &readOnly[i]))
			}
			if got := strings.Join(readOnly[:], " "); got != "yes no" {
				t.Errorf("read_only is %s, want yes no", got)
			}
			p.First.Follow(t, p.Second)
			p.First.CatchUp(t, p.Second)
			p.First.ApplyReceived(t)
			if count(p.First) != 2 {
				t.Errorf("the old primary has %d rows after catching up, want 2", count(p.First))
			}
		})
	}
}

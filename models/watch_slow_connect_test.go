package models

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// slowToConnect returns the address of a database that answers the first question on each
// connection after a time, as one does that looks up names or asks a directory for the user.
func slowToConnect(t *testing.T, node *clustertest.Node, seconds string) string {
	t.Helper()
	node.Exec(t,
		"CREATE USER IF NOT EXISTS slow@'127.0.0.1'", "GRANT ALL ON fieldgate.* TO slow@'127.0.0.1'", // init_connect is not for root
		"SET GLOBAL init_connect = 'DO SLEEP("+seconds+")'")
	return strings.Replace(node.URL(), "root@", "slow@", 1)
}

// A probe of such a database takes as long as a connection.
func TestSlowConnectIsNotSilence(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	migrate(t, openStore(t, node.URL(), Options{}))
	s := openStore(t, slowToConnect(t, node, "2.5"), Options{MaxConnections: 4})
	ctx := testContext(t)
	requireNoError(t, s.Ping(ctx))
	c := startLoad(t, s, 12, s.Ping)
	<-time.After(9 * time.Second)
	c.end()
	if len(c.refused)+len(c.otherErrors) > 0 || !c.answeredAfter(time.Now().Add(-time.Second)) {
		t.Errorf("%d refusals, errors %v", len(c.refused), c.otherErrors)
	}
	if state := s.Connections(); state.Openings != 0 || state.Retired != 0 {
		t.Errorf("state %+v", state)
	}
}

// Once it connects quickly, its silence is noticed quickly.
func TestSilenceIsDetectedQuicklyAfterSlowConnect(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	migrate(t, openStore(t, node.URL(), Options{}))
	f := clustertest.Forward(t, hostOf(t, node.URL()))
	s := openStore(t, f.URL(slowToConnect(t, node, "2")), Options{MaxConnections: 4})
	requireNoError(t, s.Ping(testContext(t)))
	node.Exec(t, "SET GLOBAL init_connect = ''")
	f.Cut()
	c := startLoad(t, s, 8, s.Ping)
	eventually(t, 5*time.Second, "all is well", func() error {
		if !c.answeredAfter(time.Now().Add(-time.Second)) {
			return errors.New("no answer")
		}
		return nil
	})
	f.Swallow(clustertest.HoleAfterAccept)
	eventually(t, 3*time.Second, "the circuit opens", func() error {
		if !s.Connections().CircuitOpen {
			return errors.New("it is closed")
		}
		return nil
	})
	f.Restore()
	c.end()
}

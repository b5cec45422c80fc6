package models

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// slowToConnect returns the URL of a database that delays each new connection, as one does that
// looks up host names or queries a directory for the user.
func slowToConnect(t *testing.T, node *clustertest.Node, seconds string) string {
	t.Helper()
	node.Exec(t,
		// init_connect does not apply to root.
		"CREATE USER IF NOT EXISTS slow@'127.0.0.1'", "GRANT ALL ON fieldgate.* TO slow@'127.0.0.1'",
		"SET GLOBAL init_connect = 'DO SLEEP("+seconds+")'")
	return strings.Replace(node.URL(), "root@", "slow@", 1)
}

// A probe of such a database takes as long as connecting.
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
		t.Errorf("got %d refusals, errors %v; want none", len(c.refused), c.otherErrors)
	}
	if state := s.Connections(); state.Openings != 0 || state.Retired != 0 {
		t.Errorf("got state %+v", state)
	}
}

// If connecting is fast again, silence is detected quickly.
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
	eventually(t, 5*time.Second, "the database answers", func() error {
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

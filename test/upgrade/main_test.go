// Package upgrade tests servers and databases of different versions side by side.
package upgrade

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

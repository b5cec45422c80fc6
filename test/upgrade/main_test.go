// Package upgrade tests servers and databases of different versions together.
package upgrade

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

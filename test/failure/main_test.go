// Package failure kills databases and servers under load.
package failure

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

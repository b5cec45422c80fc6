// Package e2e tests the server over HTTP and the commands of the program, on every database.
package e2e

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// Package repo tests documents, deploy files, generated files and the direction of imports.
package repo

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// Package repo tests what stands in the repository beside the code: documents, deploy files, the direction of imports.
package repo

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

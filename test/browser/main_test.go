// Package browser tests with JavaScript: browsers, the example apps, stock clients and other
// GraphQL implementations.
package browser

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

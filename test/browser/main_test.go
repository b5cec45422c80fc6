// Package browser tests with what is written in JavaScript: browsers, the examples, the stock clients, other GraphQL servers.
package browser

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

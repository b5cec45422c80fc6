// Package product tests that a product's features need no change of Fieldgate's files, and that
// releases merge into a product.
package product

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

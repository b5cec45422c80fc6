// Package product tests that a feature of a product needs no change of Fieldgate's files.
package product

import (
	"testing"

	"fieldgate/internal/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

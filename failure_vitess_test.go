//go:build failure && unix

package main

import (
	"testing"

	"fieldgate/internal/clustertest"
)

func TestFailureOnVitess(t *testing.T) {
	v := clustertest.StartVitess(t)
	t.Log(v.URL)
	f := newCheapFleet(t, v.URL)
	f.add(1)
	f.add(1)
}

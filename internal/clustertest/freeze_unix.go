//go:build unix

package clustertest

import (
	"syscall"
	"testing"
)

// Freeze has the node neither answer nor hang up, as a machine whose disk or network is stuck.
func (n *Node) Freeze(tb testing.TB) {
	tb.Helper()
	noError(tb, n.process.Signal(syscall.SIGSTOP))
}

// Thaw ends that.
func (n *Node) Thaw(tb testing.TB) {
	tb.Helper()
	noError(tb, n.process.Signal(syscall.SIGCONT))
}

//go:build unix

package clustertest

import (
	"syscall"
	"testing"
)

// Freeze has the node neither answer nor hang up, as a machine whose disk or network is stuck. It returns when the last of
// its threads stands still, which is some milliseconds after the signal.
func (n *Node) Freeze(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, n.process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(n.process.ID(), &status, syscall.WUNTRACED, nil)
	requireNoError(tb, err)
	if !status.Stopped() {
		tb.Fatalf("the node has ended instead: %v", status)
	}
}

// Thaw ends that.
func (n *Node) Thaw(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, n.process.Signal(syscall.SIGCONT))
}

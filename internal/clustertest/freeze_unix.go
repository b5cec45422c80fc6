//go:build unix

package clustertest

import (
	"syscall"
	"testing"
)

// Freeze stops the node so that it neither answers nor disconnects, like a machine with a stuck
// disk or network. It returns when the last thread has stopped, some milliseconds after the signal.
func (n *Node) Freeze(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, n.process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(n.process.ID(), &status, syscall.WUNTRACED, nil)
	requireNoError(tb, err)
	if !status.Stopped() {
		tb.Fatalf("the node has ended: %v, want stopped", status)
	}
}

// Thaw continues a frozen node.
func (n *Node) Thaw(tb testing.TB) {
	tb.Helper()
	requireNoError(tb, n.process.Signal(syscall.SIGCONT))
}

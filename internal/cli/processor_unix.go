//go:build unix

package cli

import (
	"syscall"
	"time"
)

// processorTime returns the processor time that this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Since(programStart)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

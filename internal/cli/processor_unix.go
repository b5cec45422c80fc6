//go:build unix

package cli

import (
	"syscall"
	"time"
)

// processorTime is what this process has used of the processors so far, whoever else was at work.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Since(programStart)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

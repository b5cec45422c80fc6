//go:build !unix

package cli

import "time"

// processorTime returns the time since the program started: the processor time is not available on
// this system.
func processorTime() time.Duration { return time.Since(programStart) }

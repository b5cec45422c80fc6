//go:build !unix

package cli

import "time"

// processorTime is the time since the start: nothing here says what of it was spent on work.
func processorTime() time.Duration { return time.Since(programStart) }

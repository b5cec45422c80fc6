//go:build !unix

package cli

import "time"

// processorUsed is the time since the start: nothing here says what of it was spent on work.
func processorUsed() time.Duration { return time.Since(programStart) }

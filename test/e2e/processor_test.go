package e2e

import "time"

// processorTimeOf returns the processor time that work takes, and everything else of this process meanwhile.
func processorTimeOf(work func()) time.Duration {
	before := processorTime()
	work()
	return processorTime() - before
}

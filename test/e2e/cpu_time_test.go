package e2e

import "time"

// cpuTimeOf returns the processor time that work takes, and everything else of this process meanwhile.
func cpuTimeOf(work func()) time.Duration {
	before := cpuTime()
	work()
	return cpuTime() - before
}

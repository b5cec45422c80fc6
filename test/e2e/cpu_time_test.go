package e2e

import "time"

// cpuTimeOf returns the CPU time that this process uses while work runs.
func cpuTimeOf(work func()) time.Duration {
	before := cpuTime()
	work()
	return cpuTime() - before
}

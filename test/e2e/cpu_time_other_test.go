//go:build !unix

package e2e

import "time"

var processStart = time.Now()

// cpuTime returns the time that has passed, where the system does not count processor time alike.
func cpuTime() time.Duration { return time.Since(processStart) }

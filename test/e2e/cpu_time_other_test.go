//go:build !unix

package e2e

import "time"

var processStart = time.Now()

// cpuTime returns the elapsed time on systems that do not report CPU time alike.
func cpuTime() time.Duration { return time.Since(processStart) }

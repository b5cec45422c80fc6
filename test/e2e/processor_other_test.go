//go:build !unix

package e2e

import "time"

var processStart = time.Now()

// processorTime returns the time that has passed, where the system does not count processor time alike.
func processorTime() time.Duration { return time.Since(processStart) }

package clustertest

import (
	"errors"
	"net"
)

// setBacklog is not supported on Windows.
func setBacklog(*net.TCPListener, int) error { return errors.ErrUnsupported }

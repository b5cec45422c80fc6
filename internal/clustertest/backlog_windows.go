package clustertest

import (
	"errors"
	"net"
)

// setBacklog cannot change a backlog here.
func setBacklog(*net.TCPListener, int) error { return errors.ErrUnsupported }

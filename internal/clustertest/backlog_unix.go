//go:build unix

package clustertest

import (
	"errors"
	"net"
	"syscall"
)

// setBacklog sets how many connections may wait to be accepted.
func setBacklog(l *net.TCPListener, count int) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var listen error
	return errors.Join(raw.Control(func(fd uintptr) { listen = syscall.Listen(int(fd), count) }), listen)
}

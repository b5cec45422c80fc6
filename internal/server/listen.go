package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listeners opens the listeners for ADDR. For localhost it opens both loopback addresses, because
// browsers may try either first. On a machine that lacks one of them, the other is enough.
func listeners(ctx context.Context, addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("ADDR: %w", err)
	}
	if host == "localhost" {
		return loopbackListeners(ctx, port)
	}
	l, err := listenOn(ctx, addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	return []net.Listener{l}, nil
}

func loopbackListeners(ctx context.Context, port string) ([]net.Listener, error) {
	addr4 := net.JoinHostPort("127.0.0.1", port)
	l4, err4 := listenOn(ctx, addr4)
	if errors.Is(err4, syscall.EADDRINUSE) {
		return nil, listenError(addr4, err4)
	}
	isAnyPort := port == "0"
	if l4 != nil {
		_, port, _ = net.SplitHostPort(l4.Addr().String())
	}
	addr6 := net.JoinHostPort("::1", port)
	l6, err6 := listenOn(ctx, addr6)
	switch {
	case l4 == nil && l6 == nil:
		return nil, errors.Join(listenError(addr4, err4), listenError(addr6, err6))
	case l4 == nil:
		return []net.Listener{l6}, nil
	case l6 != nil:
		return []net.Listener{l4, l6}, nil
	case errors.Is(err6, syscall.EADDRINUSE) && !isAnyPort: // localhost could reach the other one
		return nil, errors.Join(listenError(addr6, err6), l4.Close())
	}
	return []net.Listener{l4}, nil
}

func listenOn(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf(
			"ADDR: %q is in use by another program. Hint: choose another one with PORT, for example PORT=8081",
			addr,
		)
	}
	return fmt.Errorf("ADDR: %w", err)
}

package config

import (
	"net"
	"net/netip"
	"strings"
)

const defaultPort = 8080

// loopbackName is the host name that stands for both loopback addresses, 127.0.0.1 and ::1.
const loopbackName = "localhost"

// defaultHost returns the host that the server listens on unless ADDR says otherwise. A development
// server shows its mail and its schema to every client, so only its own machine can reach it.
func defaultHost(c *Config) string {
	if c.Production {
		return ""
	}
	return loopbackName
}

// ListensOnLoopback reports whether only the server's own machine can reach it.
func (c *Config) ListensOnLoopback() bool { return isLoopbackAddr(c.Addr) }

// MetricsOnLoopback reports whether only the server's own machine can reach its metrics.
func (c *Config) MetricsOnLoopback() bool { return isLoopbackAddr(c.MetricsAddr) }

// isLoopbackAddr reports whether HOST:PORT is on the loopback interface. The only host name that
// counts is localhost. The server resolves other names, and the address is not known here.
func isLoopbackAddr(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == loopbackName || err == nil && ip.Unmap().IsLoopback()
}

func parsePort(c *Config, value string) *valueError {
	port, ok := portNumber(value)
	if !ok {
		return &valueError{
			"a port from 0 to 65535",
			"write the number alone, as in 8080; 0 lets the system pick a free one",
		}
	}
	c.Addr = hostPort(defaultHost(c), port)
	return nil
}

// parseAddr runs after parsePort, which sets c.Addr if PORT is set.
func parseAddr(c *Config, value string) *valueError {
	host, portText, err := net.SplitHostPort(value)
	port, ok := portNumber(portText)
	if err != nil || !ok || host != "" && !validHost(host) {
		return &valueError{
			"HOST:PORT or :PORT",
			"write :8080 to listen on every address, 127.0.0.1:8080 on this machine only",
		}
	}
	if c.Addr != "" && c.Addr != hostPort(defaultHost(c), port) {
		return &valueError{"the port that PORT names", "set only one of PORT and ADDR"}
	}
	c.Addr = hostPort(strings.ToLower(host), port)
	return nil
}

// parseMetricsAddr runs after parseAddr: it compares the two ports.
func parseMetricsAddr(c *Config, value string) *valueError {
	host, portText, err := net.SplitHostPort(value)
	port, ok := portNumber(portText)
	if err != nil || !ok || host != "" && !validHost(host) {
		return &valueError{
			"HOST:PORT or :PORT",
			"write 127.0.0.1:9090 for this machine only; port 0 lets the system pick",
		}
	}
	if _, api, _ := net.SplitHostPort(c.Addr); port != 0 && api == portText {
		return &valueError{
			"a port other than the API's",
			"API clients must not reach the metrics: choose another port, as in 127.0.0.1:9090",
		}
	}
	c.MetricsAddr = hostPort(strings.ToLower(host), port)
	return nil
}

func defaultAddr(c *Config) string {
	if c.Addr != "" {
		return c.Addr // from PORT
	}
	return hostPort(defaultHost(c), defaultPort)
}

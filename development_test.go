package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// startCommand runs serve in this process with the given environment, until the test ends, and
// returns its log and the record that says it serves.
func startCommand(t *testing.T, env map[string]string) (log *buffer, serving map[string]any) {
	t.Helper()
	log = &buffer{}
	read, write := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		run(ctx, console{
			args:   []string{"fieldgate"},
			lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			stdin:  strings.NewReader(""), stdout: write, stderr: write,
		})
		_ = write.Close()
	})
	t.Cleanup(func() { stop(); running.Wait() })
	lines := bufio.NewScanner(io.TeeReader(read, log))
	for lines.Scan() {
		var record map[string]any
		if json.Unmarshal(lines.Bytes(), &record) == nil && record["msg"] == "serving" {
			running.Go(func() {
				for lines.Scan() { // so that the pipe does not fill up
				}
			})
			return log, record
		}
	}
	t.Fatalf("the server did not start:\n%s", log)
	return nil, nil
}

// outsideAddress is an address of this machine that is not on its loopback interface.
func outsideAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	withoutError(t, err)
	for _, a := range list {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	dbtest.LeftOut(t, "a second network interface", "this machine has only the loopback interface")
	return ""
}

// developmentEnv is an environment without ENV.
func developmentEnv(t *testing.T, more ...string) map[string]string {
	t.Helper()
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "LOG_FORMAT": "json", "PORT": "0"}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func reaches(address string) bool {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func TestDevelopmentServerListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	outside := outsideAddress(t)
	_, serving := startCommand(t, developmentEnv(t))
	port := portOf(t, serving["listen"].(string))
	if !reaches("127.0.0.1:" + port) {
		t.Error("127.0.0.1 does not reach the server")
	}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil { // the machine has IPv6
		withoutError(t, l.Close())
		if !reaches("[::1]:" + port) {
			t.Error("[::1] does not reach the server")
		}
	}
	if reaches(net.JoinHostPort(outside, port)) {
		t.Errorf("%s reaches a development server", outside)
	}
}

func TestDevelopmentServerListensWhereADDRSays(t *testing.T) {
	t.Parallel()
	outside := outsideAddress(t)
	_, serving := startCommand(t, developmentEnv(t, "PORT", "", "ADDR", ":0"))
	port := portOf(t, serving["listen"].(string))
	response, err := http.Get("http://" + net.JoinHostPort(outside, port) + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	withoutError(t, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestProductionServerListensOnEveryAddress(t *testing.T) {
	t.Parallel()
	outside := outsideAddress(t)
	_, serving := startCommand(t, developmentEnv(t, "ENV", "production", "PUBLIC_URL", "https://api.example.com", "JWT_SECRET", testSecret))
	if !reaches(net.JoinHostPort(outside, portOf(t, serving["listen"].(string)))) {
		t.Errorf("%s does not reach a production server", outside)
	}
}

func TestPortThatIsInUseOnOneLoopbackAddressStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			taken, err := net.Listen("tcp", address)
			if err != nil {
				dbtest.LeftOut(t, address, err.Error())
			}
			defer taken.Close()
			status, _, stderr := fieldgate(t, developmentEnv(t, "PORT", portOf(t, taken.Addr().String()), "LOG_LEVEL", "error"), "")
			if status != statusFailed || !strings.Contains(stderr, taken.Addr().String()) || !strings.Contains(stderr, "in use") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, %s", status, stderr)
			}
		})
	}
}

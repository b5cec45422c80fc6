package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/web"
)

// TestSlowClientsAreDisconnected checks that 200 clients that never finish their requests do not
// block others, and that the server closes their connections.
func TestSlowClientsAreDisconnected(t *testing.T) {
	t.Parallel()
	const clients, timeout = 200, 2 * time.Second
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	server := web.NewServer("", b.internal.Handler, b.internal.Log)
	if server.ReadHeaderTimeout <= 0 || server.ReadTimeout <= 0 {
		t.Fatal("the server has no read timeouts")
	}
	// The defaults are too long for a test.
	server.ReadHeaderTimeout, server.ReadTimeout = timeout, timeout
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})

	unfinished := []string{
		"POST /graphql HTTP/1.1\r\nHost: x\r\n",
		"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	}
	var slow []net.Conn
	for i := range clients {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, unfinished[i%len(unfinished)]); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	b.URL = "http://" + l.Addr().String()
	for range 20 {
		if got := b.Query(p, `{ me { id } }`).Must().At("me.id"); got != p.ID {
			t.Errorf("me is %v, want %s", got, p.ID)
		}
	}
	for i, conn := range slow {
		if err := conn.SetReadDeadline(time.Now().Add(10 * timeout)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("client %d is still connected", i)
		}
	}
	b.Query(p, `{ me { id } }`).Must()
}

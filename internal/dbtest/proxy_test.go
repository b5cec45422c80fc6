package dbtest

import (
	"io"
	"net"
	"testing"
)

// A database that never learns of a client's end keeps the client's transaction and its locks.
func TestProxyPassesOnTheEndOfAClient(t *testing.T) {
	t.Parallel()
	database, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	proxy, _ := StartProxy(t, "mysql://"+database.Addr().String()+"/name")
	client, err := net.Dial("tcp", proxy.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := database.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the database read %v, want the end of the connection", err)
	}
}

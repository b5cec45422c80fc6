package dbtest

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestTakenPortIsNotUsed(t *testing.T) {
	requireMariaDB(t)
	t.Parallel()
	other := start(t, freePort) // it answers too, but is another server
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()

	tried := 0
	db := start(t, func() (int, error) {
		tried++
		switch tried {
		case 1:
			return port(t, other.addr), nil
		case 2:
			return port(t, plain.Addr().String()), nil
		}
		return freePort()
	})
	if tried != 3 || db.addr == other.addr {
		t.Errorf("tried %d ports and took %s; %s was taken", tried, db.addr, other.addr)
	}
}

func TestFailedStartReportsLog(t *testing.T) {
	requireMariaDB(t)
	t.Parallel()
	dir := tempDir(t)
	_, err := startMariaDB(t.Context(), dir, func() (int, error) {
		// The tables exist by now; without them the server cannot start.
		return 1, os.RemoveAll(dir + "/data")
	})
	if err == nil || !strings.Contains(err.Error(), "data") || !strings.Contains(err.Error(), "[ERROR]") {
		t.Errorf("error %v, want the end of mariadbd's log", err)
	}
}

func TestStartCanBeCancelled(t *testing.T) {
	requireMariaDB(t)
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := startMariaDB(ctx, tempDir(t), func() (int, error) {
		cancel()
		return freePort()
	})
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// start runs a server for one test, without a supervisor.
func start(t *testing.T, nextPort func() (int, error)) *mariaDB {
	t.Helper()
	db, err := startMariaDB(t.Context(), tempDir(t), nextPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Kill)
	return db
}

// tempDir replaces t.TempDir, whose path is too long for a socket.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := shortTempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func port(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

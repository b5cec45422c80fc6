package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime/pprof"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// TestUserListWritesNoSigningKey checks that user list, which pages through accounts with signed
// cursors, signs them with a temporary key.
func TestUserListWritesNoSigningKey(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	insertUsers(t, databaseURL, 250)
	env := map[string]string{"DATABASE_URL": databaseURL}
	status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "list", "--json")
	if status != 0 || strings.Count(stdout, "\n") != 250 {
		t.Fatalf("status %d, %d lines, %s", status, strings.Count(stdout, "\n"), stderr)
	}
	key := strings.TrimPrefix(databaseURL, "sqlite://") + ".key"
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the command created %s: %v", key, err)
	}
}

// TestCommandsNeedNoSigningKey checks that commands run on MySQL without JWT_SECRET, because they
// sign no tokens. A server needs it: replicas must share the key.
func TestCommandsNeedNoSigningKey(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": dbtest.MySQL(t)}
	if status, _, stderr := servertest.RunCLI(t, env, "", "migrate"); status != 0 {
		t.Fatal(stderr)
	}
	if status, _, stderr := servertest.RunCLI(t, env, "", "user", "list"); status != 0 {
		t.Errorf("status %d, %s", status, stderr)
	}
	if status, _, stderr := servertest.RunCLI(t, env, "", "serve"); status == 0 || !strings.Contains(stderr, "JWT_SECRET") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// TestOpenedServicesSendNoTracesAndStartNoHashThreads checks that the services of a command send no
// traces and start threads for hashing only when they hash.
func TestOpenedServicesSendNoTracesAndStartNoHashThreads(t *testing.T) {
	t.Parallel()
	collector := servertest.Listen(t)
	defer collector.Close()
	called := make(chan net.Conn, 1)
	go func() {
		if c, err := collector.Accept(); err == nil {
			called <- c
		}
	}()
	o := servertest.Options(t, dbtest.SQLite(t), io.Discard, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+collector.Addr().String())
	label := rand.Text()
	var s *server.Services
	// Goroutines inherit labels.
	pprof.Do(t.Context(), pprof.Labels("services", label), func(ctx context.Context) {
		var err error
		if s, err = server.Open(o); err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(ctx); err != nil {
			t.Error(err)
		}
	})
	var running strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&running, 1); err != nil {
		t.Fatal(err)
	}
	for goroutine := range strings.SplitSeq(running.String(), "\n\n") {
		if strings.Contains(goroutine, label) && (strings.Contains(goroutine, "account.(*Queue)") || strings.Contains(goroutine, "trace/export")) {
			t.Errorf("this goroutine runs:\n%s", goroutine)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	select {
	case c := <-called:
		c.Close()
		t.Error("the trace collector was called")
	default:
	}
}

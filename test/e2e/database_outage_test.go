package e2e

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// within polls until ok returns true, and fails the test after limit.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); !ok(); <-tick.C {
		if time.Since(begin) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func execOnServer(t *testing.T, databaseURL, statement string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := sql.Open("mysql", "root@tcp("+u.Host+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := pool.ExecContext(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyDatabaseIsUnavailableAndNotReady(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	b := boot(t, node.URL(), metricsEnv...)
	p := b.NewUser("USER")
	execOnServer(t, node.URL(), "SET GLOBAL read_only = ON")
	within(t, 2*time.Second, "reads are refused", func() bool { return b.Query(p, `{ me { id } }`).At("me") == nil })
	wantCodes(t, b.Query(p, `{ me { id } }`), "me UNAVAILABLE")
	wantCodes(t, b.Query(p, `mutation { updateProfile(input: {name: "X"}) { id } }`), "updateProfile UNAVAILABLE")
	wantCodes(t, b.Query(nil, `{ me { id } }`), "me UNAUTHENTICATED")
	if status, body := b.get("/readyz"); status != http.StatusServiceUnavailable || body != "not ready\n" {
		t.Errorf("readyz %d %q", status, body)
	}
	if status, _ := b.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz %d", status)
	}
	got := b.scrape()
	if got["fieldgate_database_read_only"] != 1 || got["fieldgate_database_circuit_open"] != 0 || got["fieldgate_database_connections_retired_total"] == 0 {
		t.Errorf("metrics %v", got.increase(metricValues{}, "database_"))
	}
	execOnServer(t, node.URL(), "SET GLOBAL read_only = OFF")
	within(t, 2*time.Second, "reads are answered", func() bool { return b.Query(p, `{ me { id } }`).At("me.id") == p.ID })
	if status, _ := b.get("/readyz"); status != http.StatusOK {
		t.Errorf("readyz %d", status)
	}
	log := b.Log.String()
	for _, line := range []string{"the database is read-only: closing its connections", "the database is writable again", "not ready", "ready again"} {
		if strings.Count(log, line) == 0 {
			t.Errorf("the log lacks %q", line)
		}
	}
	if b.scrape()["fieldgate_database_read_only"] != 0 {
		t.Error("fieldgate_database_read_only is still 1")
	}
}

// While the database does not respond, requests without a database query succeed, and others fail
// at once.
func TestUnresponsiveDatabaseKeepsPublicFieldsAvailable(t *testing.T) {
	t.Parallel()
	node := clustertest.Single(t)
	u, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	f := clustertest.Forward(t, u.Host)
	b := boot(t, f.URL(node.URL()), metricsEnv...)
	p := b.NewUser("USER")
	f.Swallow(clustertest.HoleAfterAccept)
	// The first request waits for the timeout.
	wantCodes(t, b.Query(p, `{ me { id } __typename }`), "me UNAVAILABLE")
	for range 20 {
		begin := time.Now()
		got := b.Query(p, `{ me { id } __typename }`)
		wantCodes(t, got, "me UNAVAILABLE")
		wantRetryAfter(t, got)
		if got.At("__typename") == nil {
			t.Error(got.Body)
		}
		wantCodes(t, b.Query(nil, `{ me { id } }`), "me UNAUTHENTICATED")
		if took := time.Since(begin); took > time.Second {
			t.Errorf("an UNAVAILABLE response took %s, want at most 1s", took)
		}
	}
	for page, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/.well-known/jwks.json": http.StatusOK} {
		if status, _ := b.get(page); status != want {
			t.Errorf("%s: got status %d, want %d", page, status, want)
		}
	}
	if got := b.scrape(); got["fieldgate_database_circuit_open"] != 1 || got["fieldgate_database_circuit_openings_total"] != 1 {
		t.Errorf("metrics %v", got.increase(metricValues{}, "database_"))
	}
	f.Restore()
	within(t, 2*time.Second, "reads are answered", func() bool { return b.Query(p, `{ me { id } }`).At("me.id") == p.ID })
	if log := b.Log.String(); strings.Count(log, "the database does not answer: requests") != 1 || strings.Count(log, "the database answers again") != 1 {
		t.Errorf("the log lacks a change of state:\n%s", log)
	}
}

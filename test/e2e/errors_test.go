package e2e

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// wantRetryAfter checks that the header and the extension have the same positive number of seconds.
func wantRetryAfter(t *testing.T, got *servertest.Response) {
	t.Helper()
	seconds, _ := got.Errors[0].Extensions["retryAfter"].(float64)
	if header, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || header < 1 || float64(header) != seconds {
		t.Errorf("got Retry-After %q, retryAfter %v, want the same seconds", got.Header.Get("Retry-After"), seconds)
	}
}

func TestFullPasswordQueueReturnsOverloaded(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	b.internal.Queue.Close() // a closed queue rejects work as a full one does
	for name, mutation := range map[string]string{
		"login":    `login(input: {email: "` + p.Email + `", password: "` + p.Password + `"}) { tokenType }`,
		"register": `register(input: {name: "X", email: "x@example.com", password: "` + p.Password + `"}) { tokenType }`,
	} {
		got := b.Query(nil, `mutation { `+mutation+` }`)
		wantCodes(t, got, name+" OVERLOADED")
		wantRetryAfter(t, got)
	}
	if !b.isSignedIn(p) {
		t.Error("a signed-in user is rejected")
	}
}

// During a database outage, protected fields and /readyz report it, and public fields work. After
// it, the server recovers without a restart.
func TestDatabaseOutageIsUnavailableUntilItRecovers(t *testing.T) {
	t.Parallel()
	proxy, databaseURL := dbtest.StartProxy(t, dbtest.MySQL(t))
	b := boot(t, databaseURL)
	p := b.NewUser("ADMIN")
	ready := func() int { status, _ := b.get("/readyz"); return status }
	if ready() != http.StatusOK {
		t.Fatal("not ready")
	}
	proxy.SetCut(true)
	for name, query := range map[string]string{
		"me":            `{ me { id } __typename }`,
		"users":         `{ users { edges { cursor } } __typename }`,
		"updateProfile": `mutation { updateProfile(input: {name: "X"}) { id } __typename }`,
		"refresh":       `mutation { refresh(refreshToken: "x") { tokenType } }`,
		"login":         `mutation { login(input: {email: "` + p.Email + `", password: "` + p.Password + `"}) { tokenType } }`,
	} {
		got := b.Query(p, query)
		wantCodes(t, got, name+" UNAVAILABLE")
		wantRetryAfter(t, got)
		if strings.Contains(query, "__typename") && got.At("__typename") == nil || strings.Contains(got.Body, "connection") {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("readyz %d", got)
	}
	if status, _ := b.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz %d", status)
	}
	wantCodes(t, b.Query(nil, `{ me { id } }`), "me UNAUTHENTICATED")
	proxy.SetCut(false)
	if !b.isSignedIn(p) || ready() != http.StatusOK {
		t.Error("the server does not recover after the outage")
	}
}

// An internal error is masked in the response and logged once, with the request id of the response.
func TestUnknownErrorsAreMaskedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		execSQL(t, databaseURL, "DROP TABLE sessions")
		got := b.Query(p, `{ me { id } __typename }`)
		wantCodes(t, got, "me INTERNAL")
		id := got.Header.Get("X-Request-Id")
		if e := got.Errors[0]; e.Message != "internal error" || e.Extensions["requestId"] != id || got.At("__typename") != "Query" || strings.Contains(got.Body, "sessions") {
			t.Error(got.Body)
		}
		lines := 0
		for line := range strings.Lines(b.Log.String()) {
			if strings.Contains(line, `"internal error"`) && strings.Contains(line, id) {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("got %d log lines, want 1", lines)
		}
	})
}

// execSQL runs a statement on the database directly, without the server.
func execSQL(t *testing.T, databaseURL, statement string) {
	t.Helper()
	if _, err := servertest.OpenDatabase(t, databaseURL).ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatal(err)
	}
}

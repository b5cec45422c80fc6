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

// wantRetryAfter: the header and the extension say the same number of seconds.
func wantRetryAfter(t *testing.T, got *servertest.Response) {
	t.Helper()
	seconds, _ := got.Errors[0].Extensions["retryAfter"].(float64)
	if header, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || header < 1 || float64(header) != seconds {
		t.Errorf("Retry-After %q, retryAfter %v", got.Header.Get("Retry-After"), seconds)
	}
}

func TestFullPasswordQueueReturnsOverloaded(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	b.internal.Queue.Close() // as full as a queue can be
	for name, mutation := range map[string]string{
		"login":    `login(input: {email: "` + p.Email + `", password: "` + p.Password + `"}) { tokenType }`,
		"register": `register(input: {name: "X", email: "x@example.com", password: "` + p.Password + `"}) { tokenType }`,
	} {
		got := b.Query(nil, `mutation { `+mutation+` }`)
		wantCodes(t, got, name+" OVERLOADED")
		wantRetryAfter(t, got)
	}
	if !b.isSignedIn(p) {
		t.Error("who is signed in is locked out")
	}
}

// The database goes away and comes back: gated fields fail closed and say so, readyz does, what needs no
// database goes on, and nothing has to be started again.
func TestDatabaseOutageIsUnavailableUntilItRecovers(t *testing.T) {
	t.Parallel()
	wire, databaseURL := dbtest.StartProxy(t, dbtest.MySQL(t))
	b := boot(t, databaseURL)
	p := b.NewUser("ADMIN")
	ready := func() int { status, _ := b.get("/readyz"); return status }
	if ready() != http.StatusOK {
		t.Fatal("not ready")
	}
	wire.SetCut(true)
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
	wire.SetCut(false)
	if !b.isSignedIn(p) || ready() != http.StatusOK {
		t.Error("it does not come back")
	}
}

// What is nobody's business outside is masked, and logged once, under the id that the client gets.
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
			t.Errorf("%d lines in the log, want 1", lines)
		}
	})
}

// execSQL runs a statement behind the server's back.
func execSQL(t *testing.T, databaseURL, statement string) {
	t.Helper()
	if _, err := servertest.OpenDatabase(t, databaseURL).ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatal(err)
	}
}

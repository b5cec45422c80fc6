package main

import (
	"context"
	"database/sql"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/dbtest"
)

// wantRetryAfter: the header and the extension say the same number of seconds.
func wantRetryAfter(t *testing.T, got *answer) {
	t.Helper()
	seconds, _ := got.errors[0].Extensions["retryAfter"].(float64)
	if header, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || header < 1 || float64(header) != seconds {
		t.Errorf("Retry-After %q, retryAfter %v", got.header.Get("Retry-After"), seconds)
	}
}

func TestOverloaded(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.newPerson("USER")
	b.queue.Close() // as full as a queue can be
	for name, mutation := range map[string]string{
		"login":    `login(input: {email: "` + p.email + `", password: "` + p.password + `"}) { tokenType }`,
		"register": `register(input: {name: "X", email: "x@example.com", password: "` + p.password + `"}) { tokenType }`,
	} {
		got := b.ask(nil, `mutation { `+mutation+` }`)
		wantCodes(t, got, name+" OVERLOADED")
		wantRetryAfter(t, got)
	}
	if !b.signedIn(p) {
		t.Error("who is signed in is locked out")
	}
}

// wire is a connection to a database that can be cut.
type wire struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	cut      bool
	ends     []net.Conn
}

// throughWire returns the address of the database behind a wire.
func throughWire(t *testing.T, databaseURL string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: u.Host}
	t.Cleanup(func() { _ = l.Close(); w.setCut(true) })
	go w.run()
	u.Host = l.Addr().String()
	return w, u.String()
}

func (w *wire) run() {
	for {
		here, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		there, err := net.Dial("tcp", w.target)
		if err != nil || w.cut {
			_ = here.Close()
		} else {
			w.ends = append(w.ends, here, there)
			go func() { _, _ = io.Copy(here, there) }()
			go func() { _, _ = io.Copy(there, here) }()
		}
		w.mu.Unlock()
	}
}

func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.ends {
			_ = c.Close()
		}
		w.ends = nil
	}
}

// The database goes away and comes back: gated fields fail closed and say so, readyz does, what needs no
// database goes on, and nothing has to be started again.
func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	wire, databaseURL := throughWire(t, dbtest.MySQL(t))
	b := boot(t, databaseURL)
	p := b.newPerson("ADMIN")
	ready := func() int { status, _ := b.get("/readyz"); return status }
	if ready() != http.StatusOK {
		t.Fatal("not ready")
	}
	wire.setCut(true)
	for name, query := range map[string]string{
		"me":            `{ me { id } __typename }`,
		"users":         `{ users { edges { cursor } } __typename }`,
		"updateProfile": `mutation { updateProfile(input: {name: "X"}) { id } __typename }`,
		"refresh":       `mutation { refresh(refreshToken: "x") { tokenType } }`,
		"login":         `mutation { login(input: {email: "` + p.email + `", password: "` + p.password + `"}) { tokenType } }`,
	} {
		got := b.ask(p, query)
		wantCodes(t, got, name+" UNAVAILABLE")
		wantRetryAfter(t, got)
		if strings.Contains(query, "__typename") && got.at("__typename") == nil || strings.Contains(got.body, "connection") {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("readyz %d", got)
	}
	if status, _ := b.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz %d", status)
	}
	wantCodes(t, b.ask(nil, `{ me { id } }`), "me UNAUTHENTICATED")
	wire.setCut(false)
	if !b.signedIn(p) || ready() != http.StatusOK {
		t.Error("it does not come back")
	}
}

// What is nobody's business outside is masked, and logged once, under the id that the client gets.
func TestUnknownErrorsAreMaskedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		execute(t, databaseURL, "DROP TABLE sessions")
		got := b.ask(p, `{ me { id } __typename }`)
		wantCodes(t, got, "me INTERNAL")
		id := got.header.Get("X-Request-Id")
		if e := got.errors[0]; e.Message != "internal error" || e.Extensions["requestId"] != id || got.at("__typename") != "Query" || strings.Contains(got.body, "sessions") {
			t.Error(got.body)
		}
		lines := 0
		for line := range strings.Lines(b.log.String()) {
			if strings.Contains(line, `"internal error"`) && strings.Contains(line, id) {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("%d lines in the log, want 1", lines)
		}
	})
}

// execute runs a statement behind the server's back.
func execute(t *testing.T, databaseURL, statement string) {
	t.Helper()
	if _, err := openDatabase(t, databaseURL).ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatal(err)
	}
}

// openDatabase is a way to the rows behind the server's back.
func openDatabase(t *testing.T, databaseURL string) *sql.DB {
	t.Helper()
	name, dsn := "sqlite3", "file:"+strings.TrimPrefix(databaseURL, "sqlite://")
	if u, err := url.Parse(databaseURL); err == nil && u.Scheme == "mysql" {
		name, dsn = "mysql", u.User.String()+"@tcp("+u.Host+")"+u.Path
	}
	db, err := sql.Open(name, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

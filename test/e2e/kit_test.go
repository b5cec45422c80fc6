package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/config"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/mailtest"
	"fieldgate/internal/trace"
	"fieldgate/internal/web"
)

// Every server of the tests hashes at bcrypt's lowest cost, which no configuration would allow. What depends on
// the cost sets BCRYPT_COST.
const testCost = 4

// testSecret signs the tokens of every server of the tests that does not set its own.
const testSecret = "pxbDlPvYGlyFUVvbL5Vv4bLUNB3ZSq1w7wVbJ0JQG5s"

// testConnections is 0, the default, unless the environment says otherwise.
func testConnections() int {
	n, _ := strconv.Atoi(os.Getenv(dbtest.Connections))
	return n
}

// booted is a server that answers on a port of its own, with a database of its own.
type booted struct {
	*app
	t     testing.TB
	url   string
	log   *buffer
	clock *clock
	smtp  *mailtest.Server // takes its mail; nil: the inbox does, or nobody
}

// boot starts a server on an empty database. env adds to the configuration, name and value in turn.
func boot(t testing.TB, databaseURL string, env ...string) *booted {
	t.Helper()
	return bootAt(t, listen(t), databaseURL, env...)
}

// bootAt is boot on a port that is known before: for a server whose configuration names it.
func bootAt(t testing.TB, l net.Listener, databaseURL string, env ...string) *booted {
	t.Helper()
	b := &booted{t: t, log: &buffer{}, clock: &clock{}}
	s := testSettings(t, databaseURL, b.log, env...)
	s.now = b.clock.now
	return b.start(s, l)
}

// bootWithRules starts a server that enforces the rules of another schema; nil is its own.
func bootWithRules(t testing.TB, schema *ast.Schema, databaseURL string, env ...string) *booted {
	t.Helper()
	b := &booted{t: t, log: &buffer{}, clock: &clock{}}
	s := testSettings(t, databaseURL, b.log, env...)
	s.now, s.schema = b.clock.now, schema
	return b.start(s, listen(t))
}

// bootWithPlayground starts a server whose playground was built into these files.
func bootWithPlayground(t testing.TB, l net.Listener, built fs.FS, env ...string) *booted {
	t.Helper()
	b := &booted{t: t, log: &buffer{}, clock: &clock{}}
	s := testSettings(t, dbtest.SQLite(t), b.log, env...)
	s.now, s.playground = b.clock.now, built
	return b.start(s, l)
}

// bootDemo is bootWithPlayground with the demo's people in the database and, if demo is set, in the page.
func bootDemo(t testing.TB, l net.Listener, built fs.FS, demo bool, env ...string) *booted {
	t.Helper()
	b := &booted{t: t, log: &buffer{}, clock: &clock{}}
	s := testSettings(t, dbtest.SQLite(t), b.log, env...)
	s.now, s.playground, s.demo = b.clock.now, built, demo
	b.start(s, l)
	if err := b.startDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// start makes a server of its settings.
func (b *booted) start(s settings, l net.Listener) *booted {
	t := b.t
	t.Helper()
	a, err := newApp(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		b.checkStatements(t)
	})
	b.app, b.url = a, serveOn(t, l, a.handler).URL // which is closed first
	return b
}

// listen opens a port.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveOn serves h on l, and closes both after the test.
func serveOn(t testing.TB, l net.Listener, h http.Handler) *httptest.Server {
	t.Helper()
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func testSettings(t testing.TB, databaseURL string, log io.Writer, env ...string) settings {
	t.Helper()
	vars := map[string]string{
		"DATABASE_URL": databaseURL,
		"JWT_SECRET":   "pxbDlPvYGlyFUVvbL5Vv4bLUNB3ZSq1w7wVbJ0JQG5s", "LOG_LEVEL": "debug",
	}
	for i := 0; i < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	if vars["LIMITS"] == "" && vars["ENV"] != "production" {
		vars["LIMITS"] = "off" // the tests of limits turn them on
	}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if vars["BCRYPT_COST"] == "" {
		cfg.BcryptCost = testCost
	}
	handler := slog.NewJSONHandler(log, &slog.HandlerOptions{Level: cfg.LogLevel})
	return settings{Config: cfg, log: slog.New(web.LogHandler(handler, trace.LogAttrs)), connections: testConnections()}
}

// clock is real time, until it is stopped, plus what a test added.
type clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

func (c *clock) now() time.Time {
	now := c.stopped.Load()
	if now == nil {
		now = new(time.Now())
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *clock) stop()                   { c.stopped.Store(new(time.Now())) }

// buffer is a log that many goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// logged are the records in the log; a line that is not one record fails the test.
func (b *booted) logged() (records []map[string]any) {
	b.t.Helper()
	for line := range strings.Lines(b.log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil || !strings.HasSuffix(line, "\n") {
			b.t.Fatalf("a line of the log is no record: %v in %q", err, line)
		}
		records = append(records, record)
	}
	return records
}

// person is somebody with an account, signed in. The nil person is anonymous.
type person struct {
	id, email, password, token string
}

const goodPassword = "correct horse battery staple"

var people atomic.Int64

// newPerson registers somebody and gives them a role.
func (b *booted) newPerson(role string) *person {
	b.t.Helper()
	p := &person{email: fmt.Sprintf("person%d@example.com", people.Add(1)), password: goodPassword}
	got := b.ask(nil, `mutation($e: String!, $p: String!) { register(input: {name: "Somebody", email: $e, password: $p, delivery: BODY}) { accessToken user { id } } }`,
		"e", p.email, "p", p.password).must()
	p.id, p.token = got.text("register.user.id"), got.text("register.accessToken")
	if role != "USER" {
		if _, err := b.accounts.AsOperator().SetRoleByEmail(b.t.Context(), p.email, role); err != nil {
			b.t.Fatal(err)
		}
	}
	return p
}

// answer is what the server said.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
	data   map[string]any
	errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
}

// ask asks one query, with variables as name and value in turn.
func (b *booted) ask(as *person, query string, variables ...any) *answer {
	b.t.Helper()
	header := http.Header{}
	if as != nil {
		header.Set("Authorization", "Bearer "+as.token)
	}
	return b.askWith(header, query, variables...)
}

func (b *booted) askWith(header http.Header, query string, variables ...any) *answer {
	b.t.Helper()
	vars := map[string]any{}
	for i := 0; i < len(variables); i += 2 {
		vars[variables[i].(string)] = variables[i+1]
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.post(header, string(body))
}

func (b *booted) post(header http.Header, body string) *answer {
	b.t.Helper()
	r, err := b.newPost(header, body)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *booted) newPost(header http.Header, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/graphql", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header.Clone()
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

func (b *booted) do(r *http.Request) *answer {
	b.t.Helper()
	a, err := b.try(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// try is do for where no answer is no reason to end the test.
func (b *booted) try(r *http.Request) (*answer, error) {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{t: b.t, status: response.StatusCode, header: response.Header, body: string(content)}
	var decoded struct {
		Data   map[string]any
		Errors any
	}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(content, &decoded); err != nil {
			return nil, fmt.Errorf("not JSON: %w in %s", err, content)
		}
		a.data = decoded.Data
		again, _ := json.Marshal(decoded.Errors)
		if err := json.Unmarshal(again, &a.errors); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// must fails the test if there is an error in the answer.
func (a *answer) must() *answer {
	a.t.Helper()
	if a.status != http.StatusOK || len(a.errors) > 0 {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
	return a
}

// codes are the errors as "path CODE", in the order of their paths.
func (a *answer) codes() []string {
	list := make([]string, len(a.errors))
	for i, e := range a.errors {
		path := make([]string, len(e.Path))
		for j, p := range e.Path {
			path[j] = fmt.Sprint(p)
		}
		list[i] = strings.TrimSpace(strings.Join(path, ".") + " " + fmt.Sprint(e.Extensions["code"]))
	}
	return sorted(list)
}

// at is the value at a dotted path in the data: numbers are indices.
func (a *answer) at(path string) any {
	var v any = a.data
	for name := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[name]
		case []any:
			i := 0
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// text is a string that must be there.
func (a *answer) text(path string) string {
	a.t.Helper()
	s, ok := a.at(path).(string)
	if !ok || s == "" {
		a.t.Fatalf("no text at %s in %s", path, a.body)
	}
	return s
}

// json is the data in one form: for comparing.
func (a *answer) json() string {
	b, err := json.Marshal(a.data)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// newRowID is an id for a row that a test puts into the database itself.
func newRowID() string { return uuid.Must(uuid.NewV7()).String() }

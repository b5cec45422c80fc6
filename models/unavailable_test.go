package models

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/limit"
	"fieldgate/internal/schematest"
)

// storeCalls contains every method that queries the database, with arbitrary arguments. Reflection
// includes new methods.
var storeCalls = func() map[string]func(context.Context, *Store) error {
	list := map[string]func(context.Context, *Store) error{}
	for m := range reflect.TypeFor[*Store]().Methods() {
		asks := m.Type.NumIn() >= 2 && m.Type.In(1) == reflect.TypeFor[context.Context]() &&
			m.Name != "DB" && m.Name != "Translate" // these run no query themselves
		if !asks {
			continue
		}
		list[m.Name] = func(ctx context.Context, s *Store) error {
			args := []reflect.Value{reflect.ValueOf(s), reflect.ValueOf(ctx)}
			for i := 2; i < m.Type.NumIn(); i++ {
				args = append(args, arbitraryValue(m.Type.In(i)))
			}
			call := m.Func.Call
			if m.Type.IsVariadic() {
				call = m.Func.CallSlice
			}
			results := call(args)
			err, _ := results[len(results)-1].Interface().(error)
			return err
		}
	}
	// Backup gets a valid path instead of an arbitrary one.
	list["Backup"] = func(ctx context.Context, s *Store) error {
		dir, err := os.MkdirTemp("", "backup")
		if err != nil {
			return err
		}
		return errors.Join(s.Backup(ctx, filepath.Join(dir, "copy.db")), os.RemoveAll(dir))
	}
	return list
}()

// arbitraryValue returns a value that is not zero, so that no method skips its query.
func arbitraryValue(of reflect.Type) reflect.Value {
	if of == reflect.TypeFor[limit.Rate]() {
		return reflect.ValueOf(limit.Rate{Count: 5, Window: time.Minute})
	}
	return schematest.NonZero(of)
}

func TestEveryCallIsErrUnavailableWithoutServer(t *testing.T) {
	t.Parallel()
	for name, databaseURL := range map[string]func(t *testing.T) string{
		"nothing listens": func(t *testing.T) string { return "mysql://root:hunter2@" + closedPort(t) + "/fieldgate" },
		"no such host":    func(*testing.T) string { return "mysql://root:hunter2@nowhere.invalid/fieldgate" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, databaseURL(t), Options{})
			for call, f := range storeCalls {
				begin := time.Now()
				err := f(testContext(t), s)
				wantError(t, err, ErrUnavailable)
				if took := time.Since(begin); took > 10*time.Second {
					t.Errorf("%s: got %s, want at most 10s", call, took)
				}
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: the error contains the password: %v", call, err)
				}
			}
		})
	}
}

func TestUnresponsiveServerTimesOutWithContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	requireNoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := openStore(t, "mysql://root@"+l.Addr().String()+"/fieldgate", Options{})
	for name, f := range storeCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			timeout := 5 * time.Second
			// Lookups of a session are not cancelled: see sessionQuery.
			if strings.HasPrefix(name, "Session") && name != "Sessions" {
				timeout += s.dialect.(mysqlDialect).config.Timeout
			}
			begin := time.Now()
			wantError(t, f(ctx, s), ErrUnavailable)
			if took := time.Since(begin); took > timeout {
				t.Errorf("got %s, want at most %s", took, timeout)
			}
		})
	}
}

// A client that waits half a minute for an answer must get one.
func TestUnresponsiveServerTimesOutWithoutContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	requireNoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := openStore(t, "mysql://root@"+l.Addr().String()+"/fieldgate", Options{})
	begin := time.Now()
	wantError(t, s.Ping(context.Background()), ErrUnavailable)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("got %s, want at most 20s", took)
	}
}

func TestWrongPasswordIsNotErrUnavailable(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbtest.MySQL(t))
	requireNoError(t, err)
	u.User = url.UserPassword("eve", "hunter2")
	s := openStore(t, u.String(), Options{})
	_, err = s.Migrate(testContext(t))
	if err == nil || errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v, want one that is not ErrUnavailable and has no password", err)
	}
}

func TestStoreRecoversWhenServerReturns(t *testing.T) {
	t.Parallel()
	p := newProxy(t, dbtest.MySQL(t))
	s := newStore(t, p.url)
	u := createUser(t, s, newUser("ada@example.com"))
	for range 3 {
		p.stop()
		for _, call := range []string{"Ping", "UserByID", "CreateUser", "Transaction"} {
			wantError(t, storeCalls[call](testContext(t), s), ErrUnavailable)
		}
		p.start()
		requireNoError(t, s.Ping(testContext(t)))
		requireNoError(t, s.SetRole(testContext(t), u.ID, "ADMIN"))
	}
}

// ErrUnavailable tells clients that nothing was done. That must be true.
func TestLostConnectionIsClassified(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name        string
		at          string // the statement
		arrives     bool   // whether it reaches the server before the connection is lost
		unavailable bool
		done        bool
	}{
		{"before a write", "INSERT INTO `users`", false, true, false},
		{"after a write", "INSERT INTO `users`", true, true, false},
		{"before the COMMIT, with an unknown outcome", "COMMIT", false, false, false},
		{"after the COMMIT, with an unknown outcome", "COMMIT", true, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, dbtest.MySQL(t))
			s := newStore(t, p.url)
			u := newUser("ada@example.com")
			p.cutAt(row.at, row.arrives)
			err := s.CreateUser(testContext(t), u)
			if err == nil || errors.Is(err, ErrUnavailable) != row.unavailable || errors.Is(err, ErrEmailTaken) {
				t.Errorf("got error %v, want ErrUnavailable %t", err, row.unavailable)
			}
			p.cutAt("", false)
			// The server notices the end of the connection in its own time: ask it in a way that
			// waits for that.
			err = s.CreateUser(testContext(t), u)
			if row.done {
				wantError(t, err, ErrEmailTaken)
			} else if err != nil {
				t.Errorf("the first attempt was not done, but the second failed: %v", err)
			}
		})
	}
}

// A server reports that COMMIT failed, and has committed or not. A transaction that certainly was
// not committed is retried. For the rest the outcome is unknown.
func TestFailedCommitIsClassified(t *testing.T) {
	t.Parallel()
	p := newProxy(t, dbtest.MySQL(t))
	s := newStore(t, p.url)
	for _, row := range []struct {
		name    string
		number  uint16
		message string
		instead string // the statement that the server executes
		again   bool
		done    bool
	}{
		{"by a conflict in Galera", 1213, "Deadlock found when trying to get lock; try restarting transaction", "ROLLBACK", true, true},
		{"by a conflict in Group Replication", 3101, "Plugin instructed the server to rollback the current transaction.", "ROLLBACK", true, true},
		{"by a conflict that is reported as error 1180", 1180, "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT", "ROLLBACK", true, true},
		{"by a conflict, in MariaDB's words", 1180, `Got error 149 "Lock deadlock; Retry transaction" during COMMIT`, "ROLLBACK", true, true},
		{"by a disk error, after the commit", 1180, "Got error 5 - 'OS errno 5 - Input/output error' during COMMIT", "COMMIT", false, true},
		{"by a disk error, before the commit", 1180, "Got error 5 - 'OS errno 5 - Input/output error' during COMMIT", "ROLLBACK", false, false},
		{"by an isolated Galera node, after the others have committed", 1180, "Got error 6 during COMMIT", "COMMIT", false, true},
		{"with a localized message", 1180, "Fehler 1490 beim COMMIT", "COMMIT", false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := newUser(newID())
			p.refuseAt("COMMIT", row.instead, row.number, row.message)
			err := s.CreateUser(testContext(t), u)
			if row.again {
				requireNoError(t, err)
			} else if err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrEmailTaken) {
				t.Errorf("got error %v, want an unknown outcome", err)
			}
			_, err = s.UserByID(testContext(t), u.ID)
			if done := err == nil; done != row.done {
				t.Errorf("got done %t, want %t: %v", done, row.done, err)
			}
		})
	}
}

func TestInvalidSQLitePathIsRejected(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, want string
		path       func(dir string) string
	}{
		{"a folder", "is a directory", func(dir string) string { return dir }},
		{"in a missing folder", "no such file or directory", func(dir string) string { return filepath.Join(dir, "no", "x.db") }},
		{"below a file", "not a directory", func(dir string) string {
			_ = os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
			return filepath.Join(dir, "file", "x.db")
		}},
		{"with an invalid name", "invalid argument", func(dir string) string { return filepath.Join(dir, "a\x00b") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open("sqlite://"+row.path(t.TempDir()), Options{})
			if err == nil || !strings.HasPrefix(err.Error(), "open sqlite: ") || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want %q", err, row.want)
			}
		})
	}
}

func TestNonDatabaseFileIsRejectedUnchanged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "letter.txt")
	letter := strings.Repeat("Dear Ada, this is not a database. ", 100)
	requireNoError(t, os.WriteFile(path, []byte(letter), 0o600))
	s := openStore(t, "sqlite://"+path, Options{})
	_, err := s.Migrate(testContext(t))
	if err == nil || !strings.Contains(err.Error(), "file is not a database") {
		t.Errorf("got error %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != letter {
		t.Errorf("the file was changed, error %v", err)
	}
}

func TestDeletedSQLiteFileIsErrUnavailable(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	s := newStore(t, databaseURL)
	path, _ := SQLitePath(databaseURL)
	requireNoError(t, s.Ping(testContext(t)))
	requireNoError(t, os.Rename(path, path+".old"))
	wantError(t, s.Ping(testContext(t)), ErrUnavailable)
	s.pool.SetMaxIdleConns(0) // new connections open the file again
	wantError(t, storeCalls["UserByID"](testContext(t), s), ErrUnavailable)
	if _, err := os.Stat(path); err == nil {
		t.Error("SQLite created an empty database")
	}
	requireNoError(t, os.Rename(path+".old", path))
	requireNoError(t, s.Ping(testContext(t)))
	wantError(t, storeCalls["UserByID"](testContext(t), s), ErrNotFound)
}

func TestBusySQLiteTimesOutWithContext(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	s, other := newStore(t, databaseURL), openStore(t, databaseURL, Options{})
	requireNoError(t, other.Transaction(testContext(t), func(tx *Store) error {
		for name, want := range map[string]error{"deadline": ErrUnavailable, "cancel": context.Canceled} {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if name == "cancel" {
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			begin := time.Now()
			err := s.CreateUser(ctx, newUser("ada@example.com"))
			cancel()
			wantError(t, err, want)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s: got %s, want at most 5s", name, took)
			}
			// Reads are not blocked.
			requireNoError(t, s.Ping(testContext(t)))
		}
		return nil
	}))
}

const lockUsers = "BEGIN;\nUPDATE users SET name = name"

// A lock is held for longer than the lock timeout. The waiting caller gets ErrUnavailable and keeps
// its connection, and its statement does not run later.
func TestLongLockIsErrUnavailable(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, lock, unlock string
		call               func(ctx context.Context, s *Store, u *User) error
	}{
		{"a row lock against a write", lockUsers, "ROLLBACK", func(ctx context.Context, s *Store, u *User) error {
			return s.SetRole(ctx, u.ID, "ADMIN")
		}},
		{"a table lock against a read", "LOCK TABLES users WRITE", "UNLOCK TABLES", func(ctx context.Context, s *Store, u *User) error {
			_, err := s.UserByID(ctx, u.ID)
			return err
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := dbtest.MySQL(t)
			s := openStore(t, databaseURL, Options{MaxConnections: 1})
			migrate(t, s)
			u := createUser(t, s, newUser("ada@example.com"))
			// Instead of lockWaitTimeout.
			execute(t, s, "SET SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 1")
			other := openStore(t, databaseURL, Options{MaxConnections: 1})
			executeAll(t, other, row.lock)
			const us, waiting = "SELECT CONNECTION_ID()", "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND command = 'Query' AND info LIKE '%users%' AND id <> CONNECTION_ID()"
			before, begin := queryAll[int](t, s, us), time.Now()
			wantError(t, row.call(testContext(t), s, u), ErrUnavailable)
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("got %s, want at most 20s", took)
			}
			if after := queryAll[int](t, s, us); after[0] != before[0] {
				t.Error("the connection was replaced")
			}
			if n := queryAll[int](t, other, waiting); n[0] != 0 {
				t.Errorf("got %d waiting statements, want 0", n[0])
			}
			execute(t, other, row.unlock)
			after, err := s.UserByID(testContext(t), u.ID)
			requireNoError(t, err)
			if after.Role != u.Role {
				t.Errorf("got role %s, want no change", after.Role)
			}
			requireNoError(t, row.call(testContext(t), s, u))
		})
	}
}

func TestLockWaitTimeoutIsRetried(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	s, other := newStore(t, databaseURL), openStore(t, databaseURL, Options{MaxConnections: 1})
	ctx := testContext(t)
	u := createUser(t, s, newUser("ada@example.com"))
	executeAll(t, other, lockUsers)
	attempts := 0
	requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
		attempts++
		execute(t, tx, "SET SESSION innodb_lock_wait_timeout = 1")
		if attempts == 2 {
			execute(t, other, "ROLLBACK")
		}
		return tx.SetRole(ctx, u.ID, "ADMIN")
	}))
	if attempts != 2 {
		t.Errorf("got %d attempts, want 2", attempts)
	}
}

func TestQueryStopsWithContext(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		endless := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
		if s.dialect.name() == "mysql" {
			endless = "SELECT SLEEP(600)"
		}
		for _, row := range []struct {
			name    string
			context func() (context.Context, context.CancelFunc)
			want    error
		}{
			{"with a deadline", func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), 100*time.Millisecond)
			}, ErrUnavailable},
			{"with a cancellation", func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
				return ctx, cancel
			}, context.Canceled},
		} {
			ctx, cancel := row.context()
			err := s.Transaction(ctx, func(tx *Store) error {
				var n int64
				return tx.conn(ctx).Raw(endless).Scan(&n).Error
			})
			cancel()
			if !errors.Is(err, row.want) {
				t.Errorf("%s: got %v, want %v", row.name, err, row.want)
			}
		}
		requireNoError(t, s.Ping(testContext(t)))
	})
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	requireNoError(t, err)
	requireNoError(t, l.Close())
	return l.Addr().String()
}

// proxy forwards connections to a server, and loses connections or refuses statements on request.
type proxy struct {
	t      *testing.T
	url    string // of the database, through the proxy
	server string
	addr   string
	work   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	stopped  bool
	cut      string
	arrives  bool
	refused  string
	instead  []byte // packet
	refusal  []byte // packet
}

func newProxy(t *testing.T, databaseURL string) *proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	requireNoError(t, err)
	p := &proxy{t: t, server: u.Host, addr: "127.0.0.1:0", open: map[net.Conn]bool{}}
	p.start()
	u.Host = p.addr
	p.url = u.String()
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) start() {
	l, err := net.Listen("tcp", p.addr)
	requireNoError(p.t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.addr, p.stopped = l, l.Addr().String(), false
	p.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(client) })
		}
	})
}

func (p *proxy) stop() {
	p.mu.Lock()
	p.stopped = true
	_ = p.listener.Close()
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// cutAt closes the connection of a statement, before or after the statement has reached the server.
func (p *proxy) cutAt(statement string, arrives bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.arrives = statement, arrives
}

// refuseAt answers a statement once with an error. The server executes another statement instead.
func (p *proxy) refuseAt(statement, instead string, number uint16, message string) {
	// The command, the packet's sequence number, and its kind.
	const query, answer, failed = 3, 1, 0xff
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = statement
	p.instead = append([]byte{byte(1 + len(instead)), 0, 0, 0, query}, instead...)
	p.refusal = append([]byte{byte(9 + len(message)), 0, 0, answer, failed, byte(number), byte(number >> 8)}, "#HY000"+message...)
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.open[client], p.open[server] = true, true
	if p.stopped {
		_, _ = client.Close(), server.Close()
	}
	p.mu.Unlock()
	defer func() {
		_, _ = client.Close(), server.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, client)
		delete(p.open, server)
	}()
	lost := make(chan struct{}) // closed when the client must not get answers any more
	answered := make(chan struct{})
	refusals := make(chan []byte, 1) // sent to the client instead of the next answer
	p.work.Go(func() {
		defer close(answered)
		defer func() { _ = client.Close() }()
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			select {
			case <-lost:
				return
			default:
			}
			if err != nil {
				return
			}
			answer := b[:n]
			select {
			case answer = <-refusals:
			default:
			}
			if _, err := client.Write(answer); err != nil {
				return
			}
		}
	})
	p.forward(client, server, lost, answered, refusals)
}

func (p *proxy) forward(
	client io.Reader, server io.Writer, lost chan<- struct{}, answered <-chan struct{}, refusals chan<- []byte,
) {
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		cut, arrives := p.cut != "" && bytes.Contains(b[:n], []byte(p.cut)), p.arrives
		query := b[:n]
		if p.refused != "" && bytes.Contains(query, []byte(p.refused)) {
			p.refused, query = "", p.instead
			refusals <- p.refusal
		}
		p.mu.Unlock()
		if cut {
			close(lost)
			if arrives {
				_, _ = server.Write(b[:n])
				<-answered
			}
			return
		}
		if _, err := server.Write(query); err != nil {
			return
		}
	}
}

// A driver may report a cancelled statement as "interrupted" or as a broken connection, without the
// cause.
func TestInterruptedStatementReturnsContextError(t *testing.T) {
	t.Parallel()
	endless := map[string]string{
		"sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
		"mysql":  "SELECT SLEEP(60)",
	}
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{})
		ask := func(ctx context.Context, cancel context.CancelFunc) error {
			defer cancel()
			var n int64
			return s.translate(ctx, s.pool.QueryRowContext(ctx, endless[s.dialect.name()]).Scan(&n))
		}
		t.Run("with a deadline", func(t *testing.T) {
			err := ask(context.WithTimeout(t.Context(), 50*time.Millisecond))
			wantError(t, err, context.DeadlineExceeded)
			wantError(t, err, ErrUnavailable)
		})
		t.Run("with a cancellation", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			err := ask(ctx, cancel)
			wantError(t, err, context.Canceled)
			if errors.Is(err, ErrUnavailable) {
				t.Errorf("got ErrUnavailable for a cancellation: %v", err)
			}
		})
	})
}

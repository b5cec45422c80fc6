package upgrade

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fieldgate/internal/cli"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
	"fieldgate/models"
	"fieldgate/servertest"
)

// migrationsFolder returns a folder with the first migrations. If next is set, those of a later
// version follow.
func migrationsFolder(t *testing.T, upTo int, next bool) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, dialect := range []string{"sqlite", "mysql"} {
		if err := os.Mkdir(filepath.Join(folder, dialect), 0o755); err != nil {
			t.Fatal(err)
		}
		files := migrationFiles(t, dialect)
		for _, file := range files[:upTo] {
			repotest.CopyFile(t, file, filepath.Join(folder, dialect, filepath.Base(file)))
		}
		for i, file := range glob(t, "models/testdata/next/"+dialect+"/*.sql") {
			if next {
				repotest.CopyFile(t, file, filepath.Join(folder, dialect, fmt.Sprintf("%05d_next.sql", len(files)+i+1)))
			}
		}
	}
	return folder
}

func migrationFiles(t *testing.T, dialect string) []string {
	t.Helper()
	return glob(t, "models/migrations/"+dialect+"/*.sql")
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(pattern, files, err)
	}
	return files
}

// nextVersion returns a variable that makes a process run as a later version, with additional
// migrations, and the number of this version's migrations.
func nextVersion(t *testing.T) (env string, newest int) {
	t.Helper()
	known := len(migrationFiles(t, "sqlite"))
	return servertest.WithMigrations + "=" + migrationsFolder(t, known, true), known
}

// runCommand runs a command in a separate process.
func runCommand(t *testing.T, databaseURL, env string, args ...string) string {
	t.Helper()
	cmd := servertest.Command(t, databaseURL, env)
	cmd.Args = append(cmd.Args, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestServersRunWithAnotherVersionsTables(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		next, known := nextVersion(t)
		pending := fmt.Sprintf("%05d_next.sql", known+1)
		old, _ := servertest.StartProcess(t, databaseURL)
		ada := old.NewUser("USER")

		behind, _ := servertest.StartCommand(t, servertest.Command(t, databaseURL, next, "AUTO_MIGRATE=false"), "waiting for migrations")
		if log := behind.Log.String(); !strings.Contains(log, pending) || !strings.Contains(log, "Hint: run fieldgate migrate") {
			t.Errorf("the log does not name the pending migration: %s", log)
		}
		for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
			if status, body := get(behind, path); status != want {
				t.Errorf("behind: %s %d %s", path, status, body)
			}
		}
		rejected := behind.Query(ada, `{ me { id } }`)
		rejected.WantCodes("UNAVAILABLE")
		if rejected.Status != http.StatusServiceUnavailable || rejected.Header.Get("Retry-After") == "" {
			t.Errorf("behind: %d %v", rejected.Status, rejected.Header)
		}
		if status := runCommand(t, databaseURL, next, "migrate", "status"); !strings.Contains(status, pending+"\tpending") {
			t.Error(status)
		}

		if out := runCommand(t, databaseURL, next, "migrate"); !strings.Contains(out, "applied "+pending) || !strings.Contains(out, "is waiting: since") {
			t.Error(out)
		}
		behind.UntilReady()
		behind.Query(ada, `{ me { id } }`).Must()

		old.UntilReady()
		old.Query(ada, `{ me { id } }`).Must()
		ahead, _ := servertest.StartProcess(t, databaseURL)
		ahead.UntilReady()
		ahead.Query(ada, `mutation { updateProfile(input: {name: "Ada"}) { id } }`).Must()
		if n := strings.Count(ahead.Log.String(), "the database is ahead"); n != 1 {
			t.Errorf("%d log lines about a newer database, want 1:\n%s", n, ahead.Log)
		}
		if status := runCommand(t, databaseURL, "", "migrate", "status"); !strings.Contains(status, fmt.Sprintf("%05d\tapplied ", known+1)) || !strings.Contains(status, " by a newer version\n") {
			t.Error(status)
		}
		if status := runCommand(t, databaseURL, "", "migrate", "status", "--json"); !strings.Contains(status, `"state":"unknown"`) || strings.Contains(status, `"waiting"`) {
			t.Error(status)
		}
		if status := runCommand(t, databaseURL, next, "migrate", "status", "--json"); !strings.Contains(status, `"state":"waiting","appliedAt":null,"contract":"since `) {
			t.Error(status)
		}
	})
}

// TestMigratingServerIsAliveAndNotReady checks that a server answers probes while a migration waits
// for a lock. Orchestrators restart servers that do not.
func TestMigratingServerIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		next, _ := nextVersion(t)
		runCommand(t, databaseURL, "", "migrate")
		writer, err := servertest.OpenDatabase(t, databaseURL).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.ExecContext(t.Context(), "UPDATE users SET name = 'x'"); err != nil {
			t.Fatal(err)
		}
		b, _ := servertest.StartCommand(t, servertest.Command(t, databaseURL, next, "LOG_LEVEL=debug"), "starting")
		for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/": http.StatusServiceUnavailable} {
			if status, body := get(b, path); status != want {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		if err := writer.Rollback(); err != nil {
			t.Fatal(err)
		}
		b.UntilReady()
		b.NewUser("USER")
	})
}

// TestServerWaitsForItsDatabase checks that a server that starts during a database outage waits for
// its end.
func TestServerWaitsForItsDatabase(t *testing.T) {
	t.Parallel()
	wire, databaseURL := dbtest.StartProxy(t, dbtest.MySQL(t))
	wire.SetCut(true)
	const app = "https://app.example.com"
	b, _ := servertest.StartCommand(t, servertest.Command(t, databaseURL, "", "CORS_ORIGINS="+app), "waiting for the database")
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		if status, body := get(b, path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	rejected := b.Post(http.Header{"Origin": {app}}, `{"query": "{ permissions { field } }"}`)
	rejected.WantCodes("UNAVAILABLE")
	if allowed := rejected.Header.Get("Access-Control-Allow-Origin"); allowed != app {
		t.Errorf("Access-Control-Allow-Origin is %q, want %q", allowed, app)
	}
	wire.SetCut(false)
	b.UntilReady()
	b.NewUser("USER")
	if n := strings.Count(b.Log.String(), "waiting for the database"); n != 1 {
		t.Errorf("%d log lines about the missing database, want 1:\n%s", n, b.Log)
	}
}

func TestCommandsDoNotMigrateWithoutAutoMigrate(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "JWT_SECRET": servertest.Secret, "AUTO_MIGRATE": "false"}
	if status, _, stderr := servertest.RunCLI(t, env, servertest.Password, "user", "create", "ada@example.com", "--name", "Ada"); status != cli.StatusFailed || !strings.Contains(stderr, "00001_users.sql") || !strings.Contains(stderr, "Hint: run fieldgate migrate") {
		t.Errorf("%d %s", status, stderr)
	}
	if status, stdout, stderr := servertest.RunCLI(t, env, "", "migrate"); status != 0 || !strings.Contains(stdout, "applied 00001_users.sql") {
		t.Errorf("%d %s", status, stderr)
	}
	if status, _, stderr := servertest.RunCLI(t, env, "", "user", "list"); status != 0 {
		t.Errorf("%d %s", status, stderr)
	}
}

// load is a set of users of several servers, with a round-robin balancer.
type load struct {
	t *testing.T

	mu       sync.Mutex
	servers  []*replica
	next     int
	phase    string
	answered map[string]int           // requests by phase
	longest  map[string]time.Duration // by phase
	failures []string
	progress chan struct{} // one value for each request
	stopped  bool
	wg       sync.WaitGroup
}

// replica is a server that receives requests.
type replica struct {
	*servertest.Server
	process *os.Process
	busy    sync.WaitGroup
}

func newLoad(t *testing.T) *load {
	return &load{t: t, answered: map[string]int{}, longest: map[string]time.Duration{}, progress: make(chan struct{})}
}

func (l *load) add(b *servertest.Server, p *os.Process) *replica {
	l.t.Helper()
	b.UntilReady()
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &replica{Server: b, process: p}
	l.servers = append(l.servers, r)
	return r
}

// retire removes a server from the balancer and stops it.
func (l *load) retire(r *replica) {
	l.t.Helper()
	l.mu.Lock()
	l.servers = slices.DeleteFunc(l.servers, func(other *replica) bool { return other == r })
	l.mu.Unlock()
	r.busy.Wait()
	if err := r.process.Signal(syscall.SIGTERM); err != nil {
		dbtest.SkipOrFail(l.t, "a signal to another process", "not on this system: "+err.Error())
	}
	if state, err := r.process.Wait(); err != nil || !state.Success() {
		l.t.Errorf("a server after SIGTERM: %v, %v", state, err)
	}
}

// during names the current phase and returns after so many requests.
func (l *load) during(phase string, requests int) {
	l.t.Helper()
	l.mu.Lock()
	l.phase = phase
	l.mu.Unlock()
	for range requests {
		select {
		case <-l.progress:
		case <-time.After(time.Minute):
			l.t.Fatalf("%s: no request was answered within a minute", phase)
		}
	}
}

func (l *load) pick() *replica {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	r := l.servers[l.next%len(l.servers)]
	r.busy.Add(1)
	return r
}

// send returns nil and records the failure if a request fails.
func (l *load) send(token, query string, variables ...any) *servertest.Response {
	vars := map[string]any{}
	for i := 0; i < len(variables); i += 2 {
		vars[variables[i].(string)] = variables[i+1]
	}
	body, _ := json.Marshal(map[string]any{"query": query, "variables": vars})
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	server := l.pick()
	defer server.busy.Done()
	begin := time.Now()
	request, err := server.NewPost(header, string(body))
	var got *servertest.Response
	if err == nil {
		got, err = server.Try(request)
	}
	if err == nil && (got.Status != http.StatusOK || len(got.Errors) > 0) {
		err = errors.New(got.Body)
	}
	took := time.Since(begin)
	l.mu.Lock()
	l.answered[l.phase]++
	l.longest[l.phase] = max(l.longest[l.phase], took)
	if err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s, after %s: %.50s: %v", l.phase, took, query, err))
	}
	l.mu.Unlock()
	select {
	case l.progress <- struct{}{}:
	default: // no receiver
	}
	if err != nil {
		return nil
	}
	return got
}

// account is a user with the values that a server has acknowledged.
type account struct{ email, name, token, refresh string }

// runUsers registers users one after the other, each of which uses the service, until the load is
// stopped.
func (l *load) runUsers(worker int, admin string) (members []*account) {
	for n := 0; !l.isStopped(); n++ {
		m := &account{email: fmt.Sprintf("member%d-%d@example.com", worker, n), name: "New"}
		got := l.send("", `mutation($e: String!, $p: String!) { register(input: {name: "New", email: $e, password: $p, delivery: BODY}) { accessToken refreshToken } }`, "e", m.email, "p", servertest.Password)
		if got == nil {
			continue
		}
		m.token, m.refresh = got.Text("register.accessToken"), got.Text("register.refreshToken")
		members = append(members, m)
		for i := range 5 {
			name := fmt.Sprintf("Name %d", i)
			if l.send(m.token, `mutation($n: String!) { updateProfile(input: {name: $n}) { id } }`, "n", name) != nil {
				m.name = name
			}
			if got := l.send(m.token, `{ me { name email role } }`); got != nil && (got.At("me.name") != m.name || got.At("me.email") != m.email || got.At("me.role") != "USER") {
				l.t.Errorf("me returns %[2]s, want %+[1]v", m, got.Body)
			}
			if got := l.send("", refreshInBody, "t", m.refresh); got != nil {
				m.token, m.refresh = got.Text("refresh.accessToken"), got.Text("refresh.refreshToken")
			}
			if got := l.send(admin, `{ users(first: 20) { edges { node { id name email role } } } }`); got != nil && got.At("users.edges.19") == nil {
				l.t.Errorf("users returns %s, want 20 edges", got.Body)
			}
		}
		l.send("", `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`, "e", m.email, "p", servertest.Password)
	}
	return members
}

func (l *load) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// TestServersOfTwoVersionsShareADatabase checks that no request fails and no acknowledged write is
// lost while servers of two versions share a database, the newer ones migrate it, and servers are
// upgraded and rolled back. At the end, the contract removes what only the old version used.
func TestServersOfTwoVersionsShareADatabase(t *testing.T) {
	t.Parallel()
	rows, requests, workers := 2_000, 15, 2
	if dbtest.Exhaustive() {
		rows, requests, workers = 50_000, 150, 3
	}
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		next, known := nextVersion(t)
		start := func(env ...string) (*servertest.Server, *os.Process) {
			return servertest.StartProcess(t, databaseURL, append(env, "LIMITS=off")...)
		}
		l := newLoad(t)
		first := l.add(start())
		l.add(start())
		insertUsers(t, databaseURL, rows)
		admin := first.NewUser("USER")
		setRole(t, databaseURL, admin.ID, "ADMIN")
		all := make([][]*account, workers)
		for i := range all {
			l.wg.Go(func() { all[i] = l.runUsers(i, admin.Token) })
		}
		defer func() {
			l.mu.Lock()
			l.stopped = true
			l.mu.Unlock()
			l.wg.Wait()
		}()

		l.during("two old servers", requests)
		l.during("a new server migrates", 0)
		newer, process := start(next)
		if want := known + 5; !strings.Contains(newer.Log.String(), fmt.Sprintf(`"number":%d,`, want)) {
			t.Errorf("the new server has not migrated:\n%s", newer.Log)
		}
		l.during("a new server beside two old ones", 0)
		second := l.add(newer, process)
		l.during("a new server beside two old ones", requests)
		l.during("an old one leaves", 0)
		l.retire(first)
		l.during("one of each", requests)
		l.during("back: an old one starts again", 0)
		back, process := start()
		if !strings.Contains(back.Log.String(), "the database is ahead") {
			t.Errorf("the old server does not log the newer database:\n%s", back.Log)
		}
		l.add(back, process)
		l.retire(second)
		l.during("back: old ones only", requests)
		l.during("forward again", 0)
		l.add(start(next))
		l.during("forward again", requests)
		l.during("the contract", 0)
		if out := runCommand(t, databaseURL, next, "migrate", "--contract"); !strings.Contains(out, fmt.Sprintf("applied %05d_next.sql", known+6)) {
			t.Errorf("the contract was not applied: %s", out)
		}
		l.during("after the contract", requests)

		l.mu.Lock()
		l.stopped = true
		l.mu.Unlock()
		l.wg.Wait()
		for _, f := range l.failures {
			t.Error(f)
		}
		for phase, n := range l.answered {
			t.Logf("%5d requests, at most %6s each: %s", n, l.longest[phase].Round(time.Millisecond), phase)
		}
		for _, m := range slices.Concat(all...) {
			got := back.Query(nil, refreshInBody, "t", m.refresh).Must()
			if me := back.Query(&servertest.User{Token: got.Text("refresh.accessToken")}, `{ me { name email } }`).Must(); me.At("me.name") != m.name || me.At("me.email") != m.email {
				t.Errorf("me returns %[2]s, want %+[1]v", m, me.Body)
			}
		}
	})
}

const refreshInBody = `mutation($t: String) { refresh(refreshToken: $t) { accessToken refreshToken } }`

// get returns the status and body of a GET.
func get(s *servertest.Server, path string) (status int, body string) {
	got := s.Get(path)
	return got.Status, got.Body
}

func setRole(t *testing.T, databaseURL, id, role string) {
	t.Helper()
	store, err := models.Open(databaseURL, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.SetRole(t.Context(), id, role), store.Close()); err != nil {
		t.Fatal(err)
	}
}

// insertUsers inserts up to 100,000 accounts in one statement.
func insertUsers(t *testing.T, databaseURL string, n int) {
	t.Helper()
	digits := "(SELECT '0' AS d" + strings.Repeat(" UNION ALL SELECT '%d'", 9) + ")"
	digits = fmt.Sprintf(digits, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	db := servertest.OpenDatabase(t, databaseURL)
	_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO users (id, email, email_key, name, name_key, password_hash, role, session_epoch, created_at, updated_at)
		SELECT CONCAT('00000000-0000-7000-8000-0000000', n), CONCAT('crowd', n, '@example.com'), CONCAT('crowd', n, '@example.com'), 'Crowd', 'crowd', '', 'USER', 0, '2026-01-01 00:00:00.000', '2026-01-01 00:00:00.000'
		FROM (SELECT CONCAT(a.d, b.d, c.d, d.d, e.d) AS n FROM %[1]s a, %[1]s b, %[1]s c, %[1]s d, %[1]s e) numbers WHERE n < '%05[2]d'`, digits, n))
	if err != nil {
		t.Fatal(err)
	}
}

// TestMigrationsKeepConcurrentWrites migrates from each step to the next while rows are written to
// the old tables: all rows stay as they were.
func TestMigrationsKeepConcurrentWrites(t *testing.T) {
	t.Parallel()
	known := len(migrationFiles(t, "sqlite"))
	first := max(2, known-1)
	if dbtest.Exhaustive() {
		first = 2
	}
	for number := first; number <= known; number++ {
		t.Run(filepath.Base(migrationFiles(t, "sqlite")[number-1]), func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				before := migrationsFolder(t, number-1, false)
				after := migrationsFolder(t, number, false)
				runCommand(t, databaseURL, servertest.WithMigrations+"="+before, "migrate")
				r := &tableRows{t: t, db: servertest.OpenDatabase(t, databaseURL)}
				r.readTables(databaseURL)
				for i := range 100 {
					r.insert(i)
				}
				want := r.snapshot()

				stop, stopped := make(chan struct{}), make(chan int)
				go func() {
					n := 100
					for ; ; n++ {
						select {
						case <-stop:
							stopped <- n
							return
						default:
							r.insert(n)
						}
					}
				}()
				b, _ := servertest.StartProcess(t, databaseURL, servertest.WithMigrations+"="+after)
				close(stop)
				n := <-stopped
				if !strings.Contains(b.Log.String(), fmt.Sprintf(`"number":%d,`, number)) {
					t.Errorf("the server has not migrated:\n%s", b.Log)
				}
				got := r.snapshot()
				for table, rows := range want {
					if len(got[table]) != len(rows)+n-100 {
						t.Errorf("%s has %d rows, want %d and %d new ones", table, len(got[table]), len(rows), n-100)
					}
					for key, row := range rows {
						if got[table][key] != row {
							t.Errorf("%s: the row is %s, want %s", table, got[table][key], row)
						}
					}
				}
				t.Logf("%d rows per table written during the start", n-100)
			})
		})
	}
}

// tableRows writes rows into all tables, whatever their columns are.
type tableRows struct {
	t      *testing.T
	db     *sql.DB
	tables map[string][]column
}

type column struct{ name, kind string }

func (r *tableRows) readTables(databaseURL string) {
	r.t.Helper()
	query := `SELECT m.name, c.name, lower(c.type) FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid`
	if strings.HasPrefix(databaseURL, "mysql") {
		query = `SELECT table_name, column_name, column_type FROM information_schema.columns
			WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' ORDER BY table_name, ordinal_position`
	}
	found, err := r.db.QueryContext(r.t.Context(), query)
	if err != nil {
		r.t.Fatal(err)
	}
	defer found.Close()
	r.tables = map[string][]column{}
	for found.Next() {
		var table string
		var c column
		if err := found.Scan(&table, &c.name, &c.kind); err != nil {
			r.t.Fatal(err)
		}
		r.tables[table] = append(r.tables[table], c)
	}
	if err := found.Err(); err != nil || len(r.tables) == 0 {
		r.t.Fatal(r.tables, err)
	}
}

// value returns a different value for each row, where the type has enough values. Times are in the
// future, so that nothing is due.
func (c column) value(n int) any {
	switch {
	case strings.Contains(c.kind, "time"):
		return fmt.Sprintf("2126-01-01 00:00:%02d.000", n%60)
	case strings.Contains(c.kind, "bool"), strings.Contains(c.kind, "tinyint"):
		return n % 2
	case strings.Contains(c.kind, "int"):
		return n + 1<<40
	case strings.Contains(c.kind, "binary"), strings.Contains(c.kind, "blob"):
		return fmt.Appendf(nil, "%032d", n)
	}
	return fmt.Sprintf("text%d", n)
}

// insert adds a row to each table.
func (r *tableRows) insert(n int) {
	for table, columns := range r.tables {
		names, values := make([]string, len(columns)), make([]any, len(columns))
		for i, c := range columns {
			names[i], values[i] = c.name, c.value(n)
		}
		statement := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(names)-1) + ")"
		if _, err := r.db.ExecContext(r.t.Context(), statement, values...); err != nil {
			r.t.Errorf("%s: %v", table, err)
		}
	}
}

// snapshot returns the rows of each table by the value of their first column, with the columns of
// the first snapshot.
func (r *tableRows) snapshot() map[string]map[string]string {
	r.t.Helper()
	all := map[string]map[string]string{}
	for table, columns := range r.tables {
		all[table] = map[string]string{}
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.name
		}
		found, err := r.db.QueryContext(r.t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM "+table)
		if err != nil {
			r.t.Fatal(err)
		}
		for found.Next() {
			values, pointers := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				pointers[i] = &values[i]
			}
			if err := found.Scan(pointers...); err != nil {
				r.t.Fatal(err)
			}
			all[table][fmt.Sprintf("%s", values[0])] = fmt.Sprintf("%q", values)
		}
		if err := errors.Join(found.Err(), found.Close()); err != nil {
			r.t.Fatal(err)
		}
	}
	return all
}

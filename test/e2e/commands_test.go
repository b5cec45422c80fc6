package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

func TestCommandsReturnStatusAndOutput(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret}
		// The cases run in order, and each sees the changes of those before it.
		for _, row := range []struct {
			name   string
			stdin  string
			args   []string
			status int
			stdout string // a part of it; "" is empty
			stderr string
		}{
			{"migration status before migrate", "", []string{"migrate", "status"}, 0, "pending", ""},
			{"migrate", "", []string{"migrate"}, 0, "applied 00001_users.sql", ""},
			{"migrate again", "", []string{"migrate", "up"}, 0, "up to date", ""},
			{"migration status after migrate", "", []string{"migrate", "status"}, 0, "applied 2", ""},
			{
				"an account with a role", servertest.Password + "\n",
				[]string{"user", "create", "Ada@Example.com", "--name", "Ada", "--role", "ADMIN"},
				0,
				"created Ada@Example.com (role ADMIN): ", "",
			},
			{
				"flags before the address", servertest.Password,
				[]string{"user", "create", "--name", "Bob", "bob@example.com"},
				0,
				"created bob@example.com (role USER): ", "",
			},
			{
				"a taken address", servertest.Password,
				[]string{"user", "create", "ADA@example.com", "--name", "Ada"},
				4, "",
				"another account has this e-mail address",
			},
			{
				"a too short password", "short\n",
				[]string{"user", "create", "eve@example.com", "--name", "Eve"},
				1, "",
				"password must have at least 8 characters",
			},
			{
				"no password", "",
				[]string{"user", "create", "eve@example.com", "--name", "Eve"},
				1, "",
				"password must have at least 8 characters",
			},
			{"no name", servertest.Password, []string{"user", "create", "eve@example.com"}, 2, "", `"name" not set`},
			{
				"no address", servertest.Password,
				[]string{"user", "create", "--name", "Eve"},
				2, "",
				"expected: fieldgate user create EMAIL",
			},
			{
				"a malformed address", servertest.Password,
				[]string{"user", "create", "eve", "--name", "Eve"},
				1, "",
				"email must be an e-mail address",
			},
			{
				"an unknown role", servertest.Password,
				[]string{"user", "create", "eve@example.com", "--name", "Eve", "--role", "BOSS"},
				1, "",
				"role must be one of USER, STAFF, ADMIN",
			},
			{
				"a granted role", "",
				[]string{"user", "role", "bob@EXAMPLE.com", "STAFF"},
				0,
				"bob@example.com now has the role STAFF", "",
			},
			{
				"a grant of an unknown role", "",
				[]string{"user", "role", "bob@example.com", "staff"},
				1,
				"", "role must be one of USER, STAFF, ADMIN",
			},
			{
				"a grant to an unknown address", "",
				[]string{"user", "role", "nobody@example.com", "STAFF"},
				3, "",
				`no account has the address "nobody@example.com". Hint: run fieldgate user list`,
			},
			{"all accounts", "", []string{"user", "list"}, 0, "bob@example.com", ""},
			{
				"a search by name, in capitals", "",
				[]string{"user", "list", "--search", "BO"},
				0,
				"STAFF  bob@example.com", "",
			},
			{
				"a list by an unknown role", "",
				[]string{"user", "list", "--role", "BOSS"},
				1, "",
				"role must be one of USER, STAFF, ADMIN",
			},
			{
				"a too long search", "",
				[]string{"user", "list", "--search", strings.Repeat("a", 401)},
				1,
				"", "search must have at most 400 bytes",
			},
			{
				"disable", "",
				[]string{"user", "disable", "Bob@example.com"},
				0,
				"disabled bob@example.com (role STAFF)", "",
			},
			{
				"disable again", "",
				[]string{"user", "disable", "bob@example.com"},
				0,
				"disabled bob@example.com (role STAFF)", "",
			},
			{
				"enable", "",
				[]string{"user", "enable", "bob@example.com"},
				0,
				"enabled bob@example.com (role STAFF)", "",
			},
			{
				"disable an unknown address", "",
				[]string{"user", "disable", "nobody@example.com"},
				3, "",
				`no account has the address "nobody@example.com"`,
			},
			{
				"enable a malformed address", "",
				[]string{"user", "enable", "not\x1b[2Jan address"},
				3, "",
				`no account has the address "not\x1b[2Jan address"`,
			},
			{
				"disable the last ADMIN", "",
				[]string{"user", "disable", "ada@example.com"},
				4, "",
				"the last administrator cannot be demoted, disabled or deleted",
			},
			{
				"demote the last ADMIN", "",
				[]string{"user", "role", "ada@example.com", "USER"},
				4, "",
				"the last administrator cannot be demoted, disabled or deleted",
			},
			{
				"disable without an address", "",
				[]string{"user", "disable"},
				2, "",
				"expected: fieldgate user disable EMAIL",
			},
			{"help for an unknown command", "", []string{"help", "serv"}, 2, "", "serv"},
			{"completion for an unknown shell", "", []string{"completion", "cmd"}, 2, "", `unknown command "cmd"`},
			{"a secret", "", []string{"keys", "secret"}, 0, "", ""},
			{"a private key", "", []string{"keys", "ed25519"}, 0, "-----BEGIN PRIVATE KEY-----\n", ""},
			{"the policy", "", []string{"policy"}, 0, "Query.me", ""},
			{"the version", "", []string{"version"}, 0, "fieldgate", ""},
			{"an unknown command", "", []string{"serv"}, 2, "", `"serv"`},
			{"an unknown subcommand", "", []string{"user", "forget"}, 2, "", `unknown command "forget"`},
			{"a surplus argument", "", []string{"user", "list", "all"}, 2, "", `"all"`},
			{"an unknown flag", "", []string{"user", "list", "--all"}, 2, "", "-all"},
		} {
			status, stdout, stderr := servertest.RunCLI(t, env, row.stdin, row.args...)
			if status != row.status || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) {
				t.Errorf("%s: got status %d\n%s%s\nwant %d %q %q", row.name, status, stdout, stderr, row.status, row.stdout, row.stderr)
			}
			if status != 0 && (strings.Count(stderr, "fieldgate: ") != 1 || stdout != "") {
				t.Errorf("%s: want one error line and no output:\n%s%s", row.name, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, servertest.Password) {
				t.Errorf("%s: the output has the password", row.name)
			}
		}
	})
}

// The command changes the database of a running server, and applies to the next request of an
// access token issued before.
func TestRoleCommandAppliesToTheNextRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		if got := b.Query(p, `{ users { edges { cursor } } }`).Codes(); !slices.Equal(got, []string{"users FORBIDDEN"}) {
			t.Fatalf("got %q", got)
		}
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": b.internal.Config.JWTSecrets[0], "BCRYPT_COST": "10"}
		if status, _, stderr := servertest.RunCLI(t, env, "", "user", "role", p.Email, "ADMIN"); status != 0 {
			t.Fatal(stderr)
		}
		b.Query(p, `{ users { edges { node { disabledAt } } } }`).Must()
	})
}

// An account created on the command line signs in over HTTP.
func TestAccountCreatedByCommandSignsIn(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	env := map[string]string{"DATABASE_URL": b.internal.Config.DatabaseURL, "BCRYPT_COST": "10"}
	if status, _, stderr := servertest.RunCLI(t, env, servertest.Password+"\r\n", "user", "create", "ada@example.com", "--name", "Ada", "--role", "ADMIN"); status != 0 {
		t.Fatal(stderr)
	}
	got := b.Query(nil, `mutation { login(input: {email: "ada@example.com", password: "`+servertest.Password+`"}) { user { role disabledAt } } }`).Must()
	if got.JSON() != `{"login":{"user":{"disabledAt":null,"role":"ADMIN"}}}` {
		t.Error(got.Body)
	}
}

func TestCommandsPrintJSON(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret}
		// The cases run in order, and each sees the changes of those before it. Ids and times are
		// checked by their form.
		for _, row := range []struct {
			name string
			args []string
			want []string
		}{
			{
				"migration status before migrate",
				[]string{"migrate", "status"},
				[]string{`{"number":1,"name":"00001_users.sql","state":"pending","appliedAt":null}`},
			},
			{"an account", []string{"user", "create", "Ada@Example.com", "--name", "Ada <3", "--role", "ADMIN"}, []string{
				`{"id":"ID","name":"Ada <3","createdAt":"TIME","email":"Ada@Example.com","emailVerified":true,"role":"ADMIN","disabledAt":null}`,
			}},
			{"another account", []string{"user", "create", "bob@example.com", "--name", "Bob"}, []string{
				`{"id":"ID","name":"Bob","createdAt":"TIME","email":"bob@example.com","emailVerified":true,"role":"USER","disabledAt":null}`,
			}},
			{"a role", []string{"user", "role", "bob@example.com", "STAFF"}, []string{
				`{"id":"ID","name":"Bob","createdAt":"TIME","email":"bob@example.com","emailVerified":true,"role":"STAFF","disabledAt":null}`,
			}},
			{"a disabled account", []string{"user", "disable", "bob@example.com"}, []string{
				`{"id":"ID","name":"Bob","createdAt":"TIME","email":"bob@example.com","emailVerified":true,"role":"STAFF","disabledAt":"TIME"}`,
			}},
			{"all accounts", []string{"user", "list"}, []string{
				`{"id":"ID","name":"Ada <3","createdAt":"TIME","email":"Ada@Example.com","emailVerified":true,"role":"ADMIN","disabledAt":null}`,
				`{"id":"ID","name":"Bob","createdAt":"TIME","email":"bob@example.com","emailVerified":true,"role":"STAFF","disabledAt":"TIME"}`,
			}},
			{"the accounts with one role", []string{"user", "list", "--role", "ADMIN"}, []string{
				`{"id":"ID","name":"Ada <3","createdAt":"TIME","email":"Ada@Example.com","emailVerified":true,"role":"ADMIN","disabledAt":null}`,
			}},
			{"no matching account", []string{"user", "list", "--search", "zoe"}, nil},
			{"an enabled account", []string{"user", "enable", "bob@example.com"}, []string{
				`{"id":"ID","name":"Bob","createdAt":"TIME","email":"bob@example.com","emailVerified":true,"role":"STAFF","disabledAt":null}`,
			}},
			{
				"migration status after migrate",
				[]string{"migrate", "status"},
				[]string{`{"number":1,"name":"00001_users.sql","state":"applied","appliedAt":"TIME"}`},
			},
			{
				"the version",
				[]string{"version"},
				[]string{`{"version":"devel","go":"` + runtime.Version() + `","os":"` + runtime.GOOS + `","arch":"` + runtime.GOARCH + `"}`},
			},
		} {
			status, stdout, stderr := servertest.RunCLI(t, env, servertest.Password, append(row.args, "--json")...)
			var got []string
			for line := range strings.Lines(stdout) {
				got = append(got, maskIDsAndTimes(t, strings.TrimSuffix(line, "\n")))
			}
			if row.args[0] == "migrate" {
				got = got[:min(1, len(got))]
			}
			if status != 0 || !slices.Equal(got, row.want) {
				t.Errorf("%s: status %d\n%s%s\nwant %q", row.name, status, stdout, stderr, row.want)
			}
		}
	})
}

// maskIDsAndTimes replaces well-formed ids and times of a line by constants.
func maskIDsAndTimes(t *testing.T, line string) string {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(line), &values); err != nil {
		t.Errorf("%v in %s", err, line)
	}
	for name, value := range values {
		text, _ := value.(string)
		if _, err := uuid.Parse(text); name == "id" && err == nil {
			line = strings.Replace(line, text, "ID", 1)
		}
		if at, err := time.Parse(time.RFC3339, text); strings.HasSuffix(name, "At") && err == nil && at.Location() == time.UTC {
			line = strings.Replace(line, `"`+text+`"`, `"TIME"`, 1)
		}
		if name == "revision" {
			line = strings.Replace(line, `"revision":"`+text+`",`, "", 1)
		}
	}
	return line
}

// insertUsers migrates a database and inserts n accounts.
func insertUsers(t *testing.T, databaseURL string, n int) {
	t.Helper()
	store, err := models.Open(databaseURL, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = store.Transaction(t.Context(), func(tx *models.Store) error {
		for i := range n {
			email := fmt.Sprintf("person%d@example.com", i)
			u := &models.User{
				ID: newRowID(), Name: "Test User", NameKey: "test user", Email: email, EmailKey: email, Role: "USER",
				CreatedAt: tx.Now(), UpdatedAt: tx.Now(),
			}
			if err := tx.CreateUser(t.Context(), u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// recordingWriter records the size of each write, and fails the failAt-th.
type recordingWriter struct {
	sizes  []int
	failAt int // 0: never
}

func (w *recordingWriter) Write(p []byte) (int, error) {
	w.sizes = append(w.sizes, len(p))
	if len(w.sizes) == w.failAt {
		return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	}
	return len(p), nil
}

func TestUserListStreamsPages(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		insertUsers(t, databaseURL, 350)
		env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret}
		_, stdout, _ := servertest.RunCLI(t, env, "", "user", "list", "--json")
		if n := strings.Count(stdout, "\n"); n != 350 {
			t.Errorf("got %d lines of JSON, want 350", n)
		}
		for _, row := range []struct {
			name           string
			args           []string
			failAt, writes int
		}{
			{"text", []string{"fieldgate", "user", "list"}, 0, 4},
			{"JSON", []string{"fieldgate", "user", "list", "--json"}, 0, 4},
			{"a pipe that is closed after the first page", []string{"fieldgate", "user", "list"}, 2, 2},
		} {
			stdout, stderr := &recordingWriter{failAt: row.failAt}, &strings.Builder{}
			status := cli.Main(t.Context(), cli.Console{
				Args: row.args, Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
				Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr,
			})
			if status != 0 || stderr.Len() > 0 || len(stdout.sizes) != row.writes || slices.Max(stdout.sizes) > 100*250 {
				t.Errorf("%s: got status %d, writes of %v bytes, want %d writes; %s", row.name, status, stdout.sizes, row.writes, stderr)
			}
		}
	})
}

// The test does what a shell does for "fieldgate user list | head -1".
func TestUserListIntoClosedPipePrintsNoError(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	insertUsers(t, databaseURL, 2000) // more than fits into a pipe
	// Adds the tables of the product.
	if status, _, stderr := servertest.RunCLI(t, map[string]string{"DATABASE_URL": databaseURL}, "", "migrate"); status != 0 {
		t.Fatal(stderr)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "user", "list")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), servertest.AsProgram+"=1", "DATABASE_URL="+databaseURL, "BCRYPT_COST=10", "JWT_SECRET="+servertest.Secret)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 100)); err != nil {
		t.Error(err)
	}
	stdout.Close()
	_ = cmd.Wait() // SIGPIPE, as a shell expects
	if stderr.Len() > 0 {
		t.Errorf("got stderr %s, want none", &stderr)
	}
}

func TestUserListEscapesControlCharacters(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	insertUsers(t, databaseURL, 0)
	store, err := models.Open(databaseURL, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows := []struct{ name, shown, json string }{
		{
			"Zoë O'Hara \"the\" <3 & co 👩\u200d🚀", "Zoë O'Hara \"the\" <3 & co 👩\u200d🚀",
			`"Zoë O'Hara \"the\" <3 & co 👩` + "\u200d" + `🚀"`,
		},
		{"\x1b]0;owned\x07Eve\x1b[2J", `"\x1b]0;owned\aEve\x1b[2J"`, `"\u001b]0;owned\u0007Eve\u001b[2J"`},
		{"Eve\r\nADMIN", `"Eve\r\nADMIN"`, `"Eve\r\nADMIN"`},
		{"\u009b2JEve\u007f", `"\u009b2JEve\x7f"`, `"\u009b2JEve\u007f"`},
		{"\u202eevE\u2066", `"\u202eevE\u2066"`, `"\u202eevE\u2066"`},
		{"\U000E0041\U0010FFFF", `"\U000e0041\U0010ffff"`, `"\udb40\udc41\udbff\udfff"`},
	}
	for i, row := range rows {
		email := fmt.Sprintf("eve%d@example.com", i)
		u := &models.User{ID: uuid.Must(uuid.NewV7()).String(), Name: row.name, NameKey: "eve", Email: email, EmailKey: email, Role: "USER", CreatedAt: store.Now()}
		if err := store.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret}
	_, asText, _ := servertest.RunCLI(t, env, "", "user", "list")
	_, asJSON, _ := servertest.RunCLI(t, env, "", "user", "list", "--json")
	listed, objects := strings.Split(asText, "\n")[1:], strings.Split(asJSON, "\n")
	if len(listed) != len(rows)+1 || len(objects) != len(rows)+1 {
		t.Fatalf("want one line for each account:\n%s%s", asText, asJSON)
	}
	for i, row := range rows {
		if !strings.HasSuffix(listed[i], "  "+row.shown) {
			t.Errorf("%q: got list line %q, want %q", row.name, listed[i], row.shown)
		}
		var back struct{ Name string }
		if err := json.Unmarshal([]byte(objects[i]), &back); err != nil || back.Name != row.name || !strings.Contains(objects[i], `"name":`+row.json+`,`) {
			t.Errorf("%q: got JSON %q, %v, want %s", row.name, objects[i], err, row.json)
		}
	}
}

func TestShellCompletion(t *testing.T) {
	t.Parallel()
	// Completion opens no database.
	env := map[string]string{"DATABASE_URL": "sqlite://" + filepath.ToSlash(t.TempDir()) + "/nowhere/fieldgate.db"}
	for _, row := range []struct {
		name string
		args []string
		want []string // prefixes of lines
	}{
		{"commands of a group", []string{"user"}, []string{"create:", "disable:", "list:"}},
		{"flags", []string{"user", "list", "-"}, []string{"--json:", "--role:", "--search:"}},
		{"no command is run", []string{"user", "disable", "ada@example.com"}, nil},
	} {
		status, stdout, stderr := servertest.RunCLI(t, env, "", append(row.args, "--generate-shell-completion")...)
		for _, want := range row.want {
			if !strings.Contains("\n"+stdout, "\n"+want) {
				t.Errorf("%s: want a line %q in:\n%s", row.name, want, stdout)
			}
		}
		if status != 0 || stderr != "" {
			t.Errorf("%s: got status %d, %s, want 0", row.name, status, stderr)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			status, script, stderr := servertest.RunCLI(t, env, "", "completion", shell)
			if status != 0 || !strings.Contains(script, "fieldgate") || stderr != "" {
				t.Fatalf("status %d, %s\n%s", status, stderr, script)
			}
			if _, err := exec.LookPath(shell); err != nil {
				if shell == "bash" {
					dbtest.SkipOrFail(t, shell, "apt-get install bash")
				}
				return // the CLI library tests the scripts of other shells
			}
			parse := exec.CommandContext(t.Context(), shell, "-n")
			parse.Stdin = strings.NewReader(script)
			if out, err := parse.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

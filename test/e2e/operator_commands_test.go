package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/doctor"
	"fieldgate/internal/mailtest"
	"fieldgate/internal/repotest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// runDoctor runs the doctor and returns its exit status and findings.
func runDoctor(t *testing.T, env map[string]string, args ...string) (status int, findings []doctor.Finding) {
	t.Helper()
	var out, errs strings.Builder
	status = cli.Main(t.Context(), cli.Console{
		Args:   append([]string{"fieldgate", "doctor", "--json"}, args...),
		Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, Environ: servertest.Environ(env),
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Adjust: func(s *server.Options) { s.Config.BcryptCost = servertest.Cost }, // fast hashes
	})
	stdout, stderr := out.String(), errs.String()
	for line := range strings.Lines(stdout) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		findings = append(findings, f)
	}
	if (status == 0) != (stderr == "") || len(findings) == 0 {
		t.Errorf("status %d, %d findings, %s", status, len(findings), stderr)
	}
	return status, findings
}

// worstLevel returns the worst level of the findings with an ID, or "" if it has none.
func worstLevel(findings []doctor.Finding, id string) doctor.Level {
	matching := slices.DeleteFunc(slices.Clone(findings), func(f doctor.Finding) bool { return f.ID != id })
	if len(matching) == 0 {
		return ""
	}
	return doctor.Worst(matching)
}

func TestDoctorReportsEachProblem(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		before func(t *testing.T, env map[string]string)
		id     string
		level  doctor.Level
		only   string // the scheme of the database URL; "": each
	}{
		{"a correct database", nil, "database.tables", doctor.OK, ""},
		{"no administrator", nil, "accounts.admin", doctor.Warning, ""},
		{"an administrator", func(t *testing.T, env map[string]string) {
			if status, _, stderr := servertest.RunCLI(t, env, servertest.Password, "user", "create", "ada@example.com", "--name", "Ada", "--role", "ADMIN"); status != 0 {
				t.Fatal(stderr)
			}
		}, "accounts.admin", doctor.OK, ""},
		{"most sign-ins come from one private address", func(t *testing.T, env map[string]string) {
			var rows []string
			for i := range 30 {
				ip := "10.1.2.3"
				if i%3 == 0 {
					ip = fmt.Sprintf("198.51.100.%d", i)
				}
				rows = append(rows, fmt.Sprintf("('%s', 'sign-in', '%s', '2026-01-01 00:00:00.000')", newRowID(), ip))
			}
			execSQL(t, env["DATABASE_URL"], "INSERT INTO audit (id, event, ip, created_at) VALUES "+strings.Join(rows, ", "))
		}, "proxies.signins", doctor.Warning, ""},
		{"a pending migration", func(t *testing.T, env map[string]string) {
			execSQL(t, env["DATABASE_URL"], "DELETE FROM goose_db_version WHERE version_id = 9")
		}, "database.migrations", doctor.Warning, ""},
		{"a migration of a newer program", func(t *testing.T, env map[string]string) {
			execSQL(t, env["DATABASE_URL"], "INSERT INTO goose_db_version (version_id, is_applied) VALUES (900, TRUE)")
		}, "database.migrations", doctor.Warning, ""},
		{"a missing table", func(t *testing.T, env map[string]string) {
			execSQL(t, env["DATABASE_URL"], "DROP TABLE mails")
		}, "database.tables", doctor.Problem, ""},
		{"a missing users table", func(t *testing.T, env map[string]string) {
			execSQL(t, env["DATABASE_URL"], "ALTER TABLE users RENAME TO gone")
		}, "database.tables", doctor.Problem, ""},
		{"a table in latin1", func(t *testing.T, env map[string]string) {
			execSQL(t, env["DATABASE_URL"], "ALTER TABLE tickets CONVERT TO CHARACTER SET latin1")
		}, "database.collation", doctor.Problem, "mysql"},
		{"a table without transactions", func(t *testing.T, env map[string]string) {
			execSQL(t, env["DATABASE_URL"], "ALTER TABLE limits ENGINE = Aria")
		}, "database.engine", doctor.Problem, "mysql"},
		{"a server that is down", func(_ *testing.T, env map[string]string) {
			u, _ := url.Parse(env["DATABASE_URL"])
			u.Host = "127.0.0.1:1"
			env["DATABASE_URL"] = u.String()
		}, "database", doctor.Problem, "mysql"},
		{"a wrong password", func(_ *testing.T, env map[string]string) {
			u, _ := url.Parse(env["DATABASE_URL"])
			u.User = url.UserPassword("eve", "hunter2")
			env["DATABASE_URL"] = u.String()
		}, "database", doctor.Problem, "mysql"},
		{"the clocks of one machine", nil, "database.clock", doctor.OK, "mysql"},
		{"a world-readable database file", func(t *testing.T, env map[string]string) {
			env["ENV"], env["PUBLIC_URL"] = "production", "https://api.example.com"
			requireNoError(t, os.Chmod(strings.TrimPrefix(env["DATABASE_URL"], "sqlite://"), 0o644))
		}, "database.file", doctor.Problem, "sqlite"},
		{"no database yet", func(t *testing.T, env map[string]string) { env["DATABASE_URL"] = dbtest.SQLite(t) }, "database", doctor.Note, "sqlite"},
		{"a missing folder", func(_ *testing.T, env map[string]string) { env["DATABASE_URL"] += "/x.db" }, "database", doctor.Problem, "sqlite"},
		{"a file that is not a database", func(t *testing.T, env map[string]string) {
			repotest.CopyFile(t, "go.mod", strings.TrimPrefix(env["DATABASE_URL"], "sqlite://"))
		}, "database", doctor.Problem, "sqlite"},
		{"a missing key file", func(_ *testing.T, env map[string]string) { env["JWT_PRIVATE_KEY_FILES"] = "nowhere.pem" }, "keys.files", doctor.Problem, "sqlite"},
		{"a world-readable key", func(t *testing.T, env map[string]string) {
			env["JWT_PRIVATE_KEY_FILES"] = keyFile(t, 0o644)
		}, "keys.files", doctor.Note, "sqlite"},
		{"a world-readable key in production", func(t *testing.T, env map[string]string) {
			env["ENV"], env["PUBLIC_URL"], env["JWT_PRIVATE_KEY_FILES"] = "production", "https://api.example.com", keyFile(t, 0o644)
		}, "keys.files", doctor.Problem, "sqlite"},
		{"the development key in production", func(t *testing.T, env map[string]string) {
			env["ENV"], env["PUBLIC_URL"] = "production", "https://api.example.com"
			requireNoError(t, os.WriteFile(strings.TrimPrefix(env["DATABASE_URL"], "sqlite://")+".key", []byte(servertest.Secret+"\n"), 0o600))
		}, "keys.development", doctor.Warning, "sqlite"},
		{"missing templates", func(_ *testing.T, env map[string]string) { env["MAIL_TEMPLATES"] = "nowhere" }, "mail.templates", doctor.Problem, "sqlite"},
		{"an invalid configuration", func(_ *testing.T, env map[string]string) { env["BCRYPT_COST"] = "4" }, "configuration", doctor.Problem, "sqlite"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				if kind, _, _ := strings.Cut(databaseURL, ":"); row.only != "" && row.only != kind {
					t.Skip("this finding is about the other database")
				}
				env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret}
				if status, _, stderr := servertest.RunCLI(t, env, "", "migrate"); status != 0 {
					t.Fatal(stderr)
				}
				if row.before != nil {
					row.before(t, env)
				}
				status, findings := runDoctor(t, env)
				if got := worstLevel(findings, row.id); got != row.level {
					t.Errorf("%s is %q, want %q, in %+v", row.id, got, row.level, findings)
				}
				if (status == 1) != (doctor.Worst(findings) == doctor.Problem) {
					t.Errorf("status %d does not match the findings %+v", status, findings)
				}
				for _, f := range findings {
					if strings.Contains(f.Message+f.Fix, servertest.Secret) || strings.Contains(f.Message+f.Fix, "hunter2") {
						t.Errorf("the finding shows a secret: %+v", f)
					}
				}
			})
		})
	}
}

// keyFile writes a new private key to a file with this mode.
func keyFile(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	_, pem, _ := servertest.RunCLI(t, nil, "", "keys", "ed25519")
	path := filepath.Join(t.TempDir(), "key.pem")
	requireNoError(t, os.WriteFile(path, []byte(pem), mode))
	requireNoError(t, os.Chmod(path, mode)) // ignores the umask
	return path
}

// TestDoctorReportsEveryInvalidVariable checks that the doctor reports all invalid variables at
// once.
func TestDoctorReportsEveryInvalidVariable(t *testing.T) {
	t.Parallel()
	status, findings := runDoctor(t, map[string]string{"ENV": "production", "BCRYPT_COST": "4", "JWT_SECRET": "hunter2", "LOG_LEVEL": "loud"})
	var problems []string
	for _, f := range findings {
		if f.Level == doctor.Problem {
			variable, _, _ := strings.Cut(f.Message, ":")
			problems = append(problems, variable)
		}
	}
	want := []string{"PUBLIC_URL", "DATABASE_URL", "JWT_SECRET", "BCRYPT_COST", "LOG_LEVEL"}
	if status != 1 || !slices.Equal(problems, want) {
		t.Errorf("status %d, %q, want %q", status, problems, want)
	}
}

// TestDoctorPrintsFindingsWithFixes checks the text output: one line a finding, and the fix below
// it.
func TestDoctorPrintsFindingsWithFixes(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret, "SESSION_RECHECK": "5s"}
	status, stdout, stderr := servertest.RunCLI(t, env, "", "doctor")
	for _, want := range []string{
		"ok       keys                    one key signs and verifies tokens: JWT_SECRET\n",
		"note     surface.recheck         a sign-out, a new role or a disabled account takes effect up to 5s later on other servers\n                                 → set SESSION_RECHECK=0s",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output has no\n%s\nin\n%s", want, stdout)
		}
	}
	if status != 0 || stderr != "" {
		t.Errorf("status %d, %s", status, stderr)
	}
	if _, err := os.Stat(strings.TrimPrefix(env["DATABASE_URL"], "sqlite://")); err == nil {
		t.Error("the doctor created a database")
	}
}

func TestDoctorChecksTheMailServerOnRequest(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{TLS: "none", User: "ada", Password: "hunter2"})
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret, "SMTP_URL": server.URL()}
	for _, row := range []struct {
		name  string
		args  []string
		url   string
		level doctor.Level
	}{
		{"not without --mail", nil, server.URL(), ""},
		{"with the right password", []string{"--mail"}, server.URL(), doctor.OK},
		{"with a wrong user", []string{"--mail"}, strings.Replace(server.URL(), "ada", "eve", 1), doctor.Problem},
		{"an unreachable server", []string{"--mail"}, "smtp://127.0.0.1:1?tls=none", doctor.Problem},
	} {
		t.Run(row.name, func(t *testing.T) {
			env["SMTP_URL"] = row.url
			_, findings := runDoctor(t, env, row.args...)
			if got := worstLevel(findings, "mail.server"); got != row.level {
				t.Errorf("%q, want %q, in %+v", got, row.level, findings)
			}
			for _, f := range findings {
				if strings.Contains(f.Message+f.Fix, "hunter2") {
					t.Errorf("the finding shows the password: %+v", f)
				}
			}
		})
	}
}

func TestHealthcheckReportsTheServersState(t *testing.T) {
	t.Parallel()
	up, down := boot(t, dbtest.SQLite(t)), boot(t, dbtest.SQLite(t))
	requireNoError(t, down.internal.Store.Close())
	closed := servertest.Listen(t)
	requireNoError(t, closed.Close())
	silent := servertest.Listen(t) // accepts connections and never responds
	t.Cleanup(func() { _ = silent.Close() })
	port := func(b *testServer) string { return portOf(t, strings.TrimPrefix(b.URL, "http://")) }
	for _, row := range []struct {
		name   string
		env    map[string]string
		args   []string
		status int
		stderr string
	}{
		{"a ready server", map[string]string{"PORT": port(up)}, nil, 0, ""},
		{"a server that listens on every address", map[string]string{"ADDR": "0.0.0.0:" + port(up)}, nil, 0, ""},
		{"a server that listens on one address", map[string]string{"ADDR": "127.0.0.1:" + port(up)}, nil, 0, ""},
		{"a server without a database", map[string]string{"PORT": port(down)}, nil, 1, "503"},
		{"the liveness of a server without a database", map[string]string{"PORT": port(down)}, []string{"--live"}, 0, ""},
		{"no server", map[string]string{"PORT": portOf(t, closed.Addr().String())}, nil, 1, "Hint: set ADDR and PORT"},
		{"a server that never responds", map[string]string{"PORT": portOf(t, silent.Addr().String())}, nil, 1, "deadline"},
		{"an invalid configuration", map[string]string{"PORT": "http"}, nil, 1, "PORT"},
		{"an extra argument", nil, []string{"now"}, 2, `"now"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := servertest.RunCLI(t, row.env, "", append([]string{"healthcheck"}, row.args...)...)
			if status != row.status || stdout != "" || !strings.Contains(stderr, row.stderr) || (stderr == "") != (status == 0) {
				t.Errorf("status %d, %q, %q", status, stdout, stderr)
			}
		})
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	requireNoError(t, err)
	return port
}

// TestBackupIsAUsableDatabase checks that a backup of a running server's database can start another
// server.
func TestBackupIsAUsableDatabase(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	file := filepath.Join(t.TempDir(), "copy.db")
	env := map[string]string{"DATABASE_URL": b.internal.Config.DatabaseURL}
	if status, stdout, stderr := servertest.RunCLI(t, env, "", "backup", file); status != 0 || !strings.HasPrefix(stdout, "copied the database to "+file+" (") {
		t.Fatalf("status %d, %s%s", status, stdout, stderr)
	}
	if !boot(t, "sqlite://"+filepath.ToSlash(file)).isSignedIn(p) {
		t.Error("the session is not in the backup")
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere.db")
	for _, row := range []struct {
		name   string
		url    string
		args   []string
		status int
		stderr string
	}{
		{"a missing database", "sqlite://" + filepath.ToSlash(nowhere), []string{file + "1"}, 1, "DATABASE_URL: "},
		{"an existing file", b.internal.Config.DatabaseURL, []string{file}, 1, "the file exists and was not overwritten"},
		{"no file", b.internal.Config.DatabaseURL, nil, 2, "expected: fieldgate backup FILE"},
		{"another database", dbtest.MySQL(t), []string{file + "2"}, 1, "mysqldump"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, _, stderr := servertest.RunCLI(t, map[string]string{"DATABASE_URL": row.url, "JWT_SECRET": servertest.Secret}, "", append([]string{"backup"}, row.args...)...)
			if status != row.status || !strings.Contains(stderr, row.stderr) {
				t.Errorf("status %d, %s", status, stderr)
			}
		})
	}
	if _, err := os.Stat(nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("backup of a missing database created it: %v", err)
	}
}

func requireNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// productionDotEnv returns the settings of a production server in the format of .env.
func productionDotEnv(databaseURL string) string {
	return "ENV=production\nPUBLIC_URL=https://api.example.com\nDATABASE_URL=" + databaseURL + "\nJWT_SECRET=" + servertest.Secret + "\n"
}

// runWithDotEnv runs a command as a separate process. Its working directory has a .env with text,
// and its environment has nothing but env.
func runWithDotEnv(t *testing.T, text string, env []string, args ...string) (status int, output string) {
	t.Helper()
	cmd := servertest.Command(t, "")
	cmd.Args = append(cmd.Args, args...)
	cmd.Env = append([]string{servertest.AsProgram + "=1"}, env...)
	requireNoError(t, os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte(text), 0o600))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestUnnamedProductionDotEnvStopsTheStart(t *testing.T) {
	t.Parallel()
	text := productionDotEnv(dbtest.SQLite(t))
	for _, row := range []struct {
		name string
		env  []string
		args []string
	}{
		{"serve", nil, nil},
		{"a command", nil, []string{"user", "list"}},
		{"with ENV=development in the environment", []string{"ENV=development"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out := runWithDotEnv(t, text, row.env, row.args...)
			if status != cli.StatusFailed || !strings.Contains(out, "ENV=production") || !strings.Contains(out, "ENV_FILE=.env") || strings.Contains(out, servertest.Secret) || strings.Count(out, "\n") != 1 {
				t.Errorf("status %d, %s", status, out)
			}
		})
	}
}

func TestProductionReadsOnlyTheNamedEnvFile(t *testing.T) {
	t.Parallel()
	text := productionDotEnv(dbtest.SQLite(t))
	for _, row := range []struct {
		name   string
		env    []string
		args   []string
		status int
		want   string
	}{
		{
			"not named",
			[]string{"ENV=production"},
			nil, cli.StatusFailed,
			".env was not read: production reads only a file that is named",
		},
		{"named by the variable", []string{"ENV_FILE=.env"}, nil, 0, ""},
		{"named by the flag", nil, []string{"--env-file", ".env"}, 0, ""},
		{"named by the variable, with ENV", []string{"ENV=production", "ENV_FILE=.env"}, nil, 0, ""},
		{"a missing file", []string{"ENV_FILE=nowhere.env"}, nil, cli.StatusFailed, `ENV_FILE: "nowhere.env"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out := runWithDotEnv(t, text, row.env, append(row.args, "migrate")...)
			if status != row.status || !strings.Contains(out, row.want) {
				t.Errorf("status %d, %s", status, out)
			}
		})
	}
	t.Run("the flag after the command", func(t *testing.T) {
		t.Parallel()
		if status, out := runWithDotEnv(t, text, nil, "migrate", "--env-file", ".env"); status != 0 {
			t.Errorf("status %d, %s", status, out)
		}
	})
}

// TestProductionWarnsOfAnIgnoredDotEnv checks that a server that is configured by its environment
// starts beside a .env that it does not read, and warns.
func TestProductionWarnsOfAnIgnoredDotEnv(t *testing.T) {
	t.Parallel()
	cmd := servertest.Command(t, dbtest.SQLite(t), "ENV=production", "PUBLIC_URL=https://api.example.com")
	requireNoError(t, os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("LOG_LEVEL=nonsense\n"), 0o600))
	b, _ := startServer(t, cmd)
	if !strings.Contains(b.Log.String(), "production does not read .env") {
		t.Errorf("the log has no warning:\n%s", b.Log)
	}
}

func TestDevelopmentReadsDotEnv(t *testing.T) {
	t.Parallel()
	if status, out := runWithDotEnv(t, "DATABASE_URL="+dbtest.SQLite(t)+"\n", nil, "migrate"); status != 0 {
		t.Errorf("status %d, %s", status, out)
	}
}

func TestMySQLWithoutTLSWarnsInProduction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		mysql := strings.HasPrefix(databaseURL, "mysql://")
		for _, row := range []struct {
			name string
			env  []string
			want bool
		}{
			{"production", []string{"ENV=production", "PUBLIC_URL=https://api.example.com"}, mysql},
			{"development", nil, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				b, _ := startProcess(t, databaseURL, row.env...)
				if got := strings.Contains(b.Log.String(), `"level":"WARN","msg":"the connection to MySQL is not encrypted`); got != row.want {
					t.Errorf("warned: %v, want %v\n%s", got, row.want, b.Log)
				}
			})
		}
	})
}

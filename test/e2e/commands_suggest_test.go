package e2e

import (
	"os"
	"strings"
	"testing"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

func TestMistypedCommandsGetSuggestions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args []string
		want string // "": no suggestion
	}{
		{[]string{"serv"}, "Did you mean fieldgate serve?"},
		{[]string{"server"}, "Did you mean fieldgate serve?"},
		{[]string{"migration"}, "Did you mean fieldgate migrate?"},
		{[]string{"users", "list"}, "Did you mean fieldgate user?"},
		{[]string{"user", "lsit"}, "Did you mean fieldgate user list?"},
		{[]string{"user", "reset"}, ""},
		{[]string{"list"}, "Did you mean fieldgate user list?"},
		{[]string{"migrate", "stauts"}, "Did you mean fieldgate migrate status?"},
		{[]string{"keys", "ed2551"}, "Did you mean fieldgate keys ed25519?"},
		{[]string{"user", "list", "--jsn"}, "Did you mean --json?"},
		{[]string{"--verson"}, "Did you mean --version?"},
		{[]string{"serve", "--dmeo"}, "Did you mean --demo?"},
		{[]string{"frobnicate"}, ""},
		{[]string{"user", "frobnicate"}, ""},
		{[]string{"user", "list", "--frobnicate"}, ""},
		{[]string{"user", "list", "all"}, ""},
	} {
		status, stdout, stderr := servertest.RunCLI(t, nil, "", row.args...)
		if status != cli.StatusUsage || stdout != "" || !strings.Contains(stderr, row.want) || strings.Contains(stderr, "Did you mean") != (row.want != "") {
			t.Errorf("%q: got status %d\n%s%s\nwant %q", row.args, status, stdout, stderr, row.want)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	_, want, _ := servertest.RunCLI(t, nil, "", "version")
	if status, stdout, stderr := servertest.RunCLI(t, nil, "", "--version"); status != 0 || stdout != want || stderr != "" {
		t.Errorf("got status %d\n%s%s\nwant %s", status, stdout, stderr, want)
	}
	if status, _, _ := servertest.RunCLI(t, nil, "", "--version", "now"); status != cli.StatusUsage {
		t.Errorf("with an argument: got status %d, want %d", status, cli.StatusUsage)
	}
}

func TestUserCommandsCreateNoDatabase(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	named := map[string]string{"DATABASE_URL": "sqlite://named.db", "BCRYPT_COST": "10"}
	for _, row := range []struct {
		name string
		env  map[string]string
		args []string
	}{
		{"a list", nil, []string{"user", "list"}},
		{"a list of a configured file", named, []string{"user", "list"}},
		{"a role", nil, []string{"user", "role", "ada@example.com", "ADMIN"}},
		{"a deletion", nil, []string{"user", "delete", "ada@example.com", "--yes"}},
		{"a disabled account", named, []string{"user", "disable", "ada@example.com"}},
		{"an enabled account", nil, []string{"user", "enable", "ada@example.com"}},
		{"a reset link", nil, []string{"user", "reset-password", "ada@example.com"}},
		{"an account without DATABASE_URL", nil, []string{"user", "create", "ada@example.com", "--name", "Ada"}},
		{"the migration status without DATABASE_URL", nil, []string{"migrate", "status"}},
	} {
		status, stdout, stderr := servertest.RunCLI(t, row.env, servertest.Password, row.args...)
		if status != cli.StatusFailed || stdout != "" || !strings.Contains(stderr, "no database: "+folder) || !strings.Contains(stderr, "fieldgate migrate") {
			t.Errorf("%s: status %d\n%s%s", row.name, status, stdout, stderr)
		}
		if made, err := os.ReadDir(folder); err != nil || len(made) != 0 {
			t.Fatalf("%s: created %v, %v", row.name, made, err)
		}
	}
	// With DATABASE_URL, the first ADMIN can be created before the first start.
	if status, _, stderr := servertest.RunCLI(t, named, servertest.Password, "user", "create", "ada@example.com", "--name", "Ada", "--role", "ADMIN"); status != 0 {
		t.Error(stderr)
	}
	// In the default database it can be created after a migration.
	for _, args := range [][]string{{"migrate"}, {"user", "create", "ada@example.com", "--name", "Ada"}, {"user", "list"}} {
		if status, _, stderr := servertest.RunCLI(t, map[string]string{"BCRYPT_COST": "10"}, servertest.Password, args...); status != 0 {
			t.Errorf("%q: %s", args, stderr)
		}
	}
}

func TestUserCommandsConnectToMySQL(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	if status, _, stderr := servertest.RunCLI(t, map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": servertest.Secret}, "", "user", "list"); status != 0 {
		t.Error(stderr)
	}
}

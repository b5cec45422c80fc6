package main

import (
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": testSecret}
		// In order: what one makes, the next one sees.
		for _, row := range []struct {
			name   string
			stdin  string
			args   []string
			status int
			stdout string // contained; "" is empty
			stderr string
		}{
			{"the migrations before they are applied", "", []string{"migrate", "status"}, 0, "missing", ""},
			{"migrate", "", []string{"migrate"}, 0, "applied 00001_users.sql", ""},
			{"migrate again", "", []string{"migrate", "up"}, 0, "up to date", ""},
			{"the migrations after they were applied", "", []string{"migrate", "status"}, 0, "applied 2", ""},
			{"an account with a role", goodPassword + "\n", []string{"user", "create", "Ada@Example.com", "--name", "Ada", "--role", "ADMIN"}, 0, "Ada@Example.com has an account with the role ADMIN", ""},
			{"flags before the address", goodPassword, []string{"user", "create", "--name", "Bob", "bob@example.com"}, 0, "bob@example.com has an account with the role USER", ""},
			{"an address that is taken", goodPassword, []string{"user", "create", "ADA@example.com", "--name", "Ada"}, 1, "", "another account has this e-mail address"},
			{"a password that is too short", "short\n", []string{"user", "create", "eve@example.com", "--name", "Eve"}, 1, "", "password must have at least 8 characters"},
			{"no password", "", []string{"user", "create", "eve@example.com", "--name", "Eve"}, 1, "", "password must have at least 8 characters"},
			{"no name", goodPassword, []string{"user", "create", "eve@example.com"}, 1, "", `"name" not set`},
			{"no address", goodPassword, []string{"user", "create", "--name", "Eve"}, 1, "", "expected: fieldgate user create EMAIL"},
			{"an address that is none", goodPassword, []string{"user", "create", "eve", "--name", "Eve"}, 1, "", "email must be an e-mail address"},
			{"a role that there is not", goodPassword, []string{"user", "create", "eve@example.com", "--name", "Eve", "--role", "BOSS"}, 1, "", "role must be one of USER, STAFF, ADMIN"},
			{"a role that was given", "", []string{"user", "role", "bob@EXAMPLE.com", "STAFF"}, 0, "bob@example.com has the role STAFF now", ""},
			{"a role that there is not, given", "", []string{"user", "role", "bob@example.com", "staff"}, 1, "", "role must be one of USER, STAFF, ADMIN"},
			{"a role given to nobody", "", []string{"user", "role", "nobody@example.com", "STAFF"}, 1, "", `nobody has the address "nobody@example.com". Hint: fieldgate user list`},
			{"everybody", "", []string{"user", "list"}, 0, "bob@example.com", ""},
			{"a key", "", []string{"keys", "secret"}, 0, "", ""},
			{"a private key", "", []string{"keys", "ed25519"}, 0, "-----BEGIN PRIVATE KEY-----\n", ""},
			{"the policy", "", []string{"policy"}, 0, "Query.me", ""},
			{"the version", "", []string{"version"}, 0, "fieldgate", ""},
			{"a command that there is not", "", []string{"serv"}, 1, "", `"serv"`},
			{"a command of a group that there is not", "", []string{"user", "delete"}, 1, "", `no command "delete"`},
			{"an argument too many", "", []string{"user", "list", "all"}, 1, "", `"all"`},
			{"a flag that there is not", "", []string{"user", "list", "--all"}, 1, "", "-all"},
		} {
			status, stdout, stderr := fieldgate(t, env, row.stdin, row.args...)
			if status != row.status || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) {
				t.Errorf("%s: status %d\n%s%s\nwant %d %q %q", row.name, status, stdout, stderr, row.status, row.stdout, row.stderr)
			}
			if status != 0 && (strings.Count(stderr, "fieldgate: ") != 1 || stdout != "") {
				t.Errorf("%s: not one line of error:\n%s%s", row.name, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, goodPassword) {
				t.Errorf("%s: the password is shown", row.name)
			}
		}
	})
}

// The command works on the database of a server that is running, and counts on the next request of a token
// that was made before.
func TestRoleCommandIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.newPerson("USER")
		if got := b.ask(p, `{ users { edges { cursor } } }`).codes(); !slices.Equal(got, []string{"users FORBIDDEN"}) {
			t.Fatalf("got %q", got)
		}
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": b.JWTSecrets[0], "BCRYPT_COST": "10"}
		if status, _, stderr := fieldgate(t, env, "", "user", "role", p.email, "ADMIN"); status != 0 {
			t.Fatal(stderr)
		}
		b.ask(p, `{ users { edges { node { disabledAt } } } }`).must()
	})
}

// An account made on the command line signs in over HTTP.
func TestAccountOfTheCommandLineSignsIn(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	env := map[string]string{"DATABASE_URL": b.DatabaseURL, "BCRYPT_COST": "10"}
	if status, _, stderr := fieldgate(t, env, goodPassword+"\r\n", "user", "create", "ada@example.com", "--name", "Ada", "--role", "ADMIN"); status != 0 {
		t.Fatal(stderr)
	}
	got := b.ask(nil, `mutation { login(input: {email: "ada@example.com", password: "`+goodPassword+`"}) { user { role disabledAt } } }`).must()
	if got.json() != `{"login":{"user":{"disabledAt":null,"role":"ADMIN"}}}` {
		t.Error(got.body)
	}
}

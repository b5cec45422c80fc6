package e2e

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

const registerWith = `mutation($n: String!, $e: String!, $p: String!) { register(input: {name: $n, email: $e, password: $p}) { user { id } } }`

// fieldMessage returns the message that a BAD_USER_INPUT response has for a field, or "".
func fieldMessage(a *servertest.Response, field string) string {
	for _, e := range a.Errors {
		list, _ := e.Extensions["fields"].([]any)
		for _, f := range list {
			if f := f.(map[string]any); e.Extensions["code"] == "BAD_USER_INPUT" && f["name"] == field {
				return f["message"].(string)
			}
		}
	}
	return ""
}

// TestCommonPasswordsAreRejectedEverywhere checks each field that sets a password.
func TestCommonPasswordsAreRejectedEverywhere(t *testing.T) {
	t.Parallel()
	b := bootWithSMTP(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	reset := b.resetToken(p)
	for _, password := range []string{
		"!@#$%^&*", "qwerty!@#$%", "Passw0rd!@#$%", "1q2w3e4r!@#$%", strings.Repeat("a", 25), strings.Repeat("1234567890", 3), strings.Repeat("password", 4),
		"abcdefghijklmnopqrstuvwxyz", "fieldgate1", "Ada Lovelace1", strings.Repeat("qwertyuiop", 100),
	} {
		for field, got := range map[string]*servertest.Response{
			"password": b.Query(nil, registerWith, "n", "Ada Lovelace", "e", newAddress(), "p", password),
		} {
			if fieldMessage(got, field) == "" {
				t.Errorf("register with %.40q: %s", password, got.Body)
			}
		}
		if password == "Ada Lovelace1" {
			continue // not the name of this user
		}
		if got := b.Query(p, `mutation($c: String!, $p: String!) { changePassword(input: {currentPassword: $c, newPassword: $p}) }`, "c", p.Password, "p", password); fieldMessage(got, "newPassword") == "" {
			t.Errorf("changePassword to %.40q: %s", password, got.Body)
		}
		if got := b.Query(nil, `mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) }`, "t", reset, "p", password); fieldMessage(got, "newPassword") == "" {
			t.Errorf("resetPassword to %.40q: %s", password, got.Body)
		}
	}
	b.Query(nil, registerWith, "n", "Ada Lovelace", "e", newAddress(), "p", "correct horse battery staple").Must()
}

// TestPasswordFromTheServiceNameIsRejected checks that the service name in mails counts as a common
// word.
func TestPasswordFromTheServiceNameIsRejected(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "MAIL_FROM", "Analytical Engines <no-reply@example.com>")
	if got := b.Query(nil, registerWith, "n", "Ada", "e", newAddress(), "p", "analyticalengines1"); fieldMessage(got, "password") == "" {
		t.Error(got.Body)
	}
}

// hibpLine returns a line of a haveibeenpwned.com dump.
func hibpLine(password string, count int) string {
	sum := sha1.Sum([]byte(password))
	return fmt.Sprintf("%s:%d", strings.ToUpper(hex.EncodeToString(sum[:])), count)
}

// breachedPasswordFile builds a file for BREACHED_PASSWORDS with fieldgate passwords build.
func breachedPasswordFile(t *testing.T, passwords ...string) (name string) {
	t.Helper()
	lines := make([]string, len(passwords))
	for i, p := range passwords {
		lines[i] = hibpLine(p, 50)
	}
	slices.Sort(lines)
	status, stdout, stderr := servertest.RunCLI(t, nil, strings.Join(lines, "\r\n"), "passwords", "build", "--min-count", "50")
	if status != 0 || !strings.Contains(stderr, fmt.Sprintf("kept %d of %d", len(passwords), len(passwords))) {
		t.Fatalf("status %d, %s", status, stderr)
	}
	name = filepath.Join(t.TempDir(), "breached.bin")
	requireNoError(t, os.WriteFile(name, []byte(stdout), 0o600))
	return name
}

// Passwords that the strength estimate accepts.
const (
	breachedOne   = "vexing zephyrs jolt"
	breachedTwo   = "Kq7!vx2pMtz-9"
	breachedThree = "Zo\u00eb likes old clocks"
)

func TestBreachedPasswordsAreRejected(t *testing.T) {
	t.Parallel()
	file := breachedPasswordFile(t, breachedOne, breachedTwo, breachedThree)
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "BREACHED_PASSWORDS", file)
		p := b.NewUser("USER")
		reset := b.resetToken(p)
		const change = `mutation($c: String!, $p: String!) { changePassword(input: {currentPassword: $c, newPassword: $p}) }`
		const resetPassword = `mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) }`
		// The last one is the third in decomposed Unicode.
		for _, password := range []string{breachedOne, breachedTwo, breachedThree, "Zoe\u0308 likes old clocks"} {
			for name, message := range map[string]string{
				"register":       fieldMessage(b.Query(nil, registerWith, "n", "Ada", "e", newAddress(), "p", password), "password"),
				"changePassword": fieldMessage(b.Query(p, change, "c", p.Password, "p", password), "newPassword"),
				"resetPassword":  fieldMessage(b.Query(nil, resetPassword, "t", reset, "p", password), "newPassword"),
			} {
				if !strings.Contains(message, "data breach") {
					t.Errorf("%s with %q: got %q, want a message about a data breach", name, password, message)
				}
			}
		}
		b.Query(nil, registerWith, "n", "Ada", "e", newAddress(), "p", breachedOne+" s").Must()
		// The rejected attempts did not use up the token.
		b.Query(nil, resetPassword, "t", reset, "p", "another good password").Must()
		env := map[string]string{"DATABASE_URL": databaseURL, "BREACHED_PASSWORDS": file, "JWT_SECRET": servertest.Secret}
		if status, _, stderr := servertest.RunCLI(t, env, breachedTwo+"\n", "user", "create", newAddress(), "--name", "Ada"); status != cli.StatusFailed || !strings.Contains(stderr, "data breach") {
			t.Errorf("user create: status %d, %s", status, stderr)
		}
	})
}

// TestBreachedPasswordStillSignsIn checks that a password that becomes known later does not lock
// its account out.
func TestBreachedPasswordStillSignsIn(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	p := boot(t, databaseURL).NewUser("USER")
	b := boot(t, databaseURL, "BREACHED_PASSWORDS", breachedPasswordFile(t, p.Password))
	b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`, "e", p.Email, "p", p.Password).Must()
}

func TestInvalidBreachedPasswordFileStopsTheStart(t *testing.T) {
	t.Parallel()
	write := func(content []byte) string {
		name := filepath.Join(t.TempDir(), "breached.bin")
		requireNoError(t, os.WriteFile(name, content, 0o600))
		return name
	}
	for _, row := range []struct{ name, file string }{
		{"a missing file", filepath.Join(t.TempDir(), "nowhere")},
		{"an empty file", write(nil)},
		{"a folder", t.TempDir()},
		{"a list in text form", write([]byte(hibpLine("a", 1) + "\n" + hibpLine("b", 1) + "\n"))},
		{"a truncated file", write(make([]byte, 15))},
		{"an unsorted file", write(bytes.Repeat([]byte{9, 8, 7, 6, 5, 4, 3, 2}, 2))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := servertest.RunCLI(t, developmentEnv(t, "BREACHED_PASSWORDS", row.file, "LOG_LEVEL", "error"), "")
			if status != cli.StatusFailed || stdout != "" || !strings.Contains(stderr, "BREACHED_PASSWORDS: ") || !strings.Contains(stderr, "passwords build") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, %q", status, stderr)
			}
		})
	}
}

// TestTruncatedBreachedPasswordFileDoesNotBlockRegistration checks that a file that is truncated
// while the server runs neither stops it nor prevents password changes.
func TestTruncatedBreachedPasswordFileDoesNotBlockRegistration(t *testing.T) {
	t.Parallel()
	file := breachedPasswordFile(t, breachedOne, breachedTwo)
	b := boot(t, dbtest.SQLite(t), "BREACHED_PASSWORDS", file)
	requireNoError(t, os.Truncate(file, 0))
	b.Query(nil, registerWith, "n", "Ada", "e", newAddress(), "p", breachedOne).Must()
	if !strings.Contains(b.Log.String(), "breached passwords cannot be read") {
		t.Error("the log does not report the unreadable file")
	}
}

func TestPasswordsBuildReportsTheInvalidLine(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, stdin string
		args        []string
		status      int
		want        string
	}{
		{"a line without a count", hibpLine("a", 1) + "\n" + hibpLine("b", 1)[:40] + "\n", nil, cli.StatusFailed, "line 2: expected SHA1:COUNT"},
		{"no input", "", nil, cli.StatusFailed, "none of 0 passwords"},
		{"no password with enough occurrences", hibpLine("a", 4), []string{"--min-count", "5"}, cli.StatusFailed, "none of 1 passwords was seen 5 times"},
		{"an invalid count", hibpLine("a", 4), []string{"--min-count", "many"}, cli.StatusUsage, "many"},
		{"a negative count", hibpLine("a", 4), []string{"--min-count", "-1"}, cli.StatusUsage, "-1"},
		{"an extra argument", hibpLine("a", 4), []string{"hibp.txt"}, cli.StatusUsage, "hibp.txt"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := servertest.RunCLI(t, nil, row.stdin, append([]string{"passwords", "build"}, row.args...)...)
			if status != row.status || stdout != "" || !strings.Contains(stderr, row.want) {
				t.Errorf("status %d, %d bytes, %s", status, len(stdout), stderr)
			}
		})
	}
}

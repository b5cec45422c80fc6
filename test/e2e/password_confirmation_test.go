package e2e

import (
	"fmt"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// invalidFields returns the fields that BAD_USER_INPUT errors name.
func invalidFields(a *servertest.Response) (names []string) {
	for _, e := range a.Errors {
		fields, _ := e.Extensions["fields"].([]any)
		for _, f := range fields {
			names = append(names, fmt.Sprint(f.(map[string]any)["name"]))
		}
	}
	return names
}

// The common-password check takes up to 20 ms of CPU time, so the server skips it for a request
// that fails anyway.
func TestMismatchedConfirmationSkipsTheCommonPasswordCheck(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	const register = `mutation($p: String!, $c: String) { register(input: {name: "X", email: "x@example.com", password: $p, passwordConfirmation: $c}) { tokenType } }`
	for _, row := range []struct {
		name, password, confirmation string
		want                         []string
	}{
		{"a common password that does not match", "password1", "password2", []string{"passwordConfirmation"}},
		{"a common password that matches", "password1", "password1", []string{"password"}},
		{"a short password that does not match", "x", "y", []string{"password", "passwordConfirmation"}},
	} {
		got := b.Query(nil, register, "p", row.password, "c", row.confirmation)
		if names := invalidFields(got); fmt.Sprint(names) != fmt.Sprint(row.want) {
			t.Errorf("%s: got fields %q, want %q: %s", row.name, names, row.want, got.Body)
		}
	}
}

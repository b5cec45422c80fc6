package servertest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"fieldgate/internal/cli"
)

// RunCLI runs a command, such as "user", "list". Its environment holds only the variables of env,
// and its input is stdin.
func RunCLI(t testing.TB, env map[string]string, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return RunCLIContext(t.Context(), env, stdin, args...)
}

// RunCLIContext is RunCLI for a command that runs until ctx is cancelled, such as a server.
func RunCLIContext(
	ctx context.Context, env map[string]string, stdin string, args ...string,
) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = cli.Main(ctx, cli.Console{
		Args:    append([]string{"fieldgate"}, args...),
		Lookup:  func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Environ: Environ(env),
		Stdin:   strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
	})
	return status, out.String(), errs.String()
}

// Environ returns a function like [os.Environ] for env: each entry is NAME=value.
func Environ(env map[string]string) func() []string {
	return func() (entries []string) {
		for name, value := range env {
			entries = append(entries, name+"="+value)
		}
		return entries
	}
}

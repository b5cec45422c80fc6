package cli

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v3"
)

func TestBrokenDatabasePipeFails(t *testing.T) {
	t.Parallel()
	if status := exitStatus(fmt.Errorf("the database was lost at COMMIT: %w", syscall.EPIPE)); status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
}

func TestInvalidUTF8IsQuoted(t *testing.T) {
	t.Parallel()
	if got := printable("not \x9b UTF-8"); got != `"not \x9b UTF-8"` {
		t.Errorf("got %s, want it quoted", got)
	}
}

func TestHelpHasAnExampleForEveryCommand(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cli.Command, name string)
	visit = func(cmd *cli.Command, name string) {
		if !strings.Contains(cmd.Description, "   ") || !strings.Contains(cmd.Description, name) {
			t.Errorf("%s --help: got %q, want an example", name, cmd.Description)
		}
		for _, sub := range cmd.Commands {
			visit(sub, name+" "+sub.Name)
		}
	}
	visit(Console{}.command(), "fieldgate")
	var stdout bytes.Buffer
	Main(t.Context(), Console{Args: []string{"fieldgate", "--help"}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stdout})
	for _, line := range strings.Split(exitStatusHelp, "\n") {
		if !strings.Contains(stdout.String(), line) {
			t.Errorf("--help: want %q", line)
		}
	}
}

func TestDeletionRequiresTypedAddress(t *testing.T) {
	t.Parallel()
	for typed, confirmed := range map[string]bool{
		"ada@example.com\n": true, " ada@example.com \r\n": true, "ada@example.com": true,
		"": false, "\n": false, "y\n": false, "yes\n": false, "bob@example.com\n": false,
	} {
		var stderr strings.Builder
		err := Console{Stderr: &stderr}.confirmDeletion(strings.NewReader(typed), "ada@example.com")
		if (err == nil) != confirmed || !strings.Contains(stderr.String(), "ada@example.com") {
			t.Errorf("%q: got error %v and prompt %q, want confirmed %v", typed, err, stderr.String(), confirmed)
		}
	}
}

func TestLoopbackAddr(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "[::1]:80", "10.0.0.7:80": "10.0.0.7:80", "[::1]:80": "[::1]:80", "localhost:80": "127.0.0.1:80",
	} {
		if got := loopbackAddr(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}

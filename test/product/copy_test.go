package product

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/repotest"
)

// tree is a copy of the repository, or of parts of it, in a test directory.
type tree struct {
	t   *testing.T
	dir string
	env []string // added to the environment of run
}

// codeBlockPattern matches the fenced code blocks of a Markdown page: language and text.
var codeBlockPattern = regexp.MustCompile("(?m)^```(\\w+)\n((?s:.*?))^```$")

// readFile returns the content of a file of the repository.
func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	repotest.NoError(t, err)
	return string(content)
}

func (c *tree) read(name string) string {
	c.t.Helper()
	return readFile(c.t, filepath.Join(c.dir, name))
}

func (c *tree) write(name, content string) {
	c.t.Helper()
	file := filepath.Join(c.dir, name)
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode()
	}
	repotest.NoError(c.t, os.MkdirAll(filepath.Dir(file), 0o755))
	repotest.NoError(c.t, os.WriteFile(file, []byte(content), mode))
}

// tryRun runs shell commands in the tree.
func (c *tree) tryRun(commands string) (output string, err error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "sh", "-ec", commands)
	cmd.Dir = c.dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), c.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run ends the test if the commands fail.
func (c *tree) run(commands string) (output string) {
	c.t.Helper()
	output, err := c.tryRun(commands)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", commands, err, output)
	}
	return output
}

// lines splits the output of a command that prints a list.
func lines(output string) []string {
	return strings.FieldsFunc(output, func(r rune) bool { return r == '\n' })
}

package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPromisesNameExistingTests checks that each promise of docs/security.md names tests
// that exist.
func TestSecurityPromisesNameExistingTests(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		tests.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, name := range named.FindAllStringSubmatch(string(doc), -1) {
		if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("docs/security.md names %s, which does not exist", name[1])
		}
	}
	for line := range strings.Lines(string(doc)) {
		if row := strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| promise"); row && !named.MatchString(line) {
			t.Errorf("a promise without a test: %s", line)
		}
	}
}

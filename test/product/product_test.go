//go:build exhaustive

package product

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
)

// TestExampleFeatureEditsOnlyApp adds the example feature with the commands of docs/extend.md. It
// may add files, edit app/app.go and change generated files. Then the tests of the feature and
// those of the whole schema must pass.
func TestExampleFeatureEditsOnlyApp(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		dbtest.SkipOrFail(t, "sh", "the commands of docs/extend.md are written for it")
	}
	if own := listFiles(t, "app"); !slices.Equal(own, []string{"README.md", "app.go"}) {
		t.Skipf("this product has features, which the test would replace: %q", own)
	}
	c := &tree{t: t, dir: t.TempDir()}
	c.clone()
	for _, block := range codeBlockPattern.FindAllStringSubmatch(readFile(t, "docs/extend.md"), -1) {
		switch language, text := block[1], block[2]; language {
		case "sh":
			c.run(text)
		case "go":
			c.write("app/app.go", text)
		default:
			t.Errorf("docs/extend.md has a code block of %q, which no test runs", language)
		}
	}
	want := []string{
		"PERMISSIONS.md", "app/app.go", "app/notes/migrations/mysql/00001_notes.sql", "app/notes/migrations/sqlite/00001_notes.sql",
		"app/notes/notes.go", "app/notes/notes.graphqls", "app/notes/notes_test.go", "graph/generated/exec.go", "graph/notes.resolvers.go",
	}
	if got := c.changedFiles(); !slices.Equal(got, want) {
		t.Errorf("changed files\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	c.run("go vet ./...")
	if unformatted := c.run("go tool gofumpt -l ."); unformatted != "" {
		t.Errorf("gofumpt would change %s", unformatted)
	}
	c.run("go test -run '" + wholeSchemaTests + "' ./test/... ./graph ./internal/product")
}

// wholeSchemaTests matches the tests that check every field or every table.
const wholeSchemaTests = "^(TestPolicyIsProven|TestPermissionsMatchEnforcement|TestPermissionsFileIsCurrent|TestBrokenRuleOfTheSchemaDoesNotCompile|TestAuditFailureRollsBackTheOperation|" +
	"TestPlaygroundExamplesCoverEveryField|TestIntrospectionDescribesTheRuleOfEachField|TestImportsFollowTheAllowedDirections|TestEveryPackageHasADocComment|" +
	"TestFeatureTablesMatchTheirRowTypes|TestDeletingUserRemovesRowsOfFeatures|TestFeaturesOfOwnedTypesRegisterUserDeleted)$"

// listFiles returns the files of a tree, without those that are never committed.
func listFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.Type().IsRegular() && (d.Name() == ".keep" || !strings.HasPrefix(d.Name(), ".")) && !strings.Contains(d.Name(), ".db"):
			names = append(names, name)
		}
		return nil
	})
	repotest.NoError(t, err)
	return names
}

func (c *tree) clone() {
	c.t.Helper()
	for _, name := range listFiles(c.t, ".") {
		repotest.CopyFile(c.t, name, filepath.Join(c.dir, name))
	}
}

// changedFiles returns the files of the copy that are new or differ from the repository.
func (c *tree) changedFiles() (names []string) {
	c.t.Helper()
	for _, name := range listFiles(c.t, c.dir) {
		theirs, err := os.ReadFile(filepath.Join(c.dir, name))
		repotest.NoError(c.t, err)
		if ours, err := os.ReadFile(name); err != nil || !bytes.Equal(ours, theirs) {
			names = append(names, name)
		}
	}
	return names
}

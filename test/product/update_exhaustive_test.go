//go:build exhaustive

package product

import (
	"strings"
	"testing"
)

// TestProductTakesOverARelease merges a release with the commands of docs/upgrade.md. The result
// must build and pass the tests of the feature, of the rules and of the tables on each database.
func TestProductTakesOverARelease(t *testing.T) {
	t.Parallel()
	p := newForkedProduct(t)
	p.addNotes()
	p.product.run("go mod tidy && go generate ./... && git add -A && git commit -qm 'Add notes'")
	p.commitLaterRelease("go generate ./...")
	p.merge()

	wantFailure(t, p.product, "git commit --no-edit", "unmerged files")
	wantFailure(t, p.product, "go build ./...", "graph/generated/exec.go:", "syntax error")

	p.product.run(p.blocks[2])
	if status := p.product.run("git status --short"); status != "" {
		t.Errorf("the commands leave uncommitted changes:\n%s", status)
	}
	if n := len(lines(p.product.run("git rev-list --max-count=1 --parents HEAD | tr ' ' '\\n'"))); n != 3 {
		t.Errorf("the last commit has %d parents, want 2", n-1)
	}
	schema := p.product.read("PERMISSIONS.md")
	for _, field := range []string{"addNote", "numberOfUsers", "nickname"} {
		if !strings.Contains(schema, field) {
			t.Errorf("PERMISSIONS.md has no %s", field)
		}
	}
	p.product.run("go build ./...")
	t.Log(p.product.run("go test -vet=off -run '" + updateTests + "' ./app/... ./internal/product ./models ./test/e2e"))
}

// TestGenerateRecoversFromASchemaError checks that go generate works again after a schema error is
// fixed. gqlgen deletes its files before it reads the schema.
func TestGenerateRecoversFromASchemaError(t *testing.T) {
	t.Parallel()
	p := newForkedProduct(t)
	p.addNotes()
	p.product.run("go mod tidy && go generate ./... && git add -A && git commit -qm 'Add notes'")
	const file = "app/notes/notes.graphqls"
	valid := p.product.read(file)
	p.product.write(file, strings.Replace(valid, "role: STAFF", "rolle: STAFF", 1))
	wantFailure(t, p.product, "go generate ./...", file, "rolle")
	p.product.write(file, valid)
	for _, lost := range []string{"true", "rm -r graph/generated PERMISSIONS.md"} {
		p.product.run(lost + " && go generate ./...")
		if status := p.product.run("git status --short"); status != "" {
			t.Errorf("after %s, go generate changes\n%s", lost, status)
		}
	}
}

func wantFailure(t *testing.T, c *tree, commands string, parts ...string) {
	t.Helper()
	out, err := c.tryRun(commands)
	if err == nil {
		t.Errorf("%s succeeds, want a failure:\n%s", commands, out)
	}
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("%s does not report %q:\n%s", commands, part, out)
		}
	}
}

// updateTests matches the tests that must pass after an update.
const updateTests = "^(TestNotes.*|TestRulesOfNotesAreProven|TestPolicyIsProven|TestPermissionsFileIsCurrent|" +
	"TestMigratedTables.*|TestMigratedIndexesMatchDeclaredIndexes|TestMySQLTablesHaveRequiredProperties|TestDialectsHaveSameSteps|TestDeletingUserRemovesRowsOfFeatures)$"

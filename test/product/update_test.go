package product

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
)

// newestRelease is the commit that a product starts from, from 0.2.0 on. Move it forward with each
// release. While it is empty, the product starts from this tree and laterRelease makes up the
// update.
const newestRelease = ""

// updatePage and updateSection locate the commands for product teams. The tests run them unchanged.
const (
	updatePage    = "docs/upgrade.md"
	updateSection = "## Take over updates into your product"
)

// expectedConflicts matches the files in which a merge may have conflicts. The commands of the page
// resolve them.
var expectedConflicts = regexp.MustCompile(`^(go\.mod|go\.sum|PERMISSIONS\.md|graph/generated/.*)$`)

// TestMergeOfAReleaseConflictsInGeneratedFilesOnly merges a release that edits every file of
// Fieldgate into a product with the example feature.
func TestMergeOfAReleaseConflictsInGeneratedFilesOnly(t *testing.T) {
	t.Parallel()
	p := newForkedProduct(t)
	p.addNotes()
	p.product.run("go mod tidy && git add -A && git commit -qm 'Add notes'")
	p.commitLaterRelease("true")
	p.merge()
	for _, line := range lines(p.product.run("git diff --check -- go.mod go.sum || true")) {
		t.Errorf("go.mod and go.sum keep the lines of both sides: %s", line)
	}
	p.product.run("go mod tidy")
	mod := p.product.read("go.mod")
	for _, module := range []string{productModule, releaseModule} {
		if n := strings.Count(mod, module); n != 1 || strings.Contains(mod, module+" // indirect") {
			t.Errorf("go.mod requires %s %d times, want it once and directly:\n%s", module, n, mod)
		}
	}
	if sum := p.product.read("go.sum"); strings.Contains(sum, unusedModule) {
		t.Errorf("go mod tidy kept %s", unusedModule)
	}
}

// TestMergeCommandsCommitNoConflictOfOtherFiles checks that the commands do not commit conflicts in
// files outside app/ that a product has edited.
func TestMergeCommandsCommitNoConflictOfOtherFiles(t *testing.T) {
	t.Parallel()
	p := newForkedProduct(t)
	p.product.write("README.md", "# Our product\n")
	p.product.run("git commit -qam 'Write our own README'")
	p.release.write("README.md", "# A later release\n")
	p.release.run("git commit -qam 'A later release'")
	_, _ = p.product.tryRun(p.blocks[1])
	if got := p.conflictedFiles(); !slices.Equal(got, []string{"README.md"}) {
		t.Fatalf("conflicts in %q, want README.md", got)
	}
	added, committed, ok := strings.Cut(p.blocks[2], "git commit")
	if !ok {
		t.Fatal("the block that resolves conflicts does not commit")
	}
	for _, line := range lines(added) {
		if strings.HasPrefix(line, "git add ") {
			p.product.run(line)
		}
	}
	if out, err := p.product.tryRun("git commit" + committed); err == nil || !strings.Contains(out, "unmerged") {
		t.Errorf("git commit: %v\n%s", err, out)
	}
}

// forkedProduct is a product's repository, and the one of Fieldgate that it was cloned from.
type forkedProduct struct {
	t                *testing.T
	product, release *tree
	blocks           []string // of the page: clone, merge, resolve
}

func newForkedProduct(t *testing.T) *forkedProduct {
	t.Helper()
	own, err := os.ReadDir("app")
	repotest.NoError(t, err)
	if len(own) > 2 { // app.go and README.md
		t.Skip("this product has features: the test is for the repository of Fieldgate")
	}
	for _, program := range []string{"git", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			dbtest.SkipOrFail(t, program, "install git and a POSIX shell")
		}
	}
	tracked, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		dbtest.SkipOrFail(t, "clone of the repository", "git ls-files: "+err.Error())
	}
	_, section, _ := strings.Cut(readFile(t, updatePage), "\n"+updateSection+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	p := &forkedProduct{t: t}
	for _, block := range codeBlockPattern.FindAllStringSubmatch(section, -1) {
		p.blocks = append(p.blocks, block[2])
	}
	if len(p.blocks) != 3 {
		t.Fatalf("%s has %d blocks below %q, want 3: clone, merge, resolve", updatePage, len(p.blocks), updateSection)
	}

	dir := t.TempDir()
	env := []string{
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_KEY_0=url." + filepath.ToSlash(filepath.Join(dir, "release")) + ".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/example/fieldgate",
		// Shares the build cache with other directories.
		"GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath"),
		"GIT_AUTHOR_NAME=team", "GIT_AUTHOR_EMAIL=team@example.com", "GIT_COMMITTER_NAME=team", "GIT_COMMITTER_EMAIL=team@example.com",
	}
	p.release = &tree{t: t, dir: filepath.Join(dir, "release"), env: env}
	p.product = &tree{t: t, dir: dir, env: env}
	repotest.NoError(t, os.Mkdir(p.release.dir, 0o755))
	p.release.run("git init -q -b main")
	if newestRelease == "" {
		p.copyWorkingTree(string(tracked))
	} else {
		p.archive(newestRelease)
	}
	p.release.run("git add -A && git commit -qm 'The newest release'")
	p.product.run(p.blocks[0])
	p.product.dir = filepath.Join(dir, "product")
	return p
}

// copyWorkingTree copies this tree, committed or not, over the release's.
func (p *forkedProduct) copyWorkingTree(tracked string) {
	p.t.Helper()
	for name := range strings.SplitSeq(strings.TrimSuffix(tracked, "\x00"), "\x00") {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
			p.release.write(name, readFile(p.t, name))
			repotest.NoError(p.t, os.Chmod(filepath.Join(p.release.dir, name), info.Mode().Perm()))
		}
	}
}

// archive extracts the tree of a commit into the release's repository.
func (p *forkedProduct) archive(commit string) {
	p.t.Helper()
	archive := filepath.Join(p.t.TempDir(), "release.tar")
	if out, err := exec.Command("git", "archive", "--output="+archive, commit).CombinedOutput(); err != nil {
		dbtest.SkipOrFail(p.t, "commit "+commit+" in the history of this clone", "git fetch --unshallow: "+string(out))
	}
	p.release.run("tar -xf '" + archive + "'")
}

// Modules that other modules already require, so that every module cache has them. Each side adds a
// direct import of one; their lines are adjacent in go.mod.
const (
	releaseModule = "github.com/beorn7/perks v1.0.1"
	productModule = "github.com/cespare/xxhash/v2 v2.3.0"
	unusedModule  = "example.com/unused"
)

// addNotes adds the example feature as docs/extend.md describes. The feature also extends a type of
// Fieldgate and requires a module.
func (p *forkedProduct) addNotes() {
	p.t.Helper()
	for _, block := range codeBlockPattern.FindAllStringSubmatch(p.product.read("docs/extend.md"), -1) {
		switch {
		case block[1] == "go":
			p.product.write("app/app.go", block[2])
		case strings.Contains(block[2], "cp -R examples/notes"):
			p.product.run(block[2])
		}
	}
	p.product.write("app/notes/sum.go", `package notes

import "github.com/cespare/xxhash/v2"

// Sum returns a checksum of the text.
func (n *Note) Sum() uint64 { return xxhash.Sum64String(n.Text) }
`)
	p.product.write("app/notes/notes.graphqls", p.product.read("app/notes/notes.graphqls")+`
extend type User {
  "The newest 100 notes of the user."
  notes: [Note!] @auth(role: STAFF, orOwner: true)
}
`)
	const resolvers = "graph/notes.resolvers.go"
	p.product.insert(resolvers, `"fieldgate/app/notes"\n`, "\t\"fieldgate/models\"\n")
	p.product.write(resolvers, p.product.read(resolvers)+`
func (r *userResolver) Notes(ctx context.Context, obj *models.User) ([]*notes.Note, error) {
	return r.App.Notes.Of(ctx, obj.ID)
}
`)
	p.addUnusedSums(p.product, "product")
}

// addUnusedSums adds lines that nothing needs to the same place of go.sum, as old requirements
// leave them.
func (p *forkedProduct) addUnusedSums(c *tree, side string) {
	c.insert("go.sum", `github.com/beorn7/perks v1.0.1/go.mod .*\n`, fmt.Sprintf("%[1]s/%[2]s v1.0.0 h1:%[3]s=\n%[1]s/%[2]s v1.0.0/go.mod h1:%[3]s=\n", unusedModule, side, strings.Repeat("A", 43)))
}

// insert inserts text after the first match of a pattern.
func (c *tree) insert(name, pattern, text string) {
	c.t.Helper()
	content := c.read(name)
	at := regexp.MustCompile(pattern).FindStringIndex(content)
	if at == nil {
		c.t.Fatalf("%s has no %q", name, pattern)
	}
	c.write(name, content[:at[1]]+text+content[at[1]:])
}

// commitLaterRelease commits the next release: this tree, or one made up from it.
func (p *forkedProduct) commitLaterRelease(generate string) {
	p.t.Helper()
	if newestRelease != "" {
		tracked, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
		repotest.NoError(p.t, err)
		p.release.run("git rm -rfq .")
		p.copyWorkingTree(string(tracked))
	}
	laterRelease(p)
	p.release.run(generate)
	p.release.run("git add -A && git commit -qm 'A later release'")
}

// laterRelease edits every file of Fieldgate that can have a comment, twice. It adds two fields to
// the schema, one with a column and one with a resolver, a migration and a requirement.
func laterRelease(p *forkedProduct) {
	c := p.release
	c.t.Helper()
	for _, name := range lines(c.run("git ls-files --cached --others --exclude-standard")) {
		if strings.HasPrefix(name, "app/") || strings.HasSuffix(name, ".resolvers.go") || name == "PERMISSIONS.md" ||
			strings.Contains(c.read(name), "// Code generated ") {
			continue
		}
		switch path.Ext(name) {
		case ".go":
			c.insert(name, `(?m)^package \w+.*\n`, "\n// A later release has this line.\n")
			c.write(name, c.read(name)+"\n// A later release ends like this.\n")
		case ".md":
			c.insert(name, `(?m)^#.*\n`, "\nA later release says more.\n")
			c.write(name, c.read(name)+"\nA later release ends like this.\n")
		case ".yml", ".yaml", ".graphqls", "":
			if name == ".ci/run" || name == "Makefile" || path.Ext(name) != "" {
				c.write(name, c.read(name)+"\n# A later release ends like this.\n")
			}
		}
	}

	c.insert("schema.graphqls", `(?m)^type User \{\n`, "  \"The nickname of the user.\"\n  nickname: String @auth(role: STAFF, orOwner: true)\n")
	c.insert("schema.graphqls", `(?m)^type Query \{\n(?:[^}\n].*\n|\n)*`, "  \"The number of accounts.\"\n  numberOfUsers: Int @auth(role: STAFF)\n")
	c.insert("models/user.go", `(?m)^type User struct \{\n`, "\tNickname string\n")
	c.insert("graph/schema.resolvers.go", `(?m)^func \(r \*queryResolver\)[^\n]*\{\n(?s:.*?)^\}\n`,
		"\nfunc (r *queryResolver) NumberOfUsers(ctx context.Context) (*int32, error) {\n\treturn new(int32(r.Accounts.Number())), nil\n}\n")
	c.write("internal/account/number.go", `package account

import "github.com/beorn7/perks/quantile"

// Number belongs to a later release.
func (s *Service) Number() int { return quantile.NewTargeted(nil).Count() }
`)
	steps, err := filepath.Glob(filepath.Join(c.dir, "models/migrations/sqlite/*.sql"))
	repotest.NoError(c.t, err)
	for dialect, statement := range map[string]string{
		"sqlite": "ALTER TABLE users ADD COLUMN nickname TEXT NOT NULL DEFAULT '';",
		"mysql":  "ALTER TABLE users ADD COLUMN nickname VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '', ALGORITHM=INSTANT;",
	} {
		c.write(fmt.Sprintf("models/migrations/%s/%05d_nickname.sql", dialect, len(steps)+1),
			"-- +goose Up\n"+statement+"\n\n-- +goose Down\nALTER TABLE users DROP COLUMN nickname;\n")
	}
	p.addUnusedSums(c, "release")
	c.run("go mod tidy")
	p.addUnusedSums(c, "release")
}

// merge runs the page's merge commands and checks the conflicts.
func (p *forkedProduct) merge() {
	p.t.Helper()
	_, _ = p.product.tryRun(p.blocks[1]) // it fails with conflicts
	p.product.run("git rev-parse -q --verify MERGE_HEAD")
	for _, name := range p.conflictedFiles() {
		p.t.Logf("conflict in %s", name)
		if !expectedConflicts.MatchString(name) {
			p.t.Errorf("the merge conflicts in %s:\n%s", name, p.product.run("git diff -- "+name))
		}
	}
}

func (p *forkedProduct) conflictedFiles() []string {
	p.t.Helper()
	return lines(p.product.run("git diff --name-only --diff-filter=U"))
}

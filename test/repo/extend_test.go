//go:build exhaustive

package repo

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
	"fieldgate/servertest"
)

// maxTutorialLines is how many lines docs/extend.md may have somebody write, those of tests among them; empty ones are not counted.
const maxTutorialLines = 60

// Whoever does what docs/extend.md says, word by word, gets what it says.
func TestExtend(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/extend.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("models/note.go"); err == nil {
		t.Skip("somebody has done here what docs/extend.md says")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		dbtest.LeftOut(t, "sh", "the page's commands are written for it")
	}
	r := &reader{t: t, dir: t.TempDir(), values: map[string]string{}}
	r.clone()
	for _, block := range blocksOf(t, string(page)) {
		r.do(block)
	}
	if r.lines > maxTutorialLines {
		t.Errorf("the page has the reader write %d lines; %d are enough", r.lines, maxTutorialLines)
	}
	r.run("REQUIRE_ALL= go test -run '" + ofTheWholeSchema + "' .")
	if badly := r.run("go tool gofumpt -l ."); badly != "" {
		t.Errorf("gofumpt would change %s", badly)
	}
	t.Logf("%d lines written", r.lines)
}

// ofTheWholeSchema are tests that look at every field there is, and would want something of one that is new. Nothing is left over for
// the reader to find out with go test ./...
const ofTheWholeSchema = "(TestPermissions|TestPermissionsFileIsCurrent|TestEveryMutationOfTheSchemaIsCaught|TestNothingIsDoneThatIsNotAudited|" +
	"TestExamplesOfThePlayground)$/sqlite"

// block is a fenced block of a page, with what the comment in front of it says of its place; or that comment alone.
type block struct {
	line                  int
	place, language, text string
}

var blockForm = regexp.MustCompile("(?m)^(?:<!-- (.*) -->\n)?(?:```(\\w+)\n((?s:.*?))^```$)?")

func blocksOf(t *testing.T, page string) (blocks []block) {
	t.Helper()
	fences := 0
	for _, at := range blockForm.FindAllStringSubmatchIndex(page, -1) {
		part := func(i int) string { return page[max(0, at[i]):max(0, at[i+1])] }
		if b := (block{1 + strings.Count(page[:at[0]], "\n"), part(2), part(4), part(6)}); b.place+b.language != "" {
			blocks = append(blocks, b)
			fences += min(len(b.language), 1)
		}
	}
	if n := strings.Count(page, "\n```"); n != 2*fences || fences == 0 {
		t.Fatalf("%d fences make %d blocks: each begins with its language", n, fences)
	}
	return blocks
}

// reader does what the page says, in a copy of the repository.
type reader struct {
	t      *testing.T
	dir    string
	lines  int                  // written so far
	server *servertest.Server   // that answers
	values map[string]string    // what the page gives names to, as the shell would
	answer *servertest.Response // the last one
}

// clone copies what is in the tree, committed or not.
func (r *reader) clone() {
	r.t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.Type().IsRegular() && (d.Name() == ".keep" || !strings.HasPrefix(d.Name(), ".")) && !strings.Contains(d.Name(), ".db"):
			repotest.CopyFile(r.t, path, filepath.Join(r.dir, path))
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) do(b block) {
	r.t.Helper()
	r.t.Logf("docs/extend.md:%d", b.line)
	file, where, _ := strings.Cut(b.place, ", ")
	how, anchor, _ := strings.Cut(where, ": ")
	switch {
	case strings.HasPrefix(b.place, "new file: "):
		r.write(strings.TrimPrefix(b.place, "new file: "), b.text, false)
	case strings.HasPrefix(b.place, "written: "):
		r.expect(strings.TrimPrefix(b.place, "written: "), b.text)
	case where == "at the end":
		r.write(file, r.read(file)+b.text, true)
	case where == "at the end, below an empty line":
		r.write(file, r.read(file)+"\n"+b.text, true)
	case b.place != "":
		r.insert(file, how, anchor, b.text)
	case b.language == "json":
		r.compare(b.text)
	case b.language == "sh" && strings.HasPrefix(b.text, "curl "):
		r.ask(b.text)
	case b.language == "sh" && b.text == "go run .\n":
		r.start()
	case b.language == "sh":
		r.run(b.text)
	default:
		r.t.Fatalf("docs/extend.md:%d: nothing says what this is for", b.line)
	}
	if b.place != "" && !strings.HasPrefix(b.place, "written: ") {
		r.lines += len(strings.FieldsFunc(b.text, func(c rune) bool { return c == '\n' }))
	}
}

func (r *reader) read(file string) string {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, file))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(content)
}

func (r *reader) write(file, text string, there bool) {
	r.t.Helper()
	path := filepath.Join(r.dir, file)
	if _, err := os.Stat(path); (err == nil) != there {
		r.t.Fatalf("%s is there already, or ought to be: %v", file, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// insert puts text beside the one line of a file that reads like anchor, or in its place.
func (r *reader) insert(file, how, anchor, text string) {
	r.t.Helper()
	var after strings.Builder
	found := 0
	for line := range strings.Lines(r.read(file)) {
		if strings.TrimSpace(line) != anchor {
			after.WriteString(line)
			continue
		}
		found++
		switch how {
		case "after":
			after.WriteString(line + text)
		case "before":
			after.WriteString(text + line)
		case "instead of", "without":
			after.WriteString(text)
		default:
			r.t.Fatalf("%q is no place", how)
		}
	}
	if found != 1 {
		r.t.Fatalf("%s has the line %q %d times, and the page needs it once", file, anchor, found)
	}
	r.write(file, after.String(), true)
}

// expect finds a text in a file that a command has written, whose name may have a * in it.
func (r *reader) expect(pattern, text string) {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, pattern))
	if err != nil || len(files) != 1 {
		r.t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	if content, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(content), text) {
		r.t.Errorf("%s is\n%s\n%v; it should have\n%s", pattern, content, err, text)
	}
}

// run executes a shell command in the copy.
func (r *reader) run(command string) (output string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "sh", "-ec", command)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "ENV=development", "DATABASE_URL="+defaultDatabase)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "no tests to run") {
		r.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// defaultDatabase is the one that the reader has, whatever database the environment of the tests names.
const defaultDatabase = "sqlite://fieldgate.db"

// start runs the server as go run . does.
func (r *reader) start() {
	r.t.Helper()
	r.run("go build .")
	r.server, _ = servertest.StartCommand(r.t, &exec.Cmd{Path: filepath.Join(r.dir, "fieldgate"), Dir: r.dir, Env: []string{"DATABASE_URL=" + defaultDatabase}}, "serving")
}

// ask is a command of curl, and lines like: NAME=…   # the answer's data.path.
func (r *reader) ask(commands string) {
	r.t.Helper()
	bodies := curlBodies(commands)
	if len(bodies) != 1 || r.server == nil {
		r.t.Fatalf("%d requests at once, to %v", len(bodies), r.server)
	}
	var pairs []string
	for name, value := range r.values {
		pairs = append(pairs, "'$"+name+"'", value, "$"+name+`"`, value+`"`)
	}
	filled := strings.NewReplacer(pairs...).Replace
	header := http.Header{}
	if _, token, ok := strings.Cut(commands, `-H "Authorization: `); ok {
		token, _, _ = strings.Cut(filled(token), `"`)
		header.Set("Authorization", token)
	}
	r.answer = r.server.Post(header, filled(bodies[0]))
	for _, m := range regexp.MustCompile(`(?m)^(\w+)=… +# the answer's (\S+)$`).FindAllStringSubmatch(commands, -1) {
		r.values[m[1]] = r.answer.Text(m[2])
	}
}

func (r *reader) compare(text string) {
	r.t.Helper()
	var want, got any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(r.answer.Body), &got); err != nil || !reflect.DeepEqual(got, want) {
		r.t.Errorf("the answer is\n%s\nand the page says\n%s", r.answer.Body, text)
	}
}

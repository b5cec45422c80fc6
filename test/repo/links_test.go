package repo

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

var (
	markdownLink   = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	markdownFence  = regexp.MustCompile("(?ms)^```.*?^```")
	markdownCode   = regexp.MustCompile("`[^`\n]*`")
	headingMarkup  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	notInAnchor    = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	testName       = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	markdownInText = regexp.MustCompile(`\bdocs/[a-z/-]+\.md(?:#[a-z0-9-]+)?`)
)

// TestLinksResolve follows every relative link of the Markdown files to its file and heading.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	for _, name := range trackedFiles(t, "*.md") {
		text := markdownFence.ReplaceAllString(fileText(t, name), "")
		for _, match := range markdownLink.FindAllStringSubmatch(markdownCode.ReplaceAllString(text, ""), -1) {
			link := match[1] + match[2]
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			if file == "" {
				file = name
			} else {
				file = path.Join(path.Dir(name), file)
			}
			if problem := unresolved(t, file, anchor); problem != "" {
				t.Errorf("%s links to %s: %s", name, link, problem)
			}
		}
	}
}

// TestSourcesNameDocumentsThatExist covers hints, comments and settings that name a document below
// docs/.
func TestSourcesNameDocumentsThatExist(t *testing.T) {
	t.Parallel()
	for _, name := range trackedFiles(t, "*.go", "*.graphqls", "*.yml", "*.yaml", "*.ts", "*.tsx", "*.html", "*.json", "Makefile", "Dockerfile", ".ci/*", "deploy/*") {
		for _, document := range markdownInText.FindAllString(fileText(t, name), -1) {
			file, anchor, _ := strings.Cut(document, "#")
			if problem := unresolved(t, file, anchor); problem != "" {
				t.Errorf("%s names %s: %s", name, document, problem)
			}
		}
	}
}

// TestDocumentsNameTestsThatExist accepts the beginning of a name too, as in "TestFailure…".
func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, name := range trackedFiles(t, "*_test.go") {
		tests.WriteString(fileText(t, name))
	}
	for _, name := range trackedFiles(t, "*.md") {
		for _, test := range testName.FindAllString(fileText(t, name), -1) {
			if !strings.Contains(tests.String(), "\nfunc "+test) {
				t.Errorf("%s names %s, which does not exist", name, test)
			}
		}
	}
}

// TestLogReferenceNamesMessagesThatExist searches the sources for each message of
// docs/reference/logs.md.
func TestLogReferenceNamesMessagesThatExist(t *testing.T) {
	t.Parallel()
	var sources strings.Builder
	for _, name := range trackedFiles(t, "*.go") {
		if !strings.HasSuffix(name, "_test.go") {
			sources.WriteString(fileText(t, name))
		}
	}
	for line := range strings.Lines(fileText(t, "docs/reference/logs.md")) {
		messages, _, isRow := strings.Cut(line, "` | ")
		if !isRow || !strings.HasPrefix(line, "| `") {
			continue
		}
		for message := range strings.SplitSeq(strings.TrimPrefix(messages, "| `"), "`, `") {
			if text, _, _ := strings.Cut(message, " Hint: …"); !strings.Contains(sources.String(), `"`+text) {
				t.Errorf("docs/reference/logs.md names %q, which the server does not log", message)
			}
		}
	}
}

func trackedFiles(t *testing.T, patterns ...string) []string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"ls-files", "--cached", "--others", "--exclude-standard", "--"}, patterns...)...).Output()
	if err != nil {
		dbtest.SkipOrFail(t, "a clone of the repository (git ls-files: "+err.Error()+")", "run the tests in a clone")
	}
	var names []string
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if _, err := os.Stat(name); err == nil { // it may be deleted and not committed yet
			names = append(names, name)
		}
	}
	return names
}

// unresolved returns why a file, or a heading of it, cannot be reached, or "".
func unresolved(t *testing.T, file, anchor string) string {
	t.Helper()
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "the file does not exist"
	}
	if anchor == "" || !strings.HasSuffix(file, ".md") {
		return ""
	}
	for line := range strings.Lines(markdownFence.ReplaceAllString(fileText(t, file), "")) {
		if title, isHeading := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); isHeading && strings.HasPrefix(line, "#") && anchorOf(title) == anchor {
			return ""
		}
	}
	return "the document has no such heading"
}

// anchorOf returns the anchor that GitHub gives a heading.
func anchorOf(title string) string {
	title = headingMarkup.ReplaceAllString(strings.TrimSpace(title), "$1")
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

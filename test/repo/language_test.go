package repo

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// vaguePersons are words that hide the component which acts, or the user whom a sentence is about.
// They are joined from parts so that this file does not match itself.
var vaguePersons = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"some" + "body", "no" + "body", "who" + "ever", "every" + "body", "every" + "one", "no" + " one",
	"any" + "one", "any" + "body", "some" + "one", "who is" + " asking", "one" + "'s",
}, "|") + `)\b`)

// maxVaguePersons is the number of uses that are left: test data such as addresses, the Unix user,
// and words of other systems.
const maxVaguePersons = 25

// prose are the patterns of files that people read.
var prose = []string{
	"*.go", "*.md", "*.graphqls", "*.graphql", "*.ts", "*.tsx", "*.js", "*.mjs", "*.html", "*.txt", "*.sql", "*.yaml", "*.yml", "*.tmpl",
}

// testData is what the words may be part of: addresses, names of test users, the Unix user.
var testData = regexp.MustCompile(`(?i)nobody@|nobody:|"Somebody"|who is asking first|\bnobody\b.*(uid|unix|user id)|\beveryone: users`)

func TestProseNamesComponentsAndUsers(t *testing.T) {
	t.Parallel()
	var found []string
	for _, file := range ownProse(t, prose...) {
		for line := range strings.Lines(fileText(t, file)) {
			if word := vaguePersons.FindString(line); word != "" && !testData.MatchString(line) {
				found = append(found, file+": "+strings.TrimSpace(line))
			}
		}
	}
	if len(found) > maxVaguePersons {
		t.Errorf("%d lines name no component or user, at most %d may:\n%s", len(found), maxVaguePersons, strings.Join(found, "\n"))
	}
}

// maxCommentWidth is in columns, with tabs of four.
const maxCommentWidth = 100

func TestCommentsAreAtMostAHundredColumnsWide(t *testing.T) {
	t.Parallel()
	for _, file := range ownProse(t, "*.go") {
		n := 0
		for line := range strings.Lines(fileText(t, file)) {
			n++
			text := strings.TrimRight(line, "\n")
			width := utf8.RuneCountInString(strings.ReplaceAll(text, "\t", "    "))
			// Not code in a comment, and not a link, which cannot be wrapped.
			if strings.HasPrefix(strings.TrimSpace(text), "// ") && width > maxCommentWidth && len(strings.Fields(text)) > 2 {
				t.Errorf("%s:%d: a comment of %d columns, want %d", file, n, width, maxCommentWidth)
			}
		}
	}
}

// ownProse returns the tracked files with an ending, without generated files and the product's own.
func ownProse(t *testing.T, endings ...string) []string {
	t.Helper()
	others := []string{"graph/generated/", "policytest/internal/sample/exec.go", "test/repo/messages.golden", "playground/dist/", "app/"}
	return slices.DeleteFunc(trackedFiles(t, endings...), func(file string) bool {
		return slices.ContainsFunc(others, func(part string) bool { return strings.HasPrefix(file, part) })
	})
}

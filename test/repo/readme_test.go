package repo

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"fieldgate/internal/reference"
	"fieldgate/servertest"
)

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	text := readme(t)
	if lines, words := strings.Count(text, "\n"), len(strings.Fields(text)); lines > 130 || words > 1200 {
		t.Errorf("README.md has %d lines and %d words, want at most 130 and 1,200", lines, words)
	}
}

func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	pages, err := reference.Pages(".")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range pages {
		if fileText(t, path) != string(want) {
			t.Errorf("%s is not what the code generates: run go generate ./...", path)
		}
	}
}

func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	text := fileText(t, "docs/architecture.md")
	for path := range allowedImports {
		if name := strings.TrimPrefix(path, "fieldgate/"); !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/architecture.md does not name the package %s", name)
		}
	}
}

// TestReadmeFirstQueryWorks runs the queries of the README and checks the responses that it
// describes.
func TestReadmeFirstQueryWorks(t *testing.T) {
	t.Parallel()
	databaseURL := servertest.SQLite(t)
	b := servertest.Start(t, databaseURL)
	bodies := curlBodies(readme(t))
	if len(bodies) != 2 {
		t.Fatalf("%d queries, want 2", len(bodies))
	}
	registered := b.Post(http.Header{}, bodies[0]).Must()
	ada := &servertest.User{Email: "ada@example.com", Token: registered.Text("register.accessToken")}
	send := func() *servertest.Response {
		return b.Post(http.Header{"Authorization": {"Bearer " + ada.Token}}, bodies[1])
	}
	if got := send(); got.At("me.email") != ada.Email || got.At("users") != nil || strings.Join(got.Codes(), " ") != "users FORBIDDEN" {
		t.Error(got.Body)
	}
	env := map[string]string{"DATABASE_URL": databaseURL}
	if status, _, stderr := servertest.RunCLI(t, env, "", "user", "role", ada.Email, "ADMIN"); status != 0 {
		t.Error(stderr)
	}
	send().Must()
}

// curlBodies returns the bodies of the curl commands in a text.
func curlBodies(text string) (bodies []string) {
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "-d '")
		if !ok {
			return bodies
		}
		body, left, _ := strings.Cut(after, "'\n")
		bodies, rest = append(bodies, body), left
	}
}

package repo

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"fieldgate/internal/config"
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

func TestReadmeConfigurationTableIsCurrent(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- configuration: made by config.Table -->\n", "<!-- /configuration -->"
	_, rest, _ := strings.Cut(readme(t), begin)
	table, _, _ := strings.Cut(rest, end)
	if want := config.Table(); table != want {
		t.Errorf("README.md has\n%s\nbetween %q and %q; it should have\n%s", table, begin, end, want)
	}
}

func TestReadmeNamesEveryPackageAndCommand(t *testing.T) {
	t.Parallel()
	text := readme(t)
	for path := range allowedImports {
		if name := strings.TrimPrefix(path, "fieldgate/"); !strings.Contains(text, "`"+name+"`") {
			t.Errorf("no word of the package %s", name)
		}
	}
	_, commands, _ := servertest.RunCLI(t, nil, "", "--generate-shell-completion")
	for line := range strings.Lines(commands) {
		name, _, ok := strings.Cut(line, ":")
		if ok && name != "help" && name != "serve" && !strings.Contains(text, "fieldgate "+name) {
			t.Errorf("no word of the command %s", name)
		}
	}
}

// The first query of the README, as it stands there, and what the README says of the answer.
func TestReadmeFirstQueryWorks(t *testing.T) {
	t.Parallel()
	databaseURL := servertest.SQLite(t)
	b := servertest.Start(t, databaseURL)
	bodies := curlBodies(readme(t))
	if len(bodies) != 2 {
		t.Fatalf("%d queries", len(bodies))
	}
	registered := b.Post(http.Header{}, bodies[0]).Must()
	ada := &servertest.User{Email: "ada@example.com", Token: registered.Text("register.accessToken")}
	ask := func() *servertest.Response {
		return b.Post(http.Header{"Authorization": {"Bearer " + ada.Token}}, bodies[1])
	}
	if got := ask(); got.At("me.email") != ada.Email || got.At("users") != nil || strings.Join(got.Codes(), " ") != "users FORBIDDEN" {
		t.Error(got.Body)
	}
	env := map[string]string{"DATABASE_URL": databaseURL}
	if status, _, stderr := servertest.RunCLI(t, env, "", "user", "role", ada.Email, "ADMIN"); status != 0 {
		t.Error(stderr)
	}
	ask().Must()
}

// curlBodies are the bodies of the curl commands in a text.
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

package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"fieldgate/internal/config"
)

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeHasTheConfigurationAsItIs(t *testing.T) {
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
	for path := range rooms {
		if name := strings.TrimPrefix(path, "fieldgate/"); !strings.Contains(text, "`"+name+"`") {
			t.Errorf("no word of the package %s", name)
		}
	}
	for _, cmd := range (console{}).command().Commands {
		if cmd.Name != "help" && !strings.Contains(text, "fieldgate "+cmd.Name) && cmd.Name != "serve" {
			t.Errorf("no word of the command %s", cmd.Name)
		}
	}
}

// The first query of the README, as it stands there, and what the README says of the answer.
func TestReadmeFirstQuery(t *testing.T) {
	t.Parallel()
	b := boot(t, "sqlite://"+t.TempDir()+"/first.db")
	bodies := curlBodies(readme(t))
	if len(bodies) != 2 {
		t.Fatalf("%d queries", len(bodies))
	}
	registered := b.post(http.Header{}, bodies[0]).must()
	ada := &person{email: "ada@example.com", token: registered.text("register.accessToken")}
	ask := func() *answer { return b.post(http.Header{"Authorization": {"Bearer " + ada.token}}, bodies[1]) }
	if got := ask(); got.at("me.email") != ada.email || got.at("users") != nil || strings.Join(got.codes(), " ") != "users FORBIDDEN" {
		t.Error(got.body)
	}
	env := map[string]string{"DATABASE_URL": b.DatabaseURL}
	if status, _, stderr := fieldgate(t, env, "", "user", "role", ada.email, "ADMIN"); status != 0 {
		t.Error(stderr)
	}
	ask().must()
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

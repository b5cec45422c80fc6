//go:build exhaustive

package browser

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/npmtest"
	"fieldgate/servertest"
)

// TestServerRenderingExamples renders a page for a visitor with the examples of docs/frontends.md.
// The visitor stays signed in.
func TestServerRenderingExamples(t *testing.T) {
	t.Parallel()
	render := npmtest.InstallScript(t, "test/browser/testdata/rendering", "rendering.mjs")
	docs, err := filepath.Abs("docs/frontends.md")
	if err != nil {
		t.Fatal(err)
	}
	b := servertest.Start(t, dbtest.SQLite(t))
	registered := b.Query(nil, `mutation { register(input: {name: "Ada", email: "ada@example.com", password: "`+servertest.Password+`"}) { tokenType } }`).Must()
	var cookies []string
	for _, cookie := range registered.Header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(cookie, ";")
		cookies = append(cookies, pair)
	}
	for _, row := range []struct{ name, cookie, want string }{
		{"a signed-in visitor", strings.Join(cookies, "; "), "<p>Hello Ada</p>"},
		{"the same visitor again", strings.Join(cookies, "; "), "<p>Hello Ada</p>"},
		{"a visitor without a cookie", "", "<p>Please sign in.</p>"},
		{"a visitor with an unknown token", "refresh=" + strings.Repeat("A", 43), "<p>Please sign in.</p>"},
	} {
		out, err := render(docs, b.URL+"/graphql", row.cookie)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(out), &got); err != nil || got["next"] != row.want || got["remix"] != row.want {
			t.Errorf("%s: %q, %v, want %q", row.name, out, err, row.want)
		}
	}
	b.QueryWith(http.Header{"Cookie": cookies[:1]}, `mutation { refresh { tokenType } }`).Must()
}

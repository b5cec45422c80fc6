//go:build exhaustive

package browser

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/npmtest"
	"fieldgate/internal/pages"
	"fieldgate/internal/web"
	"fieldgate/servertest"
)

// findChromium is Debian's Chromium. Its build without windows is the same engine for two thirds of the work, so it goes first.
func findChromium(t *testing.T) (path string) {
	t.Helper()
	chromium, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		chromium, err = exec.LookPath("chromium")
	}
	if err != nil {
		dbtest.SkipOrFail(t, "Chromium", "apt-get install chromium-headless-shell, or chromium")
	}
	return chromium
}

// What people do in a browser, driven by the scripts in the folder scripts.
func TestBrowser(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)
	run := npmtest.InstallScripts(t, "test/browser/scripts", "browser.mjs", "pages.mjs", "life.mjs", "origins.mjs", "playground.mjs", "offline.mjs")
	inBrowser := func(t *testing.T, script string, origins ...string) {
		t.Helper()
		if out, err := run(script, append([]string{chromium}, origins...)...); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	t.Run("the pages that mails link to", func(t *testing.T) {
		t.Parallel()
		inBrowser(t, "pages.mjs", serveMailPages(t))
	})
	life := func(t *testing.T, playground fs.FS) {
		l := servertest.Listen(t)
		b := servertest.StartConfig(t, servertest.Config{
			Listener: l, Playground: playground, Env: []string{"PUBLIC_URL", "http://" + l.Addr().String()},
		}) // where the links in mails lead
		var mailing sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		mailing.Go(func() { b.Internal().Mailer.Run(ctx) })
		defer mailing.Wait()
		defer stop()
		inBrowser(t, "life.mjs", b.URL)
	}
	t.Run("the life of an account, with the playground from the CDN", func(t *testing.T) {
		t.Parallel()
		life(t, fstest.MapFS{})
	})
	t.Run("the playground without its CDN", func(t *testing.T) {
		t.Parallel()
		b := servertest.StartConfig(t, servertest.Config{Playground: fstest.MapFS{}})
		ada := b.NewUser("USER")
		b.Query(ada, `mutation { updateProfile(input: {name: "Ada"}) { name } }`).Must()
		inBrowser(t, "offline.mjs", append([]string{b.URL, ada.Token}, screenshotDir(t)...)...)
	})
	t.Run("the playground that is built", func(t *testing.T) {
		t.Parallel()
		built := buildPlayground(t)
		t.Run("the life of an account", func(t *testing.T) {
			t.Parallel()
			life(t, built)
		})
		t.Run("its box and its examples", func(t *testing.T) {
			t.Parallel()
			b := servertest.StartConfig(t, servertest.Config{Playground: built, Demo: true, Env: []string{"ACCESS_TOKEN_TTL", "6s"}})
			inBrowser(t, "playground.mjs", append([]string{b.URL, strings.Join(screenshotPath(t), "")}, screenshotDir(t)...)...)
		})
	})
	t.Run("an app and the API at different origins", func(t *testing.T) {
		t.Parallel()
		listed, unlisted, otherSite := serveEmptyPage(t, "localhost"), serveEmptyPage(t, "localhost"), serveEmptyPage(t, "127.0.0.1")
		l := servertest.Listen(t)
		api := originOf("localhost", l)
		b := servertest.StartConfig(t, servertest.Config{
			Listener: l, Env: []string{"PUBLIC_URL", api, "CORS_ORIGINS", listed + "," + otherSite, "ADDR", ":8080"},
		}) // local pages are not allowed unlisted
		inBrowser(t, "origins.mjs", listed, api, unlisted, otherSite)
		answered := map[any]int{}
		for _, record := range b.Log.Records(t) {
			if record["method"] == http.MethodGet && record["path"] == "/graphql" {
				answered[record["status"]]++
			}
		}
		// Two by scripts of listed pages; one by a script of another, five by markup of each of three pages, and a navigation.
		if want := map[any]int{200.0: 2, 403.0: 1 + 5*3 + 1}; !maps.Equal(answered, want) {
			t.Errorf("GETs by status: %v, want %v", answered, want)
		}
	})
}

// buildPlayground builds the playground as it stands in the tree, into a folder of the test.
func buildPlayground(t *testing.T) fs.FS {
	t.Helper()
	sources, err := fs.Glob(os.DirFS("playground"), "src/*")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	run := npmtest.InstallScripts(t, "playground", append(sources, "build.mjs", "examples.graphql")...)
	if _, err := run("build.mjs", out); err != nil {
		t.Fatal(err)
	}
	return os.DirFS(out)
}

// serveEmptyPage serves a page of a host, which is this machine.
func serveEmptyPage(t *testing.T, host string) (origin string) {
	t.Helper()
	l := servertest.Listen(t)
	servertest.ServeOn(t, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><link rel="icon" href="data:,"><title>App</title>`)
	}))
	return originOf(host, l)
}

// originOf is the origin of what listens, under another name of this machine: browsers take ports for one site, names not.
func originOf(host string, l net.Listener) (origin string) {
	return fmt.Sprintf("http://%s:%d", host, l.Addr().(*net.TCPAddr).Port)
}

// serveMailPages serves the pages with the headers of the whole server, but without one: the script plays the API.
func serveMailPages(t *testing.T) (origin string) {
	t.Helper()
	l := servertest.Listen(t)
	origin = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	pages.New("Fieldgate", origin+"/app").Register(mux)
	mux.Handle("GET /dev/mail", pages.Inbox(func() []pages.Mail {
		now := time.Now()
		return []pages.Mail{
			{To: "ada@example.com", Subject: "The older one", Text: "Hello", At: now.Add(-time.Minute)},
			{To: "ada@example.com", Subject: "The newer one", Text: "Hello <Ada>", Link: origin + "/verify-email?token=some-token", At: now},
		}
	}))
	mux.HandleFunc("GET /app", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>App</title><h1>The application</h1>`)
	})
	servertest.ServeOn(t, l, web.Chain(mux, web.SecurityHeaders(false, false), web.NoStore))
	return origin
}

// screenshotDir is the folder that a script writes screenshots of phones and desktops to, for a reviewer:
//
//	SCREENSHOTS=/tmp/shots go test -tags exhaustive -run TestBrowser ./test/browser
func screenshotDir(t *testing.T) []string {
	t.Helper()
	return pathFromEnv(t, "SCREENSHOTS")
}

// pathFromEnv returns the absolute path that a variable names, as the argument of a script; none if it is not set.
func pathFromEnv(t *testing.T, variable string) []string {
	t.Helper()
	name := os.Getenv(variable)
	if name == "" {
		return nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// screenshotPath is the file that a script writes a screenshot to, if the variable names one:
//
//	SCREENSHOT=docs/playground.png go test -tags exhaustive -run TestBrowser ./test/browser
//	SCREENSHOT=docs/examples.png go test -tags exhaustive -run TestExamples/apollo ./test/browser
func screenshotPath(t *testing.T) []string {
	t.Helper()
	return pathFromEnv(t, "SCREENSHOT")
}

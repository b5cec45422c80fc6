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

// findChromium returns the path of Debian's Chromium. It prefers chromium-headless-shell: the same
// engine, with a third less work.
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

// TestBrowser runs the browser scenarios of the folder scripts.
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
	t.Run("the pages of mail links", func(t *testing.T) {
		t.Parallel()
		inBrowser(t, "pages.mjs", serveMailPages(t))
	})
	life := func(t *testing.T, playground fs.FS) {
		l := servertest.Listen(t)
		b := servertest.StartConfig(t, servertest.Config{
			Listener: l, Playground: playground, Env: []string{"PUBLIC_URL", "http://" + l.Addr().String()},
		}) // links in mails lead to PUBLIC_URL
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
	t.Run("the built playground", func(t *testing.T) {
		t.Parallel()
		built := buildPlayground(t)
		t.Run("the life of an account", func(t *testing.T) {
			t.Parallel()
			life(t, built)
		})
		t.Run("its sign-in box and its examples", func(t *testing.T) {
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
		}) // an ADDR beyond loopback allows listed origins only
		inBrowser(t, "origins.mjs", listed, api, unlisted, otherSite)
		answered := map[any]int{}
		for _, record := range b.Log.Records(t) {
			if record["method"] == http.MethodGet && record["path"] == "/graphql" {
				answered[record["status"]]++
			}
		}
		// Two by scripts of listed pages, one by a script of an unlisted page, five by markup of
		// each of three pages, and one navigation.
		if want := map[any]int{200.0: 2, 403.0: 1 + 5*3 + 1}; !maps.Equal(answered, want) {
			t.Errorf("GETs by status: %v, want %v", answered, want)
		}
	})
}

// buildPlayground builds the playground of this tree in a test directory.
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

// serveEmptyPage serves an empty page under a host name of this machine.
func serveEmptyPage(t *testing.T, host string) (origin string) {
	t.Helper()
	l := servertest.Listen(t)
	servertest.ServeOn(t, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><link rel="icon" href="data:,"><title>App</title>`)
	}))
	return originOf(host, l)
}

// originOf returns the origin of a listener under a host name of this machine. Different ports are
// the same site to a browser; different names are not.
func originOf(host string, l net.Listener) (origin string) {
	return fmt.Sprintf("http://%s:%d", host, l.Addr().(*net.TCPAddr).Port)
}

// serveMailPages serves the pages of mail links with the server's headers. The script answers for
// the API.
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

// screenshotDir returns the folder for screenshots of phone and desktop layouts, if SCREENSHOTS
// names one:
//
//	SCREENSHOTS=/tmp/shots go test -tags exhaustive -run TestBrowser ./test/browser
func screenshotDir(t *testing.T) []string {
	t.Helper()
	return pathFromEnv(t, "SCREENSHOTS")
}

// pathFromEnv returns the absolute path that a variable names, as an argument of a script, or nil.
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

// screenshotPath returns the file for the published screenshot, if SCREENSHOT names one:
//
//	SCREENSHOT=docs/playground.png go test -tags exhaustive -run TestBrowser ./test/browser
//	SCREENSHOT=docs/examples.png go test -tags exhaustive -run TestExamples/apollo ./test/browser
func screenshotPath(t *testing.T) []string {
	t.Helper()
	return pathFromEnv(t, "SCREENSHOT")
}

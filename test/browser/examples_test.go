//go:build exhaustive

package browser

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/npmtest"
	"fieldgate/internal/repotest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

var exampleApps = []string{"apollo", "urql"}

// TestExamples builds the apps of the folder examples as their README describes, runs their unit
// tests, and drives them in a browser.
func TestExamples(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)
	run := npmtest.InstallScripts(t, "test/browser/scripts", "browser.mjs", "apps.mjs")
	for _, name := range exampleApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			npm := installExample(t, name)
			npm("test")
			npm("run", "build")
			s := newControlledServer(t)
			if out, err := run("apps.mjs", append([]string{chromium, s.preview(npm("prefix")), s.controlURL, strings.Join(screenshotPath(t), "")}, screenshotDir(t)...)...); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// installExample copies an example and installs its packages. It returns a function that runs npm
// there.
func installExample(t *testing.T, name string) (npm func(args ...string) (stdout string)) {
	t.Helper()
	root := t.TempDir()
	repotest.CopyFile(t, "schema.graphqls", filepath.Join(root, "schema.graphqls"))
	from, dir := filepath.Join("examples", name), filepath.Join(root, "examples", name)
	for _, file := range exampleFiles(t, from) {
		repotest.CopyFile(t, filepath.Join(from, file), filepath.Join(dir, file))
	}
	npm = func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "npm", args...)
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("npm %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
		}
		return strings.TrimSpace(string(out))
	}
	ci := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	ci.Dir = dir
	if out, err := ci.CombinedOutput(); err != nil {
		dbtest.SkipOrFail(t, "package of npm (npm ci: "+err.Error()+")", "it needs Node 20.19 or newer and the npm registry:\n"+string(out))
	}
	return npm
}

// exampleFiles returns the tracked files of an example, without what was installed or built.
func exampleFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist"):
			return fs.SkipDir
		case d.IsDir() || d.Name() == "operations.ts":
			return nil
		}
		file, err := filepath.Rel(dir, path)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// controlledServer is a server that a script controls while a browser uses it.
type controlledServer struct {
	t            *testing.T
	databaseURL  string
	clock        *servertest.Clock
	running      atomic.Pointer[server.Server] // nil while the server is stopped
	refreshCount atomic.Int64                  // requests for refresh
	url          string                        // of the API
	controlURL   string                        // of what a script can do
}

func newControlledServer(t *testing.T) *controlledServer {
	t.Helper()
	s := &controlledServer{t: t, databaseURL: dbtest.SQLite(t), clock: &servertest.Clock{}}
	if err := s.start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop() })
	s.url = servertest.ServeOn(t, servertest.Listen(t), http.HandlerFunc(s.serve)).URL
	s.controlURL = servertest.ServeOn(t, servertest.Listen(t), s.controlHandler()).URL
	return s
}

// serve passes a request to the API, or cuts the connection while the server is stopped.
func (s *controlledServer) serve(w http.ResponseWriter, r *http.Request) {
	a := s.running.Load()
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if bytes.Contains(body, []byte("{ refresh {")) {
		s.refreshCount.Add(1)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.Handler.ServeHTTP(w, r)
}

// start starts the server. ttl is the lifetime of access tokens; "" is the default.
func (s *controlledServer) start(ttl string) error {
	var env []string
	if ttl != "" {
		env = []string{"ACCESS_TOKEN_TTL", ttl}
	}
	settings := servertest.Options(s.t, s.databaseURL, io.Discard, env...)
	settings.Now = s.clock.Now
	a, err := server.New(settings)
	if err != nil {
		return err
	}
	if _, err := a.Store.Migrate(s.t.Context()); err != nil {
		return err
	}
	s.running.Store(a)
	return nil
}

func (s *controlledServer) stop() error {
	if a := s.running.Swap(nil); a != nil {
		return a.Close()
	}
	return nil
}

// controlHandler serves the commands that a script sends by POST.
func (s *controlledServer) controlHandler() http.Handler {
	mux := http.NewServeMux()
	for name, do := range map[string]func(value func(string) string) error{
		"down": func(func(string) string) error { return s.stop() },
		"up":   func(value func(string) string) error { return s.start(value("ttl")) },
		"role": func(value func(string) string) error {
			_, err := s.running.Load().Accounts.AsOperator().SetRoleByEmail(s.t.Context(), value("email"), value("role"))
			return err
		},
		"advance": func(value func(string) string) error {
			by, err := time.ParseDuration(value("by"))
			s.clock.Advance(by)
			return err
		},
		"refreshes": func(func(string) string) error { return nil },
	} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := do(r.FormValue); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, s.refreshCount.Load())
		})
	}
	return mux
}

// preview serves a built example with Vite's proxy to the API, as `npm run dev` does.
func (s *controlledServer) preview(dir string) (origin string) {
	t := s.t
	t.Helper()
	cmd := exec.Command("node", filepath.Join(dir, "node_modules", "vite", "bin", "vite.js"), "preview", "--port", "0", "--strictPort")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "FIELDGATE_URL="+s.url, "NO_COLOR=1")
	cmd.Stderr = t.Output() // the proxy's errors while the server is stopped
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, origin, found := strings.Cut(lines.Text(), "Local:"); found {
			go func() { _, _ = io.Copy(io.Discard, out) }() // keeps the pipe empty
			return strings.TrimSuffix(strings.TrimSpace(origin), "/")
		}
	}
	t.Fatal("vite preview did not start")
	return ""
}

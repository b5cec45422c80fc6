// Package programtest runs the deployed program in a separate process, for tests that observe it
// from outside.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	binary := programtest.Build(t)
//	server := programtest.Start(t, binary, "DATABASE_URL="+url)
//	answer, err := programtest.Post(http.DefaultClient, server.URL, nil, `{ me { id } }`, nil)
//	…
//	server.Stop(t)
package programtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
)

// Secret signs the access tokens of a server that does not set JWT_SECRET.
const Secret = "q8Vt1wZ3uYb6KcR0xNfJ5hLd2PgS7mAeT9iXoE4rUvQ"

// Password is a password that every server accepts.
const Password = "correct horse battery"

// Build compiles the program and returns its path. Every user of the machine can execute it.
func Build(tb testing.TB) (binary string) {
	tb.Helper()
	binary = filepath.Join(dbtest.Directory(tb), "fieldgate")
	out, err := exec.CommandContext(tb.Context(), "go", "build", "-o", binary, "fieldgate").CombinedOutput()
	if err != nil {
		tb.Fatalf("programtest: go build: %v\n%s", err, out)
	}
	return binary
}

// Server is one server process.
type Server struct {
	URL     string // http://127.0.0.1:PORT
	Process *dbtest.Process
}

// Start starts a server on a free port of the loopback interface and waits until it serves. Entries
// of env are NAME=VALUE; the last value of a name wins. The server is killed after the test.
func Start(tb testing.TB, binary string, env ...string) *Server {
	tb.Helper()
	s := Launch(tb, binary, append([]string{"JWT_SECRET=" + Secret}, env...))
	Wait(tb, "the server serves", s.Process, func() bool {
		for _, line := range s.Log(tb) {
			if line["msg"] == "serving" {
				return true
			}
		}
		return false
	})
	return s
}

// Launch is Start without a JWT_SECRET and without waiting until the server is ready: it waits for
// /healthz alone.
func Launch(tb testing.TB, binary string, env []string, args ...string) *Server {
	tb.Helper()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(clustertest.FreePorts(tb, 1)))
	env = append([]string{"ADDR=" + addr, "LOG_FORMAT=json", "BCRYPT_COST=10"}, env...)
	process, err := dbtest.StartProcess(dbtest.Directory(tb), env, binary, args...)
	if err != nil {
		tb.Fatal("programtest: ", err)
	}
	tb.Cleanup(process.Kill)
	s := &Server{URL: "http://" + addr, Process: process}
	Wait(tb, "the server is alive", process, func() bool { return s.Status("/healthz") == http.StatusOK })
	return s
}

// Stop sends SIGTERM. The server must exit with status 0.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Fatal("programtest: ", err)
	}
	if err := s.Process.Err(); err != nil {
		tb.Errorf("programtest: the server exited with %v\n%s", err, s.Process.LogTail())
	}
}

// Log returns the complete lines that the server has logged so far.
func (s *Server) Log(tb testing.TB) (lines []map[string]any) {
	tb.Helper()
	content, err := os.ReadFile(s.Process.Log())
	if err != nil {
		tb.Fatal("programtest: ", err)
	}
	for line := range bytes.Lines(content) {
		var fields map[string]any
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &fields) == nil {
			lines = append(lines, fields)
		}
	}
	return lines
}

// Status returns the status of GET path, or 0 without a response.
func (s *Server) Status(path string) int {
	response, err := http.Get(s.URL + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// waitTimeout bounds operations that take seconds on an idle machine.
const waitTimeout = time.Minute

// Wait waits until ok returns true. It ends the test after a minute, or when the process has
// exited.
func Wait(tb testing.TB, what string, process *dbtest.Process, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(waitTimeout); !ok(); <-tick.C {
		select {
		case <-process.Exited():
			tb.Fatalf("waiting until %s: the process exited: %v\n%s", what, process.Err(), process.LogTail())
		default:
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waiting until %s: timeout after %s\n%s", what, waitTimeout, process.LogTail())
		}
	}
}

// Answer is the response to a GraphQL request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Data   map[string]any
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
}

// Code returns the code of the first error, or "" without an error.
func (a *Answer) Code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return fmt.Sprint(a.Errors[0].Extensions["code"])
}

// At returns the value at a path of Data, as in "me.id" or "users.0.id", or nil.
func (a *Answer) At(path string) (value any) {
	value = a.Data
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// Text is At for strings; it returns "" for any other value.
func (a *Answer) Text(path string) string {
	text, _ := a.At(path).(string)
	return text
}

// Post sends a GraphQL request to the server at origin. It returns an error only if no response
// arrives.
func Post(client *http.Client, origin string, header http.Header, query string, variables map[string]any) (*Answer, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, origin+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return send(client, r, header)
}

// Get is Post with the method GET.
func Get(client *http.Client, origin string, header http.Header, query string) (*Answer, error) {
	r, err := http.NewRequest(http.MethodGet, origin+"/graphql?query="+url.QueryEscape(query), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	return send(client, r, header)
}

func send(client *http.Client, r *http.Request, header http.Header) (*Answer, error) {
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: response.StatusCode, Header: response.Header, Body: string(content)}
	_ = json.Unmarshal(content, a) // a proxy's error page is not JSON
	return a, nil
}

// Bearer returns a header that sends an access token.
func Bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

var userCounter atomic.Int64

// Register registers a user at the server at origin. The response has register { accessToken
// refreshToken user { id email } session { id ip } }.
func Register(tb testing.TB, client *http.Client, origin string, header http.Header) *Answer {
	tb.Helper()
	a, err := Post(client, origin, header, `mutation($email: String!, $password: String!) {
		register(input: {name: "Ada", email: $email, password: $password, delivery: BODY}) {
			accessToken refreshToken user { id email } session { id ip }
		}
	}`, map[string]any{"email": fmt.Sprintf("user-%d@example.com", userCounter.Add(1)), "password": Password})
	if err != nil {
		tb.Fatal("programtest: ", err)
	}
	if a.Code() != "" || a.Text("register.accessToken") == "" {
		tb.Fatalf("programtest: register: %d %s", a.Status, a.Body)
	}
	return a
}

//go:build failure

package endurance

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/programtest"
)

var (
	soakRequests = flag.Int64("requests", 20_000, "how many requests TestSoak sends to each server")
	soakDuration = flag.Duration("duration", time.Minute, "the time over which TestSoak spreads them")
)

// soakUsers is the number of users. Each has one client with its own IP.
const soakUsers = 64

// soak sends mixed requests to one server at an even rate, and records what was acknowledged.
type soak struct {
	t          *testing.T
	server     *programtest.Server
	metrics    string // HOST:PORT
	client     *http.Client
	users      chan *soakUser // users that no worker is using
	userNumber atomic.Int64   // of users so far

	mu         sync.Mutex
	counts     map[string]int64
	violations []string
}

type soakUser struct {
	email, id, name, access, refresh string
	header                           http.Header // with the client's IP
}

// TestSoak checks that a server keeps every acknowledged write, and uses no more memory, goroutines
// and file descriptors at the end than after the first fifth of the requests.
func TestSoak(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		if strings.HasPrefix(databaseURL, "sqlite:") {
			dir := dbtest.Directory(t)
			noError(t, dbtest.ChownToServerUser(dir))
			databaseURL = "sqlite://" + dir + "/fieldgate.db"
		}
		s := newSoak(t, databaseURL)
		s.sendAtRate(*soakRequests / 5)
		before := s.measure()
		begin := time.Now()
		s.sendAtRate(*soakRequests - *soakRequests/5)
		took := time.Since(begin)
		after := s.measure()
		s.wantAcknowledgedState()
		for _, broken := range s.violations[:min(len(s.violations), 10)] {
			t.Error(broken)
		}
		if len(s.violations) > 0 {
			t.Fatalf("%d answers were wrong", len(s.violations))
		}
		name := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
		reportFigures(t, "soak "+name, fmt.Sprintf("%d requests at %.0f per second, %d of them writes, %d rejected as OVERLOADED and sent again: no acknowledged write was lost. "+
			"After a fifth of the requests the server had %v; at the end %v.", *soakRequests, float64(*soakRequests-*soakRequests/5)/took.Seconds(),
			s.counts["register"]+s.counts["login"]+s.counts["logout"]+s.counts["refresh"]+s.counts["updateProfile"], s.counts["OVERLOADED"], before, after))
		t.Log(s.counts)
		// 10,000 verified tokens are cached, half a kilobyte each. The pool has up to 32
		// connections, each with a goroutine.
		if after.heap > before.heap+before.heap/4+8<<20 || after.goroutines > before.goroutines+40 || after.files > before.files+40 {
			t.Errorf("the server leaks: %v, then %v", before, after)
		}
		s.server.Stop(t)
	})
}

func newSoak(t *testing.T, databaseURL string) *soak {
	t.Helper()
	s := &soak{t: t, counts: map[string]int64{}, users: make(chan *soakUser, soakUsers)}
	s.metrics = fmt.Sprintf("127.0.0.1:%d", clustertest.FreePorts(t, 1))
	s.server = programtest.Start(t, programtest.Build(t), "DATABASE_URL="+databaseURL, "ENV=production", "PUBLIC_URL=https://api.example.com",
		"TRUSTED_PROXIES=127.0.0.1", "METRICS_ADDR="+s.metrics, "LOG_LEVEL=info")
	s.client = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 16, MaxIdleConnsPerHost: 16}, Timeout: time.Minute}
	t.Cleanup(s.client.CloseIdleConnections)
	for range soakUsers {
		u := s.register()
		if u == nil {
			t.Fatal(s.violations)
		}
		s.users <- u
	}
	return s
}

// sendAtRate sends requests at the rate of the whole run and returns when all are answered.
func (s *soak) sendAtRate(requests int64) {
	interval := *soakDuration / time.Duration(*soakRequests)
	begin := time.Now()
	var next atomic.Int64
	var working sync.WaitGroup
	for range 16 {
		working.Go(func() {
			for {
				i := next.Add(1)
				if i > requests {
					return
				}
				<-time.After(time.Until(begin.Add(time.Duration(i) * interval)))
				s.users <- s.sendRandom(<-s.users)
			}
		})
	}
	working.Wait()
}

// sendRandom sends one request of a user. It returns the user, or a new one after a logout.
func (s *soak) sendRandom(u *soakUser) *soakUser {
	switch n := rand.IntN(1000); {
	case n < 620:
		s.wantMe(u)
	case n < 700:
		a := s.send("list", u, true, `{ permissions { field allowed } sessions { id current } me { name } }`, nil, "")
		s.check(a.Text("me.name") == u.name, "list", a)
	case n < 730:
		a, err := programtest.Get(s.client, s.server.URL, s.headerOf(u, true), `{ me { id } }`)
		s.record("me by GET", a, err, "")
	case n < 880:
		a := s.send("refresh", u, false, `mutation($t: String!) { refresh(refreshToken: $t) { accessToken refreshToken user { id } } }`, map[string]any{"t": u.refresh}, "")
		if s.check(a.Text("refresh.user.id") == u.id, "refresh", a) {
			u.access, u.refresh = a.Text("refresh.accessToken"), a.Text("refresh.refreshToken")
		}
	case n < 940:
		name := fmt.Sprintf("Ada %d", rand.Int64())
		a := s.send("updateProfile", u, true, `mutation($n: String!) { updateProfile(input: {name: $n}) { name } }`, map[string]any{"n": name}, "")
		if s.check(a.Text("updateProfile.name") == name, "updateProfile", a) {
			u.name = name
		}
	case n < 960:
		s.send("a wrong document", u, true, `{ me { nothing } }`, nil, "GRAPHQL_VALIDATION_FAILED")
	case n < 975:
		s.send("a denied field", u, true, `{ users { edges { cursor } } }`, nil, "FORBIDDEN")
	case n < 985:
		s.send("an unknown refresh token", u, false, `mutation { refresh(refreshToken: "unknown") { accessToken } }`, nil, "INVALID_TOKEN")
	case n < 993:
		s.signInAndOut(u)
	default:
		a := s.send("logout", u, true, `mutation($t: String) { logout(refreshToken: $t) }`, map[string]any{"t": u.refresh}, "")
		s.check(a.At("logout") == true, "logout", a)
		s.send("after logout", u, true, `{ me { id } }`, nil, "UNAUTHENTICATED")
		if fresh := s.register(); fresh != nil {
			return fresh
		}
	}
	return u
}

func (s *soak) wantMe(u *soakUser) {
	a := s.send("me", u, true, `{ me { id name } }`, nil, "")
	s.check(a.Text("me.id") == u.id && a.Text("me.name") == u.name, "me", a)
}

func (s *soak) signInAndOut(u *soakUser) {
	a := s.send("login", u, false, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { accessToken user { id } } }`,
		map[string]any{"e": u.email, "p": programtest.Password}, "")
	if !s.check(a.Text("login.user.id") == u.id, "login", a) {
		return
	}
	second := *u
	second.access = a.Text("login.accessToken")
	a = s.send("logout", &second, true, `mutation { logout }`, nil, "")
	s.check(a.At("logout") == true, "logout of the second session", a)
	s.send("after logout", &second, true, `{ me { id } }`, nil, "UNAUTHENTICATED")
}

func (s *soak) register() *soakUser {
	n := s.userNumber.Add(1)
	u := &soakUser{email: fmt.Sprintf("soak-%d@example.com", n), name: "Ada", header: http.Header{"X-Forwarded-For": {fmt.Sprintf("10.%d.%d.1", n/250, n%250)}}}
	a := s.send("register", u, false, `mutation($e: String!, $p: String!) { register(input: {name: "Ada", email: $e, password: $p, delivery: BODY}) { accessToken refreshToken user { id } } }`,
		map[string]any{"e": u.email, "p": programtest.Password}, "")
	u.id, u.access, u.refresh = a.Text("register.user.id"), a.Text("register.accessToken"), a.Text("register.refreshToken")
	if !s.check(u.id != "", "register", a) {
		return nil
	}
	return u
}

func (s *soak) headerOf(u *soakUser, signedIn bool) http.Header {
	header := u.header.Clone()
	if signedIn {
		header.Set("Authorization", "Bearer "+u.access)
	}
	return header
}

// send sends a request and checks the code of the response. It repeats the request after
// OVERLOADED, as a client should.
func (s *soak) send(name string, u *soakUser, signedIn bool, query string, variables map[string]any, code string) *programtest.Answer {
	for {
		a, err := programtest.Post(s.client, s.server.URL, s.headerOf(u, signedIn), query, variables)
		if err == nil && a.Code() == "OVERLOADED" {
			s.record("OVERLOADED", a, nil, "OVERLOADED")
			<-time.After(time.Second)
			continue
		}
		return s.record(name, a, err, code)
	}
}

func (s *soak) record(name string, a *programtest.Answer, err error, code string) *programtest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[name]++
	if err != nil {
		s.violations = append(s.violations, fmt.Sprintf("%s: %v", name, err))
		return &programtest.Answer{}
	}
	if a.Code() != code {
		s.violations = append(s.violations, fmt.Sprintf("%s: %d %s", name, a.Status, a.Body))
	}
	return a
}

func (s *soak) check(ok bool, name string, a *programtest.Answer) bool {
	if !ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.violations = append(s.violations, fmt.Sprintf("%s: not what was acknowledged: %s", name, a.Body))
	}
	return ok
}

// wantAcknowledgedState checks that every user has the last acknowledged name and can refresh.
func (s *soak) wantAcknowledgedState() {
	for range soakUsers {
		u := <-s.users
		s.wantMe(u)
		a := s.send("refresh", u, false, `mutation($t: String!) { refresh(refreshToken: $t) { user { id name } } }`, map[string]any{"t": u.refresh}, "")
		s.check(a.Text("refresh.user.name") == u.name, "refresh at the end", a)
	}
}

// usage is what an idle server uses.
type usage struct {
	heap              int64 // live bytes
	resident          int64 // bytes
	goroutines, files int64
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MB live heap, %.1f MB resident, %d goroutines, %d file descriptors", float64(u.heap)/1e6, float64(u.resident)/1e6, u.goroutines, u.files)
}

// measure returns the lowest values of several seconds, because mails, sweeps and idle connections
// come and go.
func (s *soak) measure() usage {
	s.t.Helper()
	s.client.CloseIdleConnections()
	lowest := s.measureOnce()
	for range 4 {
		<-time.After(time.Second)
		u := s.measureOnce()
		lowest = usage{min(lowest.heap, u.heap), min(lowest.resident, u.resident), min(lowest.goroutines, u.goroutines), min(lowest.files, u.files)}
	}
	return lowest
}

func (s *soak) measureOnce() usage {
	s.t.Helper()
	get := func(path string) io.ReadCloser {
		response, err := http.Get("http://" + s.metrics + path)
		noError(s.t, err)
		return response.Body
	}
	profile := get("/debug/pprof/heap?gc=1") // runs the garbage collector
	_, err := io.Copy(io.Discard, profile)
	noError(s.t, err)
	noError(s.t, profile.Close())
	page := get("/metrics")
	defer page.Close()
	values := map[string]int64{}
	for lines := bufio.NewScanner(page); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = int64(f)
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.server.Process.ID()))
	noError(s.t, err)
	return usage{
		heap: values["go_memstats_heap_alloc_bytes"], resident: values["process_resident_memory_bytes"],
		goroutines: values["go_goroutines"], files: int64(len(files)),
	}
}

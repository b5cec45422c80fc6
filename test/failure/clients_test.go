//go:build failure && unix

package failure

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/servertest"
)

// Codes after which a client repeats a request.
const (
	unavailable    = "UNAVAILABLE" // nothing was written
	overloaded     = "OVERLOADED"  // nothing was written
	outcomeUnknown = "INTERNAL"    // only if the answer to a COMMIT was lost
	noResponse     = "no answer"   // the connection was refused or broke
)

// maxWait bounds the time until a client is answered. It allows for a busy machine.
const maxWait = 20 * time.Second

// refreshGrace is the time after a rotation in which the parent token is accepted.
const refreshGrace = 10 * time.Second

// endpoint is the URL of a server. It can change when the server restarts.
type endpoint struct{ url atomic.Pointer[string] }

func endpointAt(url string) *endpoint {
	e := &endpoint{}
	e.url.Store(&url)
	return e
}

// clients are users of several servers of one database. Each registers, reads, refreshes, signs in
// and out and gets other roles, always through another server than before. They record what was
// acknowledged and check it.
type clients struct {
	t            *testing.T
	endpoints    []*endpoint
	client       *http.Client
	prefix       string
	admin        string // access token of an ADMIN
	next         atomic.Int64
	rounds       []atomic.Int64
	stop         chan struct{}
	workers      sync.WaitGroup
	work         func()        // repeated until end; round by default
	maxWait      time.Duration // until a client is answered
	maxStaleness time.Duration // for which a server may read outdated rows

	mu              sync.Mutex
	accounts        []*account
	signIns         map[string]int // expected audit entries by session
	signOuts        map[string]int
	unknownRequests []string // IDs of requests with an unknown outcome
	violations      []string // descriptions of broken promises
	counts          map[string]int
	window          *window
	windows         []*window
}

// account is a registered user with the current tokens.
type account struct{ id, email, token, refresh, session string }

// window is what the clients saw during one failure.
type window struct {
	name    string
	codes   map[string]int
	longest time.Duration // from the first attempt to the answer
}

func newClients(t *testing.T, prefix string, servers ...*endpoint) *clients {
	t.Helper()
	c := &clients{
		t: t, endpoints: servers, prefix: prefix, stop: make(chan struct{}),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: time.Minute},
		signIns: map[string]int{}, signOuts: map[string]int{}, counts: map[string]int{},
	}
	c.work, c.maxWait = c.round, maxWait
	c.openWindow("")
	t.Cleanup(c.client.CloseIdleConnections)
	return c
}

// start runs so many users until end is called.
func (c *clients) start(users int) {
	c.rounds = make([]atomic.Int64, users)
	for i := range users {
		c.workers.Go(func() {
			for !c.isStopped() {
				c.work()
				c.rounds[i].Add(1)
			}
		})
	}
}

func (c *clients) isStopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

func (c *clients) end() {
	close(c.stop)
	c.workers.Wait()
}

// openWindow begins a new window.
func (c *clients) openWindow(name string) *window {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window = &window{name: name, codes: map[string]int{}}
	return c.window
}

// during records what the clients see from the start of f until all of them have been answered
// again.
func (c *clients) during(name string, f func()) *window {
	c.t.Helper()
	w := c.openWindow(name)
	f()
	c.waitForRounds()
	c.openWindow("")
	c.windows = append(c.windows, w)
	if w.longest > c.maxWait {
		c.t.Errorf("%s: a client was answered after %s, want at most %s", name, w.longest, c.maxWait)
	}
	c.t.Logf("%-60s longest wait %-8s %v", name, w.longest.Round(time.Millisecond), w.codes)
	return w
}

// waitForRounds waits until each client has completed a round that began after the call.
func (c *clients) waitForRounds() {
	c.t.Helper()
	before := make([]int64, len(c.rounds))
	for i := range c.rounds {
		before[i] = c.rounds[i].Load()
	}
	waitUntil(c.t, "all clients are answered again", func() bool {
		for i := range c.rounds {
			if c.rounds[i].Load() < before[i]+2 {
				return false
			}
		}
		return true
	})
}

// waitUntil polls a condition and fails the test after a minute.
func waitUntil(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", condition)
		}
	}
}

const (
	registerQuery = `mutation($e: String!, $p: String!) { result: register(input: {name: "Ada", email: $e, password: $p, delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`
	loginQuery    = `mutation($e: String!, $p: String!) { result: login(input: {email: $e, password: $p, delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`
	refreshQuery  = `mutation($t: String!) { result: refresh(refreshToken: $t) { accessToken refreshToken user { id } session { id } } }`
	meQuery       = `{ result: me { id role } }`
	logoutQuery   = `mutation { result: logout }`
	setRoleQuery  = `mutation($u: ID!, $r: Role!) { result: setUserRole(userId: $u, role: $r) { role } }`
)

// round is the work of one user. Each change through one server is read through another at once.
func (c *clients) round() {
	here, there, m := c.registerNext()
	if m == nil {
		return
	}
	for range 8 {
		c.refresh(there, m)
		c.wantMe(here, m.token, m.id, "USER", "a refresh")
		here, there = there, here
	}
	if c.admin != "" {
		if _, code, _ := c.retry(here, c.admin, setRoleQuery, "u", m.id, "r", "STAFF"); code != "" {
			c.violate("a new role: %s", code)
		}
		c.wantMe(there, m.token, m.id, "STAFF", "a new role")
	}
	c.signInAndOut(here, there, m)
}

// registerNext registers a new user. The account is nil if that broke a promise.
func (c *clients) registerNext() (here, there int, m *account) {
	n := int(c.next.Add(1))
	here, there = n, n+1
	if m = c.register(here, fmt.Sprintf("%s%d@example.com", c.prefix, n)); m != nil {
		c.wantMe(there, m.token, m.id, "USER", "a registration")
	}
	return here, there, m
}

func (c *clients) register(here int, email string) *account {
	a, code, sure := c.retry(here, "", registerQuery, "e", email, "p", servertest.Password)
	if code == "EMAIL_TAKEN" && !sure {
		// The registration succeeded, and its answer was lost.
		a, code, _ = c.retry(here, "", loginQuery, "e", email, "p", servertest.Password)
		c.count("registrations whose answer was lost")
	}
	if code != "" {
		c.violate("the registration of %s: %s (no attempt before was written: %t)", email, code, sure)
		return nil
	}
	m := &account{email: email}
	m.setSession(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accounts = append(c.accounts, m)
	c.signIns[m.session]++
	c.counts["registrations"]++
	return m
}

func (m *account) setSession(a *servertest.Response) {
	m.id, m.session = a.Text("result.user.id"), a.Text("result.session.id")
	m.token, m.refresh = a.Text("result.accessToken"), a.Text("result.refreshToken")
}

func (c *clients) refresh(here int, m *account) {
	begin := time.Now()
	a, code, sure := c.retry(here, "", refreshQuery, "t", m.refresh)
	if code == "INVALID_TOKEN" && !sure && time.Since(begin) > refreshGrace {
		c.count("refreshes that were repeated too late") // the grace period is over
		if a, code, _ = c.retry(here, "", loginQuery, "e", m.email, "p", servertest.Password); code == "" {
			m.setSession(a)
			c.mu.Lock()
			c.signIns[m.session]++
			c.mu.Unlock()
		}
		return
	}
	if code != "" {
		c.violate("the newest refresh token: %s", code)
		return
	}
	m.setSession(a)
	c.count("refreshes")
}

// signInAndOut signs a user in on a second device through one server and out through the other.
func (c *clients) signInAndOut(here, there int, m *account) {
	a, code, _ := c.retry(there, "", loginQuery, "e", m.email, "p", servertest.Password)
	if code != "" {
		c.violate("the login of %s: %s", m.email, code)
		return
	}
	second := &account{}
	second.setSession(a)
	c.mu.Lock()
	c.signIns[second.session]++
	c.signOuts[second.session]++
	c.mu.Unlock()
	c.count("logins")
	c.wantMe(here, second.token, m.id, "", "a login")
	if _, code, _ := c.retry(here, second.token, logoutQuery); code != "" {
		c.violate("a logout: %s", code)
	}
	c.count("logouts")
	c.requireWithin(c.maxStaleness, func() string {
		if _, code, _ := c.retry(there, second.token, meQuery); code != "UNAUTHENTICATED" {
			return fmt.Sprintf("me after a logout through another server: %q, want UNAUTHENTICATED", code)
		}
		return ""
	})
	c.wantMe(there, m.token, m.id, "", "the logout of another device")
}

// wantMe checks the user and the role of a token. The role "" is any role.
func (c *clients) wantMe(here int, token, id, role, after string) {
	c.requireWithin(c.maxStaleness, func() string {
		a, code, _ := c.retry(here, token, meQuery)
		if code != "" || a.At("result.id") != id || role != "" && a.At("result.role") != role {
			return fmt.Sprintf("me after %s through another server: %q %s", after, code, a.Body)
		}
		return ""
	})
	c.count("reads")
}

// requireWithin repeats a check for a time. check returns how its promise is broken, or "".
func (c *clients) requireWithin(limit time.Duration, check func() (broken string)) {
	begin := time.Now()
	for {
		sent := time.Since(begin)
		broken := check()
		switch {
		case broken == "":
			return
		case sent >= limit:
			c.violate("%s", broken)
			return
		}
		c.count("stale reads")
	}
}

// retry repeats a request at one server after the other until it is answered, as a client should.
// sure reports whether each earlier attempt was rejected without writing anything.
func (c *clients) retry(here int, token, query string, variables ...any) (a *servertest.Response, code string, sure bool) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	sure = true
	for begin := time.Now(); ; <-tick.C {
		a, code = c.send(c.endpoints[here%len(c.endpoints)], token, query, variables...)
		c.record(a, code, time.Since(begin))
		switch code {
		case unavailable, overloaded:
		case outcomeUnknown, noResponse:
			sure = false
		default:
			return a, code, sure
		}
		if time.Since(begin) > time.Minute {
			return a, code, sure
		}
		here++
	}
}

// record counts the outcome of a request.
func (c *clients) record(a *servertest.Response, code string, waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts["requests"]++
	c.window.longest = max(c.window.longest, waited)
	switch code {
	case outcomeUnknown:
		id, _ := a.Errors[0].Extensions["requestId"].(string)
		c.unknownRequests = append(c.unknownRequests, id)
		c.window.codes[code]++
	case unavailable, overloaded, noResponse:
		c.window.codes[code]++
	}
}

func (c *clients) count(event string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[event]++
}

func (c *clients) violate(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

// send sends a request once. code is that of the first error, or "".
func (c *clients) send(e *endpoint, token, query string, variables ...any) (a *servertest.Response, code string) {
	vars := map[string]any{}
	for i := 0; i < len(variables); i += 2 {
		vars[variables[i].(string)] = variables[i+1]
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		panic(err) // strings only
	}
	a = &servertest.Response{}
	r, err := http.NewRequest(http.MethodPost, *e.url.Load()+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.client.Do(r)
	if err != nil {
		return a, noResponse
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return a, noResponse
	}
	if a, err = servertest.NewResponse(c.t, response.StatusCode, response.Header, string(content)); err != nil {
		return a, "not JSON"
	}
	if len(a.Errors) > 0 {
		code = fmt.Sprint(a.Errors[0].Extensions["code"])
	}
	return a, code
}

// wantPromisesKept compares, at the end, what was acknowledged to the clients with the servers and
// the database.
func (c *clients) wantPromisesKept(databaseURL string) {
	c.t.Helper()
	c.wantNoViolations()
	var checking sync.WaitGroup
	queue := make(chan *account)
	for i := range 8 {
		checking.Go(func() {
			for m := range queue {
				c.refresh(i, m)
				c.wantMe(i+1, m.token, m.id, "", "everything")
				if a, code, _ := c.retry(i, "", loginQuery, "e", m.email, "p", servertest.Password); code != "" {
					c.violate("%s cannot sign in: %s", m.email, code)
				} else {
					c.mu.Lock()
					c.signIns[a.Text("result.session.id")]++
					c.mu.Unlock()
				}
			}
		})
	}
	for _, m := range c.accounts {
		queue <- m
	}
	close(queue)
	checking.Wait()
	c.wantRows(databaseURL)
	c.wantNoViolations()
	c.t.Logf("%v", c.counts)
}

func (c *clients) wantNoViolations() {
	c.t.Helper()
	for _, violation := range c.violations[:min(10, len(c.violations))] {
		c.t.Error(violation)
	}
	if len(c.violations) > 0 {
		c.t.Fatalf("%d promises were broken", len(c.violations))
	}
}

// wantRows checks that the database has each acknowledged write once, and no write that was not
// acknowledged.
func (c *clients) wantRows(databaseURL string) {
	c.t.Helper()
	s := openStore(c.t, databaseURL)
	count := func(query string) map[string]int {
		rows, err := s.DB(c.t.Context()).Raw(query).Rows()
		if err != nil {
			c.t.Fatal(err)
		}
		defer rows.Close()
		list := map[string]int{}
		for rows.Next() {
			var key string
			var n int
			if err := rows.Scan(&key, &n); err != nil {
				c.t.Fatal(err)
			}
			list[key] = n
		}
		if err := rows.Err(); err != nil {
			c.t.Fatal(err)
		}
		return list
	}
	users := count("SELECT email_key, COUNT(*) FROM users WHERE email_key LIKE '" + c.prefix + "%' GROUP BY email_key")
	entries := count("SELECT u.email_key, COUNT(*) FROM audit a JOIN users u ON u.id = a.user_id WHERE a.event = 'registered' AND u.email_key LIKE '" + c.prefix + "%' GROUP BY u.email_key")
	for _, m := range c.accounts {
		if users[m.email] != 1 || entries[m.email] != 1 {
			c.t.Errorf("%s has %d rows and %d audit entries, want one each", m.email, users[m.email], entries[m.email])
		}
	}
	if len(users) != len(c.accounts) {
		c.t.Errorf("%d accounts for %d registrations", len(users), len(c.accounts))
	}
	signIns := count("SELECT session_id, COUNT(*) FROM audit WHERE event IN ('registered', 'sign-in') AND session_id IS NOT NULL GROUP BY session_id")
	for session, n := range c.signIns {
		// A registration whose answer was lost was followed by a sign-in. Its own session is in no
		// map.
		if signIns[session] != n {
			c.t.Errorf("session %s has %d audit entries of sign-ins", session, signIns[session])
		}
	}
	signOuts := count("SELECT session_id, COUNT(*) FROM audit WHERE event = 'signed out' AND session_id IS NOT NULL GROUP BY session_id")
	for session, n := range c.signOuts {
		if signOuts[session] != n {
			c.t.Errorf("session %s has %d audit entries of its logout", session, signOuts[session])
		}
	}
	reused := count("SELECT event, COUNT(*) FROM audit WHERE event = 'refresh token reused' GROUP BY event")
	if n := reused["refresh token reused"]; n != c.counts["refreshes that were repeated too late"] {
		c.t.Errorf("%d refreshes were treated as reuse, want %d", n, c.counts["refreshes that were repeated too late"])
	}
}

// wantUnknownOutcomesExplained checks in the servers' logs that INTERNAL was returned only after
// the answer to a COMMIT was lost.
func (c *clients) wantUnknownOutcomesExplained(logs string) {
	c.t.Helper()
	for _, id := range c.unknownRequests {
		explained := false
		for line := range strings.Lines(logs) {
			if strings.Contains(line, id) && strings.Contains(line, `"internal error"`) {
				explained = explained || strings.Contains(line, "lost at COMMIT")
				if !strings.Contains(line, "lost at COMMIT") {
					c.t.Errorf("an internal error other than a lost COMMIT: %s", line)
				}
			}
		}
		if !explained {
			c.t.Errorf("request %s returned INTERNAL, and the log has no reason", id)
		}
	}
}

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

// What a client is told, or not, that has to ask again.
const (
	unavailable    = "UNAVAILABLE" // nothing was done
	overloaded     = "OVERLOADED"  // the same
	outcomeUnknown = "INTERNAL"    // of a write whose answer was lost at COMMIT; nothing else may be
	noResponse     = "no answer"   // the connection was refused, or ended
)

// maxWait is that of a cluster, on a machine that is busy with other things too.
const maxWait = 20 * time.Second

// refreshGrace is how long after it was replaced a refresh token may be brought once more.
const refreshGrace = 10 * time.Second

// endpoint is where a server is, which may change when it is started anew.
type endpoint struct{ url atomic.Pointer[string] }

func endpointAt(url string) *endpoint {
	e := &endpoint{}
	e.url.Store(&url)
	return e
}

// clients are people who use several servers of one database at once: each registers, is asked for, refreshes, signs in
// and out, and gets other roles, always by way of another server than before. They know what they were promised.
type clients struct {
	t            *testing.T
	endpoints    []*endpoint
	client       *http.Client
	prefix       string
	admin        string // an access token
	next         atomic.Int64
	rounds       []atomic.Int64
	stop         chan struct{}
	workers      sync.WaitGroup
	work         func()        // what one does until all is over; round, unless a test has another idea
	maxWait      time.Duration // how long a client may have to ask until it is answered
	maxStaleness time.Duration // how long a server may read what another one has changed

	mu              sync.Mutex
	accounts        []*account
	signIns         map[string]int // audit events that there must be, by session
	signOuts        map[string]int
	unknownRequests []string // ids of requests whose outcome was said to be unknown
	violations      []string // promises
	counts          map[string]int
	window          *window
	windows         []*window
}

// account is somebody who was registered, and what they hold.
type account struct{ id, email, token, refresh, session string }

// window is what the clients saw while something happened.
type window struct {
	name    string
	codes   map[string]int
	longest time.Duration // from the first try to the answer
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

// start has people come and go until end is called.
func (c *clients) start(people int) {
	c.rounds = make([]atomic.Int64, people)
	for i := range people {
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

// during notes what the clients see from the beginning of f until all of them have been served again.
func (c *clients) during(name string, f func()) *window {
	c.t.Helper()
	w := c.openWindow(name)
	f()
	c.waitForRounds()
	c.openWindow("")
	c.windows = append(c.windows, w)
	if w.longest > c.maxWait {
		c.t.Errorf("%s: a client was answered after %s", name, w.longest)
	}
	c.t.Logf("%-60s longest wait %-8s %v", name, w.longest.Round(time.Millisecond), w.codes)
	return w
}

// waitForRounds waits until everybody has done a round that began after the call.
func (c *clients) waitForRounds() {
	c.t.Helper()
	before := make([]int64, len(c.rounds))
	for i := range c.rounds {
		before[i] = c.rounds[i].Load()
	}
	waitUntil(c.t, "everybody is served again", func() bool {
		for i := range c.rounds {
			if c.rounds[i].Load() < before[i]+2 {
				return false
			}
		}
		return true
	})
}

// waitUntil asks again and again.
func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
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

// round is what one person does. Whatever is changed by way of one server is asked for at the other, at once.
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

// registerNext registers somebody new; nobody if that has broken a promise.
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
		a, code, _ = c.retry(here, "", loginQuery, "e", email, "p", servertest.Password) // it was done, and the answer lost
		c.count("registrations whose answer was lost")
	}
	if code != "" {
		c.violate("the registration of %s: %s (that nothing was done before: %t)", email, code, sure)
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
		c.count("refreshes that were repeated too late") // which is what the grace is not for
		if a, code, _ = c.retry(here, "", loginQuery, "e", m.email, "p", servertest.Password); code == "" {
			m.setSession(a)
			c.mu.Lock()
			c.signIns[m.session]++
			c.mu.Unlock()
		}
		return
	}
	if code != "" {
		c.violate("a refresh token that was the newest: %s", code)
		return
	}
	m.setSession(a)
	c.count("refreshes")
}

// signInAndOut signs a person in on a second device, and out there.
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
			return fmt.Sprintf("after a logout by way of another server: %q", code)
		}
		return ""
	})
	c.wantMe(there, m.token, m.id, "", "the logout of another device")
}

// wantMe asks who somebody is; "" is any role.
func (c *clients) wantMe(here int, token, id, role, after string) {
	c.requireWithin(c.maxStaleness, func() string {
		a, code, _ := c.retry(here, token, meQuery)
		if code != "" || a.At("result.id") != id || role != "" && a.At("result.role") != role {
			return fmt.Sprintf("me after %s by way of another server: %q %s", after, code, a.Body)
		}
		return ""
	})
	c.count("reads")
}

// requireWithin checks a promise again for a time. check returns how it is broken.
func (c *clients) requireWithin(limit time.Duration, check func() (broken string)) {
	begin := time.Now()
	for {
		asked := time.Since(begin)
		broken := check()
		switch {
		case broken == "":
			return
		case asked >= limit:
			c.violate("%s", broken)
			return
		}
		c.count("stale reads")
	}
}

// retry asks until there is an answer, at one server after the other, as a client should. sure: whatever was said
// before has promised that nothing was done.
func (c *clients) retry(here int, token, query string, variables ...any) (a *servertest.Response, code string, sure bool) {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	sure = true
	for begin := time.Now(); ; <-again.C {
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

// record counts what a client was told.
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

func (c *clients) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

func (c *clients) violate(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

// send asks once. code is that of the first error, "" if there is none.
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

// wantPromisesKept checks, when all is over, what everybody was told, against what the servers and the database say.
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
					c.violate("%s cannot sign in any more: %s", m.email, code)
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
	for _, what := range c.violations[:min(10, len(c.violations))] {
		c.t.Error(what)
	}
	if len(c.violations) > 0 {
		c.t.Fatalf("%d promises were broken", len(c.violations))
	}
}

// wantRows looks for what is there too often, or was never answered for.
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
			c.t.Errorf("%s was registered: there are %d rows and %d entries in the audit log", m.email, users[m.email], entries[m.email])
		}
	}
	if len(users) != len(c.accounts) {
		c.t.Errorf("%d accounts for %d registrations", len(users), len(c.accounts))
	}
	signIns := count("SELECT session_id, COUNT(*) FROM audit WHERE event IN ('registered', 'sign-in') AND session_id IS NOT NULL GROUP BY session_id")
	for session, n := range c.signIns {
		// A registration whose answer was lost has a sign-in of its own, and its first session is nobody's.
		if signIns[session] != n {
			c.t.Errorf("session %s has %d entries in the audit log", session, signIns[session])
		}
	}
	signOuts := count("SELECT session_id, COUNT(*) FROM audit WHERE event = 'signed out' AND session_id IS NOT NULL GROUP BY session_id")
	for session, n := range c.signOuts {
		if signOuts[session] != n {
			c.t.Errorf("the logout of session %s has %d entries in the audit log", session, signOuts[session])
		}
	}
	reused := count("SELECT event, COUNT(*) FROM audit WHERE event = 'refresh token reused' GROUP BY event")
	if n := reused["refresh token reused"]; n != c.counts["refreshes that were repeated too late"] {
		c.t.Errorf("%d were taken for thieves", n)
	}
}

// wantUnknownOutcomesExplained: INTERNAL is said only of a COMMIT whose answer was lost, by the servers' logs.
func (c *clients) wantUnknownOutcomesExplained(logs string) {
	c.t.Helper()
	for _, id := range c.unknownRequests {
		explained := false
		for line := range strings.Lines(logs) {
			if strings.Contains(line, id) && strings.Contains(line, `"internal error"`) {
				explained = explained || strings.Contains(line, "lost at COMMIT")
				if !strings.Contains(line, "lost at COMMIT") {
					c.t.Errorf("an error that is none of those that can be: %s", line)
				}
			}
		}
		if !explained {
			c.t.Errorf("request %s ended in INTERNAL, and the log does not say why", id)
		}
	}
}

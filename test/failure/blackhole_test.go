//go:build failure && unix

package failure

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
)

// What a server promises whose database swallows packets: no reset, no answer.
const (
	outageTime                = 5 * time.Second
	detectionTime             = time.Second     // from the second second on, requests are refused
	maxRejectionTime          = time.Second     // 99 of 100 refused requests
	maxRecoveryTime           = 2 * time.Second // after the packets flow again
	requestersPerServer       = 48              // of each server: more than it has connections
	publicRequestersPerServer = 4               // who ask for what needs no database
)

var blackHoles = []struct {
	name string
	kind clustertest.Hole
}{
	{"behind a proxy that accepts connections", clustertest.HoleAfterAccept},
	{"on a host that is gone", clustertest.HoleBeforeAccept},
}

// blackHoleResult is what was measured of one.
type blackHoleResult struct {
	name       string
	clients    *clients
	rejections []time.Duration // how long each refusal took
	recovered  time.Duration   // when the last request was refused
}

// requestResult is one request of a load.
type requestResult struct {
	begin, end time.Time
	code       string
	retryAfter string
}

// requester asks the same again and again.
type requester struct {
	mu      sync.Mutex
	results []requestResult
}

// testBlackHole: the database is silent while people use the service and more clients ask than there
// are connections.
func testBlackHole(t *testing.T, kind clustertest.Hole) *blackHoleResult {
	t.Helper()
	node := clustertest.Single(t)
	way := clustertest.Forward(t, node.Addr())
	f := newFastHashFleet(t, way.URL(node.URL()))
	var envs [][]string
	for range 2 {
		envs = append(envs, []string{fmt.Sprintf("METRICS_ADDR=127.0.0.1:%d", clustertest.FreePorts(t, 1))})
	}
	f.addServersWithEnv(envs...)
	c := newClients(t, "silent-", f.endpoints()...)
	c.registerAdmin(node.URL())
	witness := c.register(0, "silent-witness@example.com")
	if witness == nil {
		t.Fatal(c.violations)
	}
	c.start(userCount)

	signedIn, public := make([]*requester, len(f.servers)), make([]*requester, len(f.servers))
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for i, s := range f.servers {
		signedIn[i], public[i] = &requester{}, &requester{}
		for range requestersPerServer {
			asking.Go(func() { signedIn[i].run(c, s.endpoint, witness.token, meQuery, stop) })
		}
		for range publicRequestersPerServer {
			asking.Go(func() { public[i].run(c, s.endpoint, "", `{ __typename __schema { queryType { name } } }`, stop) })
		}
	}
	for i := range f.servers {
		signedIn[i].waitForResults(t, 200)
	}
	before := f.resources(t)

	var swallowed, flowed time.Time
	c.during("the network swallows packets for five seconds "+blackHoleName(kind), func() {
		way.Swallow(kind)
		swallowed = time.Now()
		ready := time.NewTicker(200 * time.Millisecond)
		defer ready.Stop()
		for time.Since(swallowed) < outageTime {
			for _, s := range f.servers {
				asked := time.Since(swallowed)
				if status := s.status("/healthz"); status != http.StatusOK {
					t.Errorf("/healthz after %s: %d", asked, status)
				}
				if status := s.status("/readyz"); status != http.StatusServiceUnavailable && asked > 2*time.Second {
					t.Errorf("/readyz after %s: %d", asked, status)
				}
			}
			<-ready.C
		}
		flowed = time.Now()
		way.Restore()
		for _, s := range f.servers {
			s.waitReady()
		}
		if took := time.Since(flowed); took > maxRecoveryTime {
			t.Errorf("/readyz recovered after %s", took)
		}
	})
	c.waitForRounds()
	close(stop)
	asking.Wait()
	c.end()

	result := &blackHoleResult{clients: c, name: blackHoleName(kind)}
	for i := range f.servers {
		result.addResults(t, signedIn[i].results, swallowed, flowed)
		wantUnaffected(t, public[i].results)
	}
	if n := len(result.rejections); n < 100 {
		t.Fatalf("%d requests were refused", n)
	}
	slices.Sort(result.rejections)
	if p99 := result.percentile(99); p99 > maxRejectionTime {
		t.Errorf("99 of 100 requests were refused within %s, want %s", p99, maxRejectionTime)
	}
	if result.recovered > maxRecoveryTime {
		t.Errorf("requests were refused until %s after packets flowed again, want %s", result.recovered, maxRecoveryTime)
	}
	t.Logf("%d refused, half within %s, 99 of 100 within %s, all within %s; answered %s after packets flowed", len(result.rejections),
		result.percentile(50), result.percentile(99), result.percentile(100), result.recovered)
	c.wantPromisesKept(node.URL())
	c.wantUnknownOutcomesExplained(f.logs())
	c.client.CloseIdleConnections()
	f.wantNoLeak(t, before)
	return result
}

func blackHoleName(kind clustertest.Hole) string {
	for _, hole := range blackHoles {
		if hole.kind == kind {
			return hole.name
		}
	}
	return ""
}

// run asks until it is stopped, twenty times a second.
func (k *requester) run(c *clients, e *endpoint, token, query string, stop <-chan struct{}) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		begin := time.Now()
		a, code := c.send(e, token, query)
		one := requestResult{begin, time.Now(), code, ""}
		if a.Header != nil {
			one.retryAfter = a.Header.Get("Retry-After")
		}
		k.mu.Lock()
		k.results = append(k.results, one)
		k.mu.Unlock()
		select {
		case <-again.C:
		case <-stop:
			return
		}
	}
}

func (k *requester) waitForResults(t *testing.T, count int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d were answered", count), func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.results) >= count
	})
}

// addResults adds what the clients of one server saw.
func (r *blackHoleResult) addResults(t *testing.T, list []requestResult, swallowed, flowed time.Time) {
	t.Helper()
	wrong := map[string]int{}
	for _, a := range list {
		switch {
		case a.code == "":
			continue
		case a.code != unavailable:
			wrong[a.code]++
			continue
		case a.retryAfter == "":
			wrong["without Retry-After"]++
		}
		if a.begin.After(flowed) {
			r.recovered = max(r.recovered, a.begin.Sub(flowed))
		}
		if a.begin.After(swallowed.Add(detectionTime)) {
			r.rejections = append(r.rejections, a.end.Sub(a.begin))
		}
	}
	if len(wrong) > 0 {
		t.Errorf("who is signed in is told, beside %s: %v", unavailable, wrong)
	}
}

// wantUnaffected: what needs no database is answered as ever.
func wantUnaffected(t *testing.T, list []requestResult) {
	t.Helper()
	took := make([]time.Duration, len(list))
	for i, a := range list {
		took[i] = a.end.Sub(a.begin)
		if a.code != "" {
			t.Errorf("what needs no database: %q", a.code)
		}
	}
	slices.Sort(took)
	if p99 := took[(len(took)-1)*99/100]; p99 > maxRejectionTime {
		t.Errorf("99 of 100 requests that need no database took up to %s", p99)
	}
}

// percentile is of the sorted times.
func (r *blackHoleResult) percentile(p int) time.Duration {
	return r.rejections[(len(r.rejections)-1)*p/100].Round(time.Millisecond)
}

// resources are how many goroutines and files each server has.
func (f *fleet) resources(t *testing.T) (list []map[string]float64) {
	t.Helper()
	for _, s := range f.servers {
		list = append(list, s.resources(t))
	}
	return list
}

func (s *server) resources(t *testing.T) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, env := range s.env {
		addr, ok := strings.CutPrefix(env, "METRICS_ADDR=")
		if !ok {
			continue
		}
		response, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), " ")
			if name == "go_goroutines" || name == "process_open_fds" {
				if found[name], err = strconv.ParseFloat(value, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("the server does not count its goroutines")
	}
	return found
}

// wantNoLeak waits until each server has no more goroutines and files than before, when it had more
// clients.
func (f *fleet) wantNoLeak(t *testing.T, before []map[string]float64) {
	t.Helper()
	for i, s := range f.servers {
		var now map[string]float64
		waitUntil(t, fmt.Sprintf("server %s has no more than %v, it has %v", s.name, before[i], now), func() bool {
			now = s.resources(t)
			for name, n := range now {
				if n > before[i][name] {
					return false
				}
			}
			return true
		})
		t.Logf("server %s: before %v, after %v", s.name, before[i], now)
	}
}

func formatBlackHoleFigures(all []*blackHoleResult) string {
	var b strings.Builder
	b.WriteString("\n| a database that is silent | requests refused from the second second on | half of them within | 99 of 100 within | answered again after |\n|---|--:|--:|--:|--:|\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %d | %d ms | %d ms | %.1f s |\n", r.name, len(r.rejections), r.percentile(50).Milliseconds(), r.percentile(99).Milliseconds(), r.recovered.Seconds())
	}
	return b.String()
}

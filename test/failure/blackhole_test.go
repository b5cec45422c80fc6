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

// Limits while the database's network drops packets: no reset, no answer.
const (
	outageTime                = 5 * time.Second
	detectionTime             = time.Second     // after it, each server rejects requests at once
	maxRejectionTime          = time.Second     // of 99 % of the rejections
	maxRecoveryTime           = 2 * time.Second // after the network recovers
	requestersPerServer       = 48              // more than the pool has connections
	publicRequestersPerServer = 4               // send queries that need no database
)

var blackHoles = []struct {
	name string
	kind clustertest.Hole
}{
	{"behind a proxy that accepts connections", clustertest.HoleAfterAccept},
	{"on a host that is gone", clustertest.HoleBeforeAccept},
}

// blackHoleResult is what clients measured while the network dropped packets.
type blackHoleResult struct {
	name       string
	clients    *clients
	rejections []time.Duration // time of each rejection
	recovered  time.Duration   // time from recovery to the last rejection
}

// requestResult is one request of a requester.
type requestResult struct {
	begin, end time.Time
	code       string
	retryAfter string
}

// requester repeats one request.
type requester struct {
	mu      sync.Mutex
	results []requestResult
}

// testBlackHole drops the packets between the servers and their database while clients use the
// service and more requests are sent than the pools have connections.
func testBlackHole(t *testing.T, kind clustertest.Hole) *blackHoleResult {
	t.Helper()
	node := clustertest.Single(t)
	forwarder := clustertest.Forward(t, node.Addr())
	f := newFastHashFleet(t, forwarder.URL(node.URL()))
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
	var sending sync.WaitGroup
	for i, s := range f.servers {
		signedIn[i], public[i] = &requester{}, &requester{}
		for range requestersPerServer {
			sending.Go(func() { signedIn[i].run(c, s.endpoint, witness.token, meQuery, stop) })
		}
		for range publicRequestersPerServer {
			sending.Go(func() { public[i].run(c, s.endpoint, "", `{ __typename __schema { queryType { name } } }`, stop) })
		}
	}
	for i := range f.servers {
		signedIn[i].waitForResults(t, 200)
	}
	before := f.resources(t)

	var dropped, recovered time.Time
	c.during("the network swallows packets for five seconds "+blackHoleName(kind), func() {
		forwarder.Swallow(kind)
		dropped = time.Now()
		ready := time.NewTicker(200 * time.Millisecond)
		defer ready.Stop()
		for time.Since(dropped) < outageTime {
			for _, s := range f.servers {
				sent := time.Since(dropped)
				if status := s.status("/healthz"); status != http.StatusOK {
					t.Errorf("/healthz after %s: %d", sent, status)
				}
				if status := s.status("/readyz"); status != http.StatusServiceUnavailable && sent > 2*time.Second {
					t.Errorf("/readyz after %s: %d", sent, status)
				}
			}
			<-ready.C
		}
		recovered = time.Now()
		forwarder.Restore()
		for _, s := range f.servers {
			s.waitReady()
		}
		if took := time.Since(recovered); took > maxRecoveryTime {
			t.Errorf("/readyz recovered after %s, want %s", took, maxRecoveryTime)
		}
	})
	c.waitForRounds()
	close(stop)
	sending.Wait()
	c.end()

	result := &blackHoleResult{clients: c, name: blackHoleName(kind)}
	for i := range f.servers {
		result.addResults(t, signedIn[i].results, dropped, recovered)
		wantUnaffected(t, public[i].results)
	}
	if n := len(result.rejections); n < 100 {
		t.Fatalf("%d requests were rejected, want at least 100", n)
	}
	slices.Sort(result.rejections)
	if p99 := result.percentile(99); p99 > maxRejectionTime {
		t.Errorf("99 %% of the rejections took up to %s, want %s", p99, maxRejectionTime)
	}
	if result.recovered > maxRecoveryTime {
		t.Errorf("requests were rejected until %s after the recovery, want %s", result.recovered, maxRecoveryTime)
	}
	t.Logf("%d rejected, half within %s, 99 %% within %s, all within %s; answered again %s after the recovery", len(result.rejections),
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

// run sends the request twenty times a second until stop is closed.
func (k *requester) run(c *clients, e *endpoint, token, query string, stop <-chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		begin := time.Now()
		a, code := c.send(e, token, query)
		result := requestResult{begin, time.Now(), code, ""}
		if a.Header != nil {
			result.retryAfter = a.Header.Get("Retry-After")
		}
		k.mu.Lock()
		k.results = append(k.results, result)
		k.mu.Unlock()
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

func (k *requester) waitForResults(t *testing.T, count int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d requests were answered", count), func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.results) >= count
	})
}

// addResults adds the results of the requester of one server.
func (r *blackHoleResult) addResults(t *testing.T, list []requestResult, dropped, recovered time.Time) {
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
		if a.begin.After(recovered) {
			r.recovered = max(r.recovered, a.begin.Sub(recovered))
		}
		if a.begin.After(dropped.Add(detectionTime)) {
			r.rejections = append(r.rejections, a.end.Sub(a.begin))
		}
	}
	if len(wrong) > 0 {
		t.Errorf("signed-in clients got errors other than %s: %v", unavailable, wrong)
	}
}

// wantUnaffected checks that requests that need no database are answered as usual.
func wantUnaffected(t *testing.T, list []requestResult) {
	t.Helper()
	took := make([]time.Duration, len(list))
	for i, a := range list {
		took[i] = a.end.Sub(a.begin)
		if a.code != "" {
			t.Errorf("a request that needs no database: %q", a.code)
		}
	}
	slices.Sort(took)
	if p99 := took[(len(took)-1)*99/100]; p99 > maxRejectionTime {
		t.Errorf("99 %% of the requests that need no database took up to %s, want %s", p99, maxRejectionTime)
	}
}

// percentile returns a percentile of the sorted rejections.
func (r *blackHoleResult) percentile(p int) time.Duration {
	return r.rejections[(len(r.rejections)-1)*p/100].Round(time.Millisecond)
}

// resources returns the numbers of goroutines and open files of each server.
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
		t.Fatal("the server has no METRICS_ADDR, or no such metrics")
	}
	return found
}

// wantNoLeak waits until each server has no more goroutines and files than before, when it had more
// clients.
func (f *fleet) wantNoLeak(t *testing.T, before []map[string]float64) {
	t.Helper()
	for i, s := range f.servers {
		var now map[string]float64
		waitUntil(t, fmt.Sprintf("server %s has at most %v", s.name, before[i]), func() bool {
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
	b.WriteString("\n| packets are dropped | requests rejected after the first second | half of them within | 99 % within | answered again after |\n|---|--:|--:|--:|--:|\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %d | %d ms | %d ms | %.1f s |\n", r.name, len(r.rejections), r.percentile(50).Milliseconds(), r.percentile(99).Milliseconds(), r.recovered.Seconds())
	}
	return b.String()
}

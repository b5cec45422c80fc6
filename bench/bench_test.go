package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 99 - i
	}
	for _, row := range []struct {
		name string
		list []int
		q    float64
		want int
	}{
		{"the median of one value", []int{7}, 0.5, 7},
		{"the median of three values", []int{9, 1, 5}, 0.5, 5},
		{"the minimum", []int{9, 1, 5}, 0, 1},
		{"the maximum", []int{9, 1, 5}, 1, 9},
		{"p99 of a hundred values is the maximum", hundred, 0.99, 99},
	} {
		if got := quantile(row.list, row.q); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
}

// Load of other processes affects all servers of a round, so ratios are computed within rounds.
func TestRatioIsTakenWithinRounds(t *testing.T) {
	t.Parallel()
	fast := series{{perSecond: 200}, {perSecond: 20}, {perSecond: 400}}
	slow := series{{perSecond: 100}, {perSecond: 10}, {perSecond: 200}}
	if got := fast.ratio(slow, perSecond); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
}

func TestNumberFormatting(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ got, want string }{
		{formatCount(7), "7"},
		{formatCount(1000), "1,000"},
		{formatCount(2_000_000), "2,000,000"},
		{formatNumber(0.847), "0.85"},
		{formatNumber(9.996), "10.00"},
		{formatNumber(12.34), "12.3"},
		{formatNumber(12345.6), "12,346"},
	} {
		if row.got != row.want {
			t.Errorf("got %s, want %s", row.got, row.want)
		}
	}
}

// The load tool sends requests of many users, and each response must be that of its own request.
func TestLoadToolChecksEveryResponse(t *testing.T) {
	t.Parallel()
	const users = 40
	for _, row := range []struct {
		name   string
		second func(w http.ResponseWriter, who string) (body string) // the second response
		want   string                                                // part of the error
	}{
		{"all responses are correct", func(_ http.ResponseWriter, who string) string { return body(who) }, ""},
		{"one response is for another user", func(http.ResponseWriter, string) string { return body("person0") }, "responses were wrong, 0 connections failed"},
		{"one status is not 200", func(w http.ResponseWriter, who string) string {
			w.WriteHeader(http.StatusAccepted)
			return body(who)
		}, "responses were wrong, 0 connections failed"},
		{"one connection is closed", func(http.ResponseWriter, string) string { panic(http.ErrAbortHandler) }, "responses were wrong, 1 connections failed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			tool, err := newLoadTool(t.TempDir(), 4)
			if err != nil {
				dbtest.SkipOrFail(t, "wrk", "apt-get install wrk")
			}
			var n atomic.Int64
			var seen sync.Map
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != "ask\n]]" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%v, %q, %q", err, got, r.Header)
				}
				who := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				seen.Store(who, true)
				answer := body(who)
				if n.Add(1) == 2 {
					answer = row.second(w, who)
				}
				_, _ = io.WriteString(w, answer)
			}))
			t.Cleanup(server.Close)
			requests := make([]loadRequest, users)
			for i := range requests {
				who := fmt.Sprintf("person%d", i+1)
				requests[i] = loadRequest{who, body(who)}
			}
			l, err := tool.run(t.Context(), server.URL, "ask\n]]", requests, time.Second)
			if row.want != "" {
				if err == nil || !strings.Contains(err.Error(), row.want) {
					t.Errorf("got %v, want %q", err, row.want)
				}
				return
			}
			if err != nil || l.p50 <= 0 || l.p99 < l.p50 || l.took < 100*time.Millisecond {
				t.Errorf("got %+v, %v", l, err)
			}
			senders := 0
			seen.Range(func(any, any) bool { senders++; return true })
			if senders < min(users, l.requests/users) {
				t.Errorf("got %d users in %d requests, want all of them", senders, l.requests)
			}
		})
	}
}

func body(who string) string { return "\n{\"who\":\"" + who + "\"}\n" }

func TestUsageIncludesChildProcesses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		dbtest.SkipOrFail(t, "/proc", "not on this system")
	}
	// A child process keeps a CPU busy until the shell reads the end of its input, or for a limited
	// time. The command does not use the test's context, because that would kill the shell alone,
	// before the cleanup.
	cmd := exec.Command("sh", "-c", "(i=0; while [ $i -lt 10000000 ]; do i=$((i+1)); done) & read end; kill $!")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(t.Context(), cmd, filepath.Join(t.TempDir(), "log"), func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		<-p.exited
	})
	for {
		all, err := p.usage()
		if err != nil {
			t.Fatal(err)
		}
		alone, err := processorTime(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if all.memory > 0 && all.processor >= alone+5*clockTick {
			return
		}
		sleep(t.Context(), time.Millisecond)
	}
}

func TestStartErrorIncludesTheLog(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "no-such-command")
	_, err := startProcess(t.Context(), cmd, filepath.Join(t.TempDir(), "log"), func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "no-such-command: unknown command") {
		t.Errorf("got %v, want the output of the command", err)
	}
}

// The baseline and the peers look up the session with the same query.
func TestPeersUseTheSameSessionQuery(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("peers/users.js")
	if err != nil || !bytes.Contains(script, []byte("`"+sessionQuery+"`")) {
		t.Errorf("%v: users.js does not have the query %s", err, sessionQuery)
	}
}

// sampleResults returns results that meet every goal, as changed by change.
func sampleResults(change func(*results)) *results {
	race := func(list ...*implementation) (rows []comparison) {
		rates := map[*implementation]float64{handWritten: 1100, apollo: 90, apolloTuned: 200, mercurius: 150, mercuriusTuned: 300}
		for _, c := range list {
			rate := 1000.0
			if other, ok := rates[c]; ok {
				rate = other
			}
			took := time.Duration(1e9 / rate)
			rows = append(rows, comparison{Name: c.name, series: series{{rate, took, 2 * took, took / 2, took / 4}}})
			rows[len(rows)-1].ours = rows[0].series
		}
		return rows
	}
	servers := append([]*implementation{ours}, peers...)
	r := &results{
		Plan: quickPlan, Me: race(append([]*implementation{ours, handWritten}, peers...)...), Denied: race(servers...), WithoutLookup: race(oursWithRecheck, handWritten),
		BcryptRates: []float64{8}, BcryptTimes: []time.Duration{250 * time.Millisecond}, NodeBcryptRate: 9,
		Datasets: []datasetResult{{1000, race(ours)[0].series}, {2_000_000, race(ours)[0].series}},
	}
	for _, c := range servers {
		r.Starts = append(r.Starts, startResult{Name: c.name, Took: time.Second, Idle: 20e6, Loaded: 30e6})
		r.Logins = append(r.Logins, loginResult{c.name, []loginRound{{8, 0.96, time.Second / 4}, {8, 0.98, time.Second / 4}}})
		r.Storms = append(r.Storms, stormResult{c.name, time.Millisecond, 2 * time.Millisecond, time.Millisecond, 5 * time.Millisecond, 8, 0.9})
	}
	change(r)
	return r
}

func TestGoalsReportMisses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*results)
		missed string
	}{
		{"all goals are met", func(*results) {}, ""},
		{"logins are slow", func(r *results) { r.Logins[0].rounds[1].bcryptRatio = 0.5 }, "logins per second"},
		{"latency rises in the storm", func(r *results) { r.Storms[0].P99 = 7 * time.Millisecond }, "p99"},
		{"CPU time rises with accounts", func(r *results) { r.Datasets[1].series[0].processor *= 2 }, "2,000,000 accounts"},
		{"a peer is fast", func(r *results) { r.Me[3].series[0].perSecond = 251 }, "Apollo Server, tuned"},
	} {
		for _, g := range sampleResults(row.change).Goals() {
			if missed := row.missed != "" && strings.Contains(g.Name, row.missed); g.Met == missed {
				t.Errorf("%s: %+v", row.name, g)
			}
		}
	}
}

func TestReportIsWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "docs")
	r := sampleResults(func(r *results) { r.Me[5].Name = "Mercurius <tuned> & more" })
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| at least 10 | 11.1 | met |", "| Apollo Server | 90.0", "| 2,000,000 | 1,000 |", "| Apollo Server, tuned | 5.50 × | 5.50 × |", "](performance.svg)"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %s:\n%s", want, text)
		}
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "<no value>") || strings.Contains(line, "NaN") || strings.HasSuffix(line, " ") {
			t.Errorf("line %d: %q", i+1, line)
		}
	}
	chart, err := os.Open(filepath.Join(dir, "performance.svg"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chart.Close() })
	bars := 0
	for d := xml.NewDecoder(chart); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if want := 1 + len(r.Me) + len(r.Storms); bars != want {
		t.Errorf("got %d rectangles, want %d", bars, want)
	}
}

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"
)

// results holds all measurements, as the page shows them.
type results struct {
	Plan          plan
	Machine       machine
	Versions      []version
	Database      string // the server's version
	OwnDatabase   bool   // whether bench has started the server
	Parts         []partResult
	Size          sizes
	Starts        []startResult
	Me            []comparison
	Denied        []comparison
	WithoutLookup []comparison

	BcryptRates    []float64       // bare bcrypt comparisons per second on all CPUs
	BcryptTimes    []time.Duration // CPU time of one comparison, in each round
	NodeBcryptRate float64         // comparisons per second of the peers' library
	Logins         []loginResult
	Storms         []stormResult
	Datasets       []datasetResult
}

type machine struct {
	Processor string
	Cores     int
	Memory    string
	System    string
	Date      string
	Revision  string
}

type version struct{ Name, Version string }

type partResult struct {
	Name string
	Took time.Duration
}

type sizes struct{ Binary, Node, Modules int64 }

type startResult struct {
	Name         string
	Took         time.Duration
	Idle, Loaded int64 // bytes
}

// comparison holds the rounds of one server and those of Fieldgate.
type comparison struct {
	Name string
	series
	ours series
}

// Speedup is the ratio of Fieldgate's requests per second to the server's. ProcessorRatio is the
// ratio of the server's CPU time per request to Fieldgate's, as P50Ratio and P99Ratio are of the
// latencies.
func (r comparison) Speedup() float64        { return r.ours.ratio(r.series, perSecond) }
func (r comparison) ProcessorRatio() float64 { return r.ratio(r.ours, processor) }
func (r comparison) P50Ratio() float64       { return r.ratio(r.ours, p50) }
func (r comparison) P99Ratio() float64       { return r.ratio(r.ours, p99) }
func (r comparison) MinSpeedup() float64     { return r.spread(0) }
func (r comparison) MaxSpeedup() float64     { return r.spread(1) }
func (r comparison) spread(q float64) float64 {
	list := make([]float64, len(r.series))
	for i := range list {
		list[i] = r.ours[i].perSecond / r.series[i].perSecond
	}
	return quantile(list, q)
}

type loginResult struct {
	Name   string
	rounds []loginRound
}

func (l loginResult) PerSecond() float64 {
	return l.meanOf(func(r loginRound) float64 { return r.perSecond })
}

func (l loginResult) BcryptRatio() float64 {
	return l.meanOf(func(r loginRound) float64 { return r.bcryptRatio })
}

func (l loginResult) Processor() float64 {
	return l.meanOf(func(r loginRound) float64 { return r.processor.Seconds() })
}

func (l loginResult) meanOf(what func(loginRound) float64) float64 {
	list := make([]float64, len(l.rounds))
	for i, r := range l.rounds {
		list[i] = what(r)
	}
	return mean(list)
}

type stormResult struct {
	Name                       string
	IdleP50, IdleP99, P50, P99 time.Duration
	PerSecond, BcryptRatio     float64
}

func (s stormResult) P50Ratio() float64 { return s.P50.Seconds() / s.IdleP50.Seconds() }
func (s stormResult) P99Ratio() float64 { return s.P99.Seconds() / s.IdleP99.Seconds() }

type datasetResult struct {
	Users int
	series
}

// ProcessorRatio compares the CPU time of the server with that in the smallest dataset.
func (r *results) ProcessorRatio(c datasetResult) float64 {
	return c.ratio(r.Datasets[0].series, processor)
}

// DatabaseRatio compares the CPU time of the database with that in the smallest dataset.
func (r *results) DatabaseRatio(c datasetResult) float64 {
	return c.ratio(r.Datasets[0].series, database)
}

// BcryptRate is the median of BcryptRates.
func (r *results) BcryptRate() float64 { return median(r.BcryptRates) }

// BcryptTime is the median of BcryptTimes, in seconds.
func (r *results) BcryptTime() float64 { return median(r.BcryptTimes).Seconds() }

// goal is a target with the measured value.
type goal struct {
	Name, Target string
	Measured     float64
	Met          bool
}

func find(list []comparison, c *implementation) comparison {
	return list[slices.IndexFunc(list, func(row comparison) bool { return row.Name == c.name })]
}

// ceiling compares the hand-written handler with a peer, for me.
type ceiling struct {
	Name                    string
	Speedup, ProcessorRatio float64
}

// Ceilings returns the bounds of what Fieldgate can reach against the peers in its goals.
func (r *results) Ceilings() (list []ceiling) {
	hand := find(r.Me, handWritten)
	for _, c := range []*implementation{apollo, apolloTuned} {
		p := find(r.Me, c)
		list = append(list, ceiling{p.Name, hand.ratio(p.series, perSecond), p.ratio(hand.series, processor)})
	}
	return list
}

func (r *results) Goals() []goal {
	least := func(name string, target, got float64) goal {
		return goal{name, fmt.Sprintf("at least %v", target), got, got >= target}
	}
	most := func(name string, target, got float64) goal {
		return goal{name, fmt.Sprintf("at most %v", target), got, got <= target}
	}
	storm, last := r.Storms[0], r.Datasets[len(r.Datasets)-1]
	return []goal{
		least("`me`: requests per second, as a share of the hand-written handler", 0.85, find(r.Me, handWritten).Speedup()),
		least("a gated field without a session lookup (`SESSION_RECHECK=5s`): requests per second, as a share of a hand-written "+
			"handler that only verifies the token", 0.9, find(r.WithoutLookup, handWritten).Speedup()),
		least("logins per second, as a share of bare bcrypt", 0.95, r.Logins[0].BcryptRatio()),
		most("`me` during a login storm: p50, as a multiple of p50 without load", 1.5, storm.P50Ratio()),
		most("`me` during a login storm: p99, as a multiple of p99 without load", 3, storm.P99Ratio()),
		least("guesses answered during the storm, as a share of bare bcrypt", 0.85, storm.BcryptRatio),
		most(fmt.Sprintf("`me` with %s accounts: CPU time, as a multiple of that with %s", formatCount(last.Users), formatCount(r.Datasets[0].Users)), 1.1, r.ProcessorRatio(last)),
		least("`me`: requests per second, as a multiple of Apollo Server", 10, find(r.Me, apollo).Speedup()),
		least("`me`: requests per second, as a multiple of Apollo Server, tuned", 4, find(r.Me, apolloTuned).Speedup()),
	}
}

// Implementations returns the servers whose settings the page lists.
func (r *results) Implementations() []implementation {
	var list []implementation
	for _, c := range append([]*implementation{ours, oursWithRecheck, oursUnlimited, handWritten}, peers...) {
		list = append(list, *c)
	}
	return list
}

// Name returns the server's name for the page.
func (c implementation) Name() string { return c.name }

// Settings returns the server's settings for the page, in Markdown.
func (c implementation) Settings() string { return c.settings }

//go:embed performance.md.tmpl
var pageTemplate string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": formatCount,
	"x":     func(f float64) string { return formatNumber(f) + " ×" },
	"num":   formatNumber,
	"µs":    func(seconds float64) string { return fmt.Sprintf("%.0f µs", seconds*1e6) },
	"ms":    func(seconds float64) string { return formatNumber(seconds*1e3) + " ms" },
	"took":  func(d time.Duration) string { return formatNumber(d.Seconds()*1e3) + " ms" },
	"s":     func(d time.Duration) string { return fmt.Sprintf("%v s", d.Seconds()) },
	"whole": func(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) },
	"MB":    func(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) },
	"sum":   func(a, b int64) int64 { return a + b },
}).Parse(pageTemplate))

// formatNumber formats a number with about three significant digits.
func formatNumber(f float64) string {
	switch {
	case f >= 100:
		return formatCount(int(f + 0.5))
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// formatCount formats a number with thousands separators: 1,000,000.
func formatCount(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// write writes the page and its chart to a folder.
func (r *results) write(folder string) error {
	var text bytes.Buffer
	if err := page.Execute(&text, r); err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "performance.md"), text.Bytes(), 0o644),
		os.WriteFile(filepath.Join(folder, "performance.svg"), r.chart(), 0o644),
	)
}

// describe records the machine and the versions of the measurement.
func (b *bench) describe(ctx context.Context) error {
	b.results.Machine = machine{
		Processor: procField("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: memorySize(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Date: time.Now().UTC().Format(time.DateOnly), Revision: revision(ctx, b.root),
	}
	node, err := exec.CommandContext(ctx, b.node, "--version").Output()
	if err != nil {
		return err
	}
	out, _ := exec.CommandContext(ctx, b.load.wrk, "--version").CombinedOutput()
	wrk, _, _ := strings.Cut(strings.TrimPrefix(string(out), "wrk "), " ")
	b.results.Versions = []version{
		{"Go", strings.TrimPrefix(runtime.Version(), "go")}, {"Node", strings.TrimSpace(strings.TrimPrefix(string(node), "v"))}, {"wrk", wrk},
	}
	text, err := os.ReadFile(filepath.Join(b.peers, "package.json"))
	if err != nil {
		return err
	}
	var pkg struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &pkg); err != nil {
		return err
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range pkg.Dependencies {
			if !yield(name) {
				return
			}
		}
	}) {
		b.results.Versions = append(b.results.Versions, version{name, pkg.Dependencies[name]})
	}
	return nil
}

// procField returns the first value of this name in a file of /proc, or "unknown".
func procField(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// memorySize returns the memory size of the machine.
func memorySize() string {
	var kB float64
	if _, err := fmt.Sscan(procField("/proc/meminfo", "MemTotal"), &kB); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GB", kB*1024/1e9)
}

// revision returns the measured commit, or "unknown" outside a git repository.
func revision(ctx context.Context, root string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is the prefix of every metric of this package.
const namespace = "fieldgate"

// row is one metric in the documentation table.
type row struct {
	name   string // without the namespace
	kind   string
	labels []string
	help   string
}

func (m *Metrics) add(c prometheus.Collector, r row) {
	m.registry.MustRegister(c)
	m.rows = append(m.rows, r)
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.add(v, row{name, "counter", labels, help})
	return v
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.add(v, row{name, "histogram", labels, help})
	return v
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.add(g, row{name, "gauge", nil, help})
	return g
}

// desc describes a metric whose value another package keeps.
func (m *Metrics) desc(kind, name, help string, labels ...string) *prometheus.Desc {
	m.rows = append(m.rows, row{name, kind, labels, help})
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// collector yields metrics during a scrape. It describes none in advance, so that their names are
// defined in one place. The registry checks them during the scrape.
type collector func(yield func(prometheus.Metric))

// Describe implements prometheus.Collector.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	c(func(m prometheus.Metric) { to <- m })
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

// Names returns the names of all metrics of this package, sorted.
func (m *Metrics) Names() (list []string) {
	for _, r := range m.rows {
		list = append(list, namespace+"_"+r.name)
	}
	slices.Sort(list)
	return list
}

// Table returns the metrics of this package as a Markdown table, for docs/reference/metrics.md.
func (m *Metrics) Table() string {
	rows := slices.SortedFunc(slices.Values(m.rows), func(a, b row) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, r := range rows {
		labels := ""
		if len(r.labels) > 0 {
			labels = "`" + strings.Join(r.labels, "`, `") + "`"
		}
		b.WriteString("| `" + namespace + "_" + r.name + "` | " + r.kind + " | " + labels + " | " + r.help + " |\n")
	}
	return b.String()
}

package e2e

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"fieldgate/internal/dbtest"
)

// promQL is an expression of the dashboard or an alert; source is the title of its panel or the
// alert's name.
type promQL struct{ source, expr string }

// dashboardQueries returns the queries of deploy/grafana/fieldgate.json, with Grafana's variables
// replaced.
func dashboardQueries(t *testing.T) (list []promQL) {
	t.Helper()
	content, err := os.ReadFile("deploy/grafana/fieldgate.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Title         string
		SchemaVersion int
		Panels        []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, W int }
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.SchemaVersion < 41 {
		t.Errorf("got title %q, schema version %d, want a title and at least 41", d.Title, d.SchemaVersion)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d %q has a duplicate id, no title, no room or no query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			list = append(list, promQL{p.Title, strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")})
		}
	}
	return list
}

// alertQueries returns the expressions of deploy/prometheus-alerts.yml.
func alertQueries(t *testing.T) (list []promQL) {
	t.Helper()
	content, err := os.ReadFile("deploy/prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(content, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("alert %v lacks a name, severity, summary or description", rule)
			}
			list = append(list, promQL{rule.Alert, rule.Expr})
		}
	}
	return list
}

var (
	quotedTextPattern   = regexp.MustCompile(`"[^"]*"`)
	metricNamePattern   = regexp.MustCompile(`\b(?:fieldgate|go|process)_\w+`)
	labelMatcherPattern = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"([^"]*)"`)
)

// Every metric and label value that the dashboard and the alerts use exists, and the dashboard
// shows every metric.
func TestDashboardAndAlertsUseExistingMetrics(t *testing.T) {
	t.Parallel()
	b := bootWithSchema(t, reportOnlySchema(t), dbtest.SQLite(t), metricsEnv...)
	b.NewUser("USER")
	series := b.scrapeSeries()
	onDashboard := ""
	check := func(where string, list []promQL) {
		if len(list) == 0 {
			t.Errorf("%s: no queries", where)
		}
		for _, q := range list {
			for _, name := range metricNamePattern.FindAllString(quotedTextPattern.ReplaceAllString(q.expr, ""), -1) {
				if !slices.ContainsFunc(series, func(s string) bool { return s == name || strings.HasPrefix(s, name+"{") }) {
					t.Errorf("%s: %s: no metric %s", where, q.source, name)
				}
			}
			for _, match := range labelMatcherPattern.FindAllStringSubmatch(q.expr, -1) {
				label, values := match[1], match[2]
				if strings.HasPrefix(values, "$") { // job and instance, which Prometheus adds
					continue
				}
				for value := range strings.SplitSeq(values, "|") {
					if !slices.ContainsFunc(series, func(s string) bool { return strings.Contains(s, label+`="`+value+`"`) }) {
						t.Errorf("%s: %s: no series has %s=%q", where, q.source, label, value)
					}
				}
			}
			if strings.Count(q.expr, "(") != strings.Count(q.expr, ")") || strings.Count(q.expr, "{") != strings.Count(q.expr, "}") {
				t.Errorf("%s: %s: unbalanced brackets in %s", where, q.source, q.expr)
			}
		}
	}
	dashboard := dashboardQueries(t)
	check("the dashboard", dashboard)
	check("the alerts", alertQueries(t))
	for _, q := range dashboard {
		onDashboard += q.expr + "\n"
	}
	for _, name := range b.internal.Metrics.Names() {
		if !regexp.MustCompile(name + `(_bucket|_sum|_count)?\b`).MatchString(onDashboard) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

//go:build failure && unix

package failure

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/clustertest"
)

// TestFailure runs the suites whose results are published. FIGURES=docs/operations.md writes the
// results into that file. Run it alone then: it mostly waits, so it normally runs beside the other
// tests.
func TestFailure(t *testing.T) {
	t.Parallel()
	var cluster, database, pair []*clients
	silences := make([]*blackHoleResult, len(blackHoles))
	t.Run("of", func(t *testing.T) {
		t.Run("a cluster", func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, "deploy/haproxy-galera.cfg")
			cluster = append(cluster, testCluster(t, c), testMultiWriter(t, c))
		})
		t.Run("the only database", func(t *testing.T) {
			t.Parallel()
			database = append(database, testSingleDatabase(t, clustertest.Single(t)))
		})
		t.Run("a primary and its replica", func(t *testing.T) {
			t.Parallel()
			pair = append(pair, testPair(t, clustertest.MariaDBPair(t)))
		})
		for i, hole := range blackHoles {
			t.Run("a database that is silent "+hole.name, func(t *testing.T) {
				t.Parallel()
				silences[i] = testBlackHole(t, hole.kind)
			})
		}
	})
	if t.Failed() || len(cluster) == 0 || len(database) == 0 || len(pair) == 0 {
		return
	}
	figures := formatFigures(slices.Concat(cluster, database, pair)) + formatBlackHoleFigures(silences)
	t.Log("\n" + figures)
	if name := os.Getenv("FIGURES"); name != "" {
		writeFigures(t, name, "failures", figures)
	}
}

var figuresFile sync.Mutex

func formatFigures(all []*clients) string {
	var b strings.Builder
	b.WriteString("| failure | longest wait of a client | retries after a rejection | no answer | unknown outcome |\n|---|--:|--:|--:|--:|\n")
	sum := map[string]int{}
	for _, c := range all {
		for _, w := range c.windows {
			fmt.Fprintf(&b, "| %s | %.1f s | %d | %d | %d |\n", w.name, w.longest.Seconds(), w.codes[unavailable]+w.codes[overloaded], w.codes[noResponse], w.codes[outcomeUnknown])
		}
		for what, n := range c.counts {
			sum[what] += n
		}
	}
	fmt.Fprintf(&b, "\n%d requests: %d registrations, %d refreshes, %d sign-ins, %d sign-outs. Lost writes: 0. Repeated writes: 0. "+
		"Sessions revoked by a late retry: %d. Stale reads through another server: 0. Conflicts between nodes that the servers resolved: %d.\n",
		sum["requests"], sum["registrations"], sum["refreshes"], sum["logins"], sum["logouts"],
		sum["refreshes that were repeated too late"], sum["conflicts"])
	return b.String()
}

// writeFigures replaces the text between two comments of a file.
func writeFigures(t *testing.T, name, section, figures string) {
	t.Helper()
	figuresFile.Lock() // tests run at once
	defer figuresFile.Unlock()
	begin, end := "<!-- "+section+" -->\n", "<!-- /"+section+" -->"
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), begin)
	_, after, also := strings.Cut(rest, end)
	if !found || !also {
		t.Fatalf("%s has no %s…%s", name, begin, end)
	}
	if err := os.WriteFile(name, []byte(before+begin+figures+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

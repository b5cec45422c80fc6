//go:build failure && unix

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fieldgate/internal/clustertest"
)

// The parts that are measured, one after the other. FIGURES=docs/operations.md writes what was seen into that file.
func TestFailure(t *testing.T) {
	var figures strings.Builder
	figures.WriteString("| while | longest wait of a client | told to ask again | not answered | outcome unknown |\n|---|--:|--:|--:|--:|\n")
	sum := map[string]int{}
	part := func(name string, f func(t *testing.T) *clients) {
		t.Run(name, func(t *testing.T) {
			c := f(t)
			for _, w := range c.windows {
				fmt.Fprintf(&figures, "| %s | %.1f s | %d | %d | %d |\n", w.name, w.longest.Seconds(), w.codes[later]+w.codes[busy], w.codes[noAnswer], w.codes[unknown])
			}
			for what, n := range c.counts {
				sum[what] += n
			}
		})
	}
	t.Run("of a cluster", func(t *testing.T) {
		cluster := clustertest.Start(t, "deploy/haproxy-galera.cfg")
		part("with one writer", func(t *testing.T) *clients { return testCluster(t, cluster) })
		part("whose nodes all write", func(t *testing.T) *clients { return testAllWrite(t, cluster) })
	})
	part("of the only database", func(t *testing.T) *clients { return testOneDatabase(t, clustertest.Single(t)) })
	if t.Failed() || t.Skipped() {
		return
	}
	fmt.Fprintf(&figures, "\n%d requests of %d people with %d refreshes, %d sign-ins and %d sign-outs, in one run on a machine with two processors: no "+
		"acknowledged change was lost, none was done twice, nobody was signed out, and no server saw what another one had changed too late. %d "+
		"transactions collided with another node's and were repeated by the server.\n",
		sum["requests"], sum["registrations"], sum["refreshes"], sum["logins"], sum["logouts"], sum["conflicts"])
	t.Log("\n" + figures.String())
	if name := os.Getenv("FIGURES"); name != "" {
		writeFigures(t, name, figures.String())
	}
}

// writeFigures replaces what stands between two comments of a file.
func writeFigures(t *testing.T, name, figures string) {
	t.Helper()
	const begin, end = "<!-- failures -->\n", "<!-- /failures -->"
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

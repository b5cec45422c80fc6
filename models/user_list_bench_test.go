package models

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// BenchmarkUsers measures pages of 20 accounts in a large table and, alternating, in a table of
// 1,000. The metric "x" is the ratio of the medians. The large table has 20,000 accounts, or
// BENCH_USERS.
//
//	BENCH_USERS=1000000 go test -run '^$' -bench Users -benchtime 500x -timeout 30m ./models
func BenchmarkUsers(b *testing.B) {
	many := 20_000
	if text := os.Getenv("BENCH_USERS"); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil || many < benchFew {
			b.Fatalf("BENCH_USERS=%s: expected a number, at least %d", text, benchFew)
		}
	}
	for _, database := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", dbtest.SQLite}, {"mysql", dbtest.MySQL}} {
		b.Run(database.name, func(b *testing.B) {
			benchmarkUsers(b, newUserDataset(b, database.url(b), benchFew), newUserDataset(b, database.url(b), many))
		})
	}
}

const benchFew = 1000

func benchmarkUsers(b *testing.B, few, many *userDataset) {
	for _, page := range datasetPages {
		page.filter.Limit = 20
		fewCursors, manyCursors := few.cursors(b, page.after), many.cursors(b, page.after)
		for way, name := range []string{page.name, page.name + "-backwards"} {
			b.Run(name, func(b *testing.B) {
				var fewTook, manyTook []time.Duration
				for b.Loop() {
					i := rand.N(len(fewCursors))
					fewTook = append(fewTook, few.read(b, page.filter, fewCursors[i], way))
					manyTook = append(manyTook, many.read(b, page.filter, manyCursors[i], way))
				}
				f, m := median(fewTook), median(manyTook)
				b.ReportMetric(0, "ns/op") // the sum of both would mislead
				b.ReportMetric(float64(f.Microseconds()), "µs/few")
				b.ReportMetric(float64(m.Microseconds()), "µs/many")
				b.ReportMetric(m.Seconds()/f.Seconds(), "x")
			})
		}
	}
}

func median(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}

// read returns how long the page after a cursor takes, or the page before it.
func (c *userDataset) read(b *testing.B, f UserFilter, at Cursor, way int) time.Duration {
	b.Helper()
	f.After = at
	f = bothWays(f)[way]
	start := time.Now()
	_, err := c.Users(b.Context(), f)
	c.must(b, err)
	return time.Since(start)
}

package e2e

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// BenchmarkStorm measures the latency of me while 64 connections guess passwords, relative to an
// idle server, and the share of the hashes that all processors could do.
//
//	go test -run '^$' -bench Storm -benchtime 1x ./test/e2e
func BenchmarkStorm(b *testing.B) {
	const (
		connections = 64
		lasts       = 10 * time.Second
	)
	server, _ := startProcess(b, dbtest.SQLite(b), "BCRYPT_COST=12", "LIMITS=off")
	p := server.NewUser("USER")
	for b.Loop() {
		idle := latencies(b, server, p, lasts/2)
		capacity := hashesPerSecond(b, lasts/2)

		storm, stop := context.WithCancel(b.Context())
		var guesses atomic.Int64
		var wg sync.WaitGroup
		for range connections {
			wg.Go(func() {
				for storm.Err() == nil {
					got := server.Query(nil, `mutation($e: String!) { login(input: {email: $e, password: "a wrong guess"}) { tokenType } }`, "e", p.Email)
					if codes := got.Codes(); len(codes) == 1 && codes[0] == "login INVALID_CREDENTIALS" {
						guesses.Add(1)
					}
				}
			})
		}
		latencies(b, server, p, time.Second) // until the queue is full
		before := guesses.Load()
		stormy := latencies(b, server, p, lasts)
		answered := float64(guesses.Load()-before) / lasts.Seconds()
		stop()
		wg.Wait()

		b.ReportMetric(0, "ns/op")
		b.ReportMetric(quantile(stormy, 0.5)/quantile(idle, 0.5), "p50-of-idle")
		b.ReportMetric(quantile(stormy, 0.99)/quantile(idle, 0.99), "p99-of-idle")
		b.ReportMetric(answered/capacity, "of-all-hashes")
	}
}

// latencies returns the latencies of me over one connection at 100 requests a second. Requests
// without a pause would take a processor from the guesses and measure how both share it. Each
// request must succeed.
func latencies(b *testing.B, server *testServer, p *servertest.User, lasts time.Duration) (list []time.Duration) {
	b.Helper()
	send := post(b, server.URL+"/graphql", p.Token, `{"query":"{ me { id } }"}`)
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end); <-pace.C {
		begin := time.Now()
		send()
		list = append(list, time.Since(begin))
	}
	return list
}

func quantile(list []time.Duration, q float64) float64 {
	slices.Sort(list)
	return list[int(float64(len(list)-1)*q)].Seconds()
}

// hashesPerSecond measures how many hashes all processors do per second if they do nothing else.
func hashesPerSecond(b *testing.B, lasts time.Duration) float64 {
	b.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(servertest.Password), 12)
	if err != nil {
		b.Fatal(err)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range runtime.NumCPU() {
		wg.Go(func() {
			for time.Since(begin) < lasts {
				// The mismatch is expected.
				_ = bcrypt.CompareHashAndPassword(hash, []byte("a wrong guess"))
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds()
}

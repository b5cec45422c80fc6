//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/dbtest"
)

func TestZZProcessorTimeOfMe(t *testing.T) {
	b := boot(t, dbtest.MySQL(t), "LOG_LEVEL", "error")
	p := b.newPerson("USER")
	ask := func() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ me { id name } }"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+p.token)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Body); !strings.Contains(string(body), p.id) {
			t.Error(string(body))
		}
	}
	many := func(n int) {
		var running sync.WaitGroup
		for range 4 {
			running.Go(func() {
				for range n / 4 {
					ask()
				}
			})
		}
		running.Wait()
	}
	many(4000)
	begin := processorTime()
	many(16000)
	fmt.Fprintf(os.Stderr, "CPU %.2f µs\n", float64((processorTime()-begin).Nanoseconds())/16000/1000)
}

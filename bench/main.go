// Bench compares Fieldgate with a hand-written baseline and with servers in Node, on one machine in
// one run, and writes docs/performance.md.
//
//	go run ./bench            about eight minutes on two CPUs
//	go run ./bench -quick     less than 30 seconds; checks the responses of all servers, the figures mean nothing
//
// It needs Linux (it reads CPU time from /proc), wrk, Node with npm, and MariaDB's server or
// TEST_MYSQL_URL, as the tests do (see internal/dbtest). It stops everything that it starts, and
// leaves the page, its chart and bench/peers/node_modules.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fieldgate/internal/dbtest"
)

func main() {
	if addr := os.Getenv(baselineEnv); addr != "" {
		fmt.Fprintln(os.Stderr, serveBaseline(addr))
		os.Exit(1)
	}
	dbtest.Program(func() int {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := run(ctx, os.Args[1:]); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return 0
			}
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			return 1
		}
		return 0
	})
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("go run ./bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "check the responses of all servers only; the figures mean nothing")
	out := flags.String("out", "docs", "write performance.md and performance.svg to this `folder`")
	p := fullPlan
	flags.IntVar(&p.Rounds, "rounds", p.Rounds, "the number of rounds; each server has one turn per round")
	flags.DurationVar(&p.Round, "round", p.Round, "the duration of a turn")
	flags.DurationVar(&p.Logins, "logins", p.Logins, "the duration of Fieldgate's logins in each of two rounds")
	flags.DurationVar(&p.Storm, "storm", p.Storm, "the duration of a login storm")
	users := flags.Int("people", p.Datasets[len(p.Datasets)-1], "the number of accounts in the largest database")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p.Datasets[len(p.Datasets)-1] = *users
	if *quick {
		p = quickPlan
	}
	b, err := newBench(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	r, err := b.run(ctx)
	if err != nil {
		return err
	}
	for _, g := range r.Goals() {
		fmt.Printf("%-150s %s: %s\n", g.Name, g.Target, formatNumber(g.Measured))
	}
	return r.write(*out)
}

func newBench(ctx context.Context, p plan) (*bench, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w: install Node 20.11 or newer", err)
	}
	if node, err = filepath.EvalSymlinks(node); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	return &bench{
		plan: p, root: root, dir: dir, peers: filepath.Join(root, "bench", "peers"), self: self, node: node, out: os.Stdout,
		client:     &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * stormConnections}, Timeout: time.Minute},
		tokenCache: map[user]string{},
	}, nil
}

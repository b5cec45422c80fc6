package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loginRounds is the number of rounds of Fieldgate and bare bcrypt.
const loginRounds = 2

// measureLogins measures the logins of each server on twice as many connections as CPUs, and
// compares them with bare bcrypt.
func (b *bench) measureLogins(ctx context.Context) error {
	b.results.Logins = make([]loginResult, len(b.running))
	for i, s := range b.running {
		b.results.Logins[i].Name = s.name
	}
	for round := range loginRounds {
		hashes, each, err := bcryptRate(ctx, b.passwordHash, b.Logins/2)
		if err != nil {
			return err
		}
		b.results.BcryptRates, b.results.BcryptTimes = append(b.results.BcryptRates, hashes), append(b.results.BcryptTimes, each)
		for i, s := range b.running {
			lasts := b.Logins
			switch {
			case i > 0 && round > 0:
				continue // peers have no goal and run once
			case i > 0:
				lasts = b.PeerLogins
			}
			l, err := b.measureLoginRate(ctx, s, firstLoginUser+user(100*i), lasts)
			if err != nil {
				return err
			}
			l.bcryptRatio = l.perSecond / hashes
			b.results.Logins[i].rounds = append(b.results.Logins[i].rounds, l)
		}
	}
	hashes, err := b.nodeBcryptRate(ctx)
	b.results.NodeBcryptRate = hashes
	return err
}

type loginRound struct {
	perSecond, bcryptRatio float64
	processor              time.Duration // for each login
}

// measureLoginRate counts the logins that s answers while all connections sign in.
func (b *bench) measureLoginRate(ctx context.Context, s *server, first user, lasts time.Duration) (l loginRound, err error) {
	logins := startWorkers(ctx, 2*runtime.NumCPU(), func(ctx context.Context, i int) (bool, error) {
		p := first + user(i)
		_, err := s.send(ctx, login(p, password), p)
		return true, err
	})
	defer func() { err = errors.Join(err, logins.stop()) }()
	logins.waitForCount(ctx, int64(4*runtime.NumCPU())) // after it, every account has been rehashed
	before, err := s.usage()
	if err != nil {
		return l, err
	}
	counted, begin := logins.count(), time.Now()
	sleep(ctx, lasts)
	n, took := float64(logins.count()-counted), time.Since(begin)
	after, err := s.usage()
	if err != nil {
		return l, err
	}
	return loginRound{perSecond: n / took.Seconds(), processor: time.Duration(float64(after.processor-before.processor) / max(n, 1))}, nil
}

func (b *bench) nodeBcryptRate(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, b.node, filepath.Join(b.peers, "hash.js"), strconv.Itoa(b.Cost), strconv.FormatFloat(b.PeerLogins.Seconds(), 'f', -1, 64))
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// The login storm.
const (
	stormConnections = 64
	requestInterval  = 10 * time.Millisecond // between two requests for me
)

// measureStorms requests me from each server at a fixed rate, first without other load and then
// during password guesses. Each server is stopped after its storm, because some continue to hash
// for guesses whose clients have gone.
func (b *bench) measureStorms(ctx context.Context) error {
	s, err := b.start(ctx, oursUnlimited, b.databases[0], me, testUser)
	if err != nil {
		return err
	}
	b.running[0].process.stop()
	b.running[0] = s
	for _, s := range b.running {
		row, err := b.storm(ctx, s)
		s.process.stop()
		if err != nil {
			return err
		}
		b.results.Storms = append(b.results.Storms, row)
	}
	b.running = nil
	return nil
}

func (b *bench) storm(ctx context.Context, s *server) (row stormResult, err error) {
	idle, err := s.measureLatencies(ctx, b.Storm/2)
	if err != nil {
		return row, err
	}
	capacity, _, err := bcryptRate(ctx, b.passwordHash, b.Storm/2)
	if err != nil {
		return row, err
	}
	guesses := startWorkers(ctx, stormConnections, func(ctx context.Context, _ int) (bool, error) {
		a, err := s.send(ctx, wrongLogin(guessedUser), guessedUser)
		return err == nil && a.hasOnlyError("INVALID_CREDENTIALS"), err
	})
	defer func() { err = errors.Join(err, guesses.stop()) }()
	guesses.waitForCount(ctx, 1) // by then all connections are open
	counted, begin := guesses.count(), time.Now()
	stormy, err := s.measureLatencies(ctx, b.Storm)
	if err != nil {
		return row, err
	}
	answered := float64(guesses.count()-counted) / time.Since(begin).Seconds()
	return stormResult{
		Name: s.name, IdleP50: quantile(idle, 0.5), IdleP99: quantile(idle, 0.99), P50: quantile(stormy, 0.5), P99: quantile(stormy, 0.99),
		PerSecond: answered, BcryptRatio: answered / capacity,
	}, nil
}

// measureLatencies requests me at a fixed rate, without waiting for earlier responses.
func (s *server) measureLatencies(ctx context.Context, lasts time.Duration) (latencies []time.Duration, err error) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	next := time.NewTicker(requestInterval)
	defer next.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end) && ctx.Err() == nil; <-next.C {
		wg.Go(func() {
			begin := time.Now()
			_, sendErr := s.send(ctx, me, testUser)
			took := time.Since(begin)
			mu.Lock()
			defer mu.Unlock()
			latencies, err = append(latencies, took), errors.Join(err, sendErr)
		})
	}
	wg.Wait()
	return latencies, err
}

// workers repeat an action concurrently until they are stopped.
type workers struct {
	cancel   context.CancelFunc
	done     atomic.Int64
	wg       sync.WaitGroup
	firstErr atomic.Pointer[error]
}

// startWorkers starts n workers that call do. do reports whether the call counts. The first error
// stops all workers.
func startWorkers(ctx context.Context, n int, do func(ctx context.Context, i int) (counts bool, err error)) *workers {
	c := new(workers)
	ctx, c.cancel = context.WithCancel(ctx)
	for i := range n {
		c.wg.Go(func() {
			for ctx.Err() == nil {
				counts, err := do(ctx, i)
				if err != nil && ctx.Err() == nil {
					c.firstErr.CompareAndSwap(nil, &err)
					c.cancel()
				}
				if counts && err == nil {
					c.done.Add(1)
				}
			}
		})
	}
	return c
}

func (c *workers) count() int64 { return c.done.Load() }

// waitForCount waits until n calls have counted, the workers have failed or ctx ends.
func (c *workers) waitForCount(ctx context.Context, n int64) {
	for ctx.Err() == nil && c.firstErr.Load() == nil && c.count() < n {
		sleep(ctx, requestInterval)
	}
}

// stop stops the workers and returns the first error.
func (c *workers) stop() error {
	c.cancel()
	c.wg.Wait()
	if err := c.firstErr.Load(); err != nil {
		return *err
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

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

// loginRounds is how often Fieldgate and bare bcrypt take turns.
const loginRounds = 2

// measureLogins has everybody sign people in on twice as many connections as there are processors, beside bare bcrypt.
func (b *bench) measureLogins(ctx context.Context) error {
	b.results.Logins = make([]loginResult, len(b.running))
	for i, s := range b.running {
		b.results.Logins[i].Name = s.name
	}
	for round := range loginRounds {
		hashes, each, err := bareHashes(ctx, b.passwordHash, b.Logins/2)
		if err != nil {
			return err
		}
		b.results.Hashes, b.results.Hash = append(b.results.Hashes, hashes), append(b.results.Hash, each)
		for i, s := range b.running {
			lasts := b.Logins
			switch {
			case i > 0 && round > 0:
				continue // the goal is ours
			case i > 0:
				lasts = b.PeerLogins
			}
			l, err := b.signIn(ctx, s, firstLogin+person(100*i), lasts)
			if err != nil {
				return err
			}
			l.ofHashes = l.perSecond / hashes
			b.results.Logins[i].rounds = append(b.results.Logins[i].rounds, l)
		}
	}
	hashes, err := b.nodeHashesPerSecond(ctx)
	b.results.NodeHashes = hashes
	return err
}

type loginRound struct {
	perSecond, ofHashes float64
	processor           time.Duration // for each login
}

// signIn counts the logins that are answered while all connections are at it.
func (b *bench) signIn(ctx context.Context, s *server, first person, lasts time.Duration) (l loginRound, err error) {
	crowd := repeat(ctx, 2*runtime.NumCPU(), func(ctx context.Context, i int) (bool, error) {
		p := first + person(i)
		_, err := s.ask(ctx, login(p, password), p)
		return true, err
	})
	defer func() { err = errors.Join(err, crowd.stop()) }()
	crowd.waitFor(ctx, int64(4*runtime.NumCPU())) // each has been answered, and has had its hash renewed
	before, err := s.usage()
	if err != nil {
		return l, err
	}
	counted, begin := crowd.counted(), time.Now()
	wait(ctx, lasts)
	n, took := float64(crowd.counted()-counted), time.Since(begin)
	after, err := s.usage()
	if err != nil {
		return l, err
	}
	return loginRound{perSecond: n / took.Seconds(), processor: time.Duration(float64(after.processor-before.processor) / max(n, 1))}, nil
}

func (b *bench) nodeHashesPerSecond(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, b.node, filepath.Join(b.peers, "hash.js"), strconv.Itoa(b.Cost), strconv.FormatFloat(b.PeerLogins.Seconds(), 'f', -1, 64))
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// The storm.
const (
	stormConnections = 64
	pace             = 10 * time.Millisecond // between two who ask for me
)

// measureStorms asks everybody for me at a steady pace, first in calm and then while passwords are being guessed. Each is
// stopped after its storm: some go on hashing for guesses that nobody waits for any more.
func (b *bench) measureStorms(ctx context.Context) error {
	s, err := b.start(ctx, oursUnlimited, b.databases[0], me, asker)
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
	idle, err := s.paced(ctx, b.Storm/2)
	if err != nil {
		return row, err
	}
	capacity, _, err := bareHashes(ctx, b.passwordHash, b.Storm/2)
	if err != nil {
		return row, err
	}
	guesses := repeat(ctx, stormConnections, func(ctx context.Context, _ int) (bool, error) {
		a, err := s.ask(ctx, guess(guessed), guessed)
		return err == nil && a.only("INVALID_CREDENTIALS"), err
	})
	defer func() { err = errors.Join(err, guesses.stop()) }()
	guesses.waitFor(ctx, 1) // by then all are there
	counted, begin := guesses.counted(), time.Now()
	stormy, err := s.paced(ctx, b.Storm)
	if err != nil {
		return row, err
	}
	answered := float64(guesses.counted()-counted) / time.Since(begin).Seconds()
	return stormResult{
		Name: s.name, IdleP50: quantile(idle, 0.5), IdleP99: quantile(idle, 0.99), P50: quantile(stormy, 0.5), P99: quantile(stormy, 0.99),
		PerSecond: answered, OfHashes: answered / capacity,
	}, nil
}

// paced asks for me at a steady pace, whether those before have been answered or not.
func (s *server) paced(ctx context.Context, lasts time.Duration) (latencies []time.Duration, err error) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	next := time.NewTicker(pace)
	defer next.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end) && ctx.Err() == nil; <-next.C {
		wg.Go(func() {
			begin := time.Now()
			_, failed := s.ask(ctx, me, asker)
			took := time.Since(begin)
			mu.Lock()
			defer mu.Unlock()
			latencies, err = append(latencies, took), errors.Join(err, failed)
		})
	}
	wg.Wait()
	return latencies, err
}

// repeaters are some who do the same over and over, side by side, until they are stopped.
type repeaters struct {
	cancel context.CancelFunc
	done   atomic.Int64
	wg     sync.WaitGroup
	failed atomic.Pointer[error]
}

// repeat starts n of them. do says whether what it did counts. The first error ends them all.
func repeat(ctx context.Context, n int, do func(ctx context.Context, i int) (counts bool, err error)) *repeaters {
	c := new(repeaters)
	ctx, c.cancel = context.WithCancel(ctx)
	for i := range n {
		c.wg.Go(func() {
			for ctx.Err() == nil {
				counts, err := do(ctx, i)
				if err != nil && ctx.Err() == nil {
					c.failed.CompareAndSwap(nil, &err)
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

func (c *repeaters) counted() int64 { return c.done.Load() }

// waitFor returns when so many have been counted, or when that will not be.
func (c *repeaters) waitFor(ctx context.Context, n int64) {
	for ctx.Err() == nil && c.failed.Load() == nil && c.counted() < n {
		wait(ctx, pace)
	}
}

// stop ends what they do, and returns the first error.
func (c *repeaters) stop() error {
	c.cancel()
	c.wg.Wait()
	if err := c.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

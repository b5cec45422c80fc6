package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
)

// plan sets how much is measured.
type plan struct {
	Quick       bool
	Starts      int           // starts of each server
	Warm        time.Duration // load on each server before the first round
	Rounds      int
	Round       time.Duration // load on one server in one round
	Logins      time.Duration // of Fieldgate and of bare bcrypt, in each of two rounds
	PeerLogins  time.Duration
	Storm       time.Duration // the calm before a storm is half as long
	Datasets    []int         // accounts in each database; the others are compared with the first
	Users       int           // users that request me in each dataset
	Cost        int           // of bcrypt
	Connections int
}

var (
	fullPlan = plan{
		Starts: 5, Warm: 2 * time.Second, Rounds: 5, Round: 2 * time.Second, Logins: 20 * time.Second, PeerLogins: 6 * time.Second,
		Storm: 8 * time.Second, Datasets: []int{1_000, 100_000, 2_000_000}, Users: 1_000, Cost: 12, Connections: 16,
	}
	quickPlan = plan{
		Quick: true, Starts: 1, Rounds: 1, Round: 250 * time.Millisecond, Logins: 500 * time.Millisecond, PeerLogins: 500 * time.Millisecond,
		Storm: 500 * time.Millisecond, Datasets: []int{1_000, 5_000}, Users: 100, Cost: 10, Connections: 16,
	}
)

// Users of the smallest dataset. A sign-in as one of them must not change the responses for the
// others.
const (
	testUser       = user(999)
	guessedUser    = user(500)
	firstLoginUser = user(100) // of Fieldgate; each peer has a hundred users of its own
)

// bench is one run.
type bench struct {
	plan
	root, dir, peers   string // the project, a temporary folder, and the folder of the peers
	binary, self, node string
	out                io.Writer
	client             *http.Client
	load               *loadTool
	tokens             *auth.Tokens
	passwordHash       string
	databases          []string // the URL of each dataset
	drops              []func() error
	databasePID        int     // 0 if the server of TEST_MYSQL_URL is used
	running            servers // Fieldgate and the peers
	logs               int
	results            *results

	mu         sync.Mutex
	tokenCache map[user]string
}

// run runs all measurements, one part after the other.
func (b *bench) run(ctx context.Context) (_ *results, err error) {
	b.results = &results{Plan: b.plan}
	defer func() { err = errors.Join(err, b.cleanUp()) }()
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"install and build", b.prepare},
		{"fill the databases", b.fillDatabases},
		{"start", b.measureStarts},
		{"me, denied", b.measureOperations},
		{"without a lookup", b.measureWithoutLookup},
		{"login", b.measureLogins},
		{"storm", b.measureStorms},
		{"datasets", b.measureDatasets},
	} {
		begin := time.Now()
		fmt.Fprintf(b.out, "%s …\n", part.name)
		if err := part.do(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, errors.New("interrupted")
			}
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		took := time.Since(begin)
		b.results.Parts = append(b.results.Parts, partResult{part.name, took})
		fmt.Fprintf(b.out, "%s: %.1f s\n", part.name, took.Seconds())
	}
	return b.results, nil
}

// cleanUp stops the servers and drops the databases, which may be on the server of TEST_MYSQL_URL.
func (b *bench) cleanUp() (err error) {
	b.running.stop()
	for _, drop := range b.drops {
		err = errors.Join(err, drop())
	}
	return err
}

// prepare installs the peers and builds Fieldgate.
func (b *bench) prepare(ctx context.Context) (err error) {
	if err := installPeers(ctx, b.peers); err != nil {
		return err
	}
	b.binary = filepath.Join(b.dir, "fieldgate")
	if err := build(ctx, b.root, b.binary); err != nil {
		return err
	}
	if b.load, err = newLoadTool(b.dir, b.Connections); err != nil {
		return err
	}
	if b.tokens, err = newTokens(); err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), b.Cost)
	b.passwordHash = string(hash)
	return errors.Join(err, b.measureSizes(), b.describe(ctx))
}

func (b *bench) measureSizes() error {
	modules := int64(0)
	err := filepath.WalkDir(filepath.Join(b.peers, "node_modules"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			modules += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	binary, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	node, err := os.Stat(b.node) // follows symbolic links
	if err != nil {
		return err
	}
	b.results.Size = sizes{Binary: binary.Size(), Node: node.Size(), Modules: modules}
	return nil
}

// fillDatabases creates a database for each dataset.
func (b *bench) fillDatabases(ctx context.Context) error {
	for _, n := range b.Datasets {
		begin := time.Now()
		if err := b.fillDatabase(ctx, n); err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  %d users: %.1f s\n", n, time.Since(begin).Seconds())
	}
	return nil
}

func (b *bench) fillDatabase(ctx context.Context, n int) error {
	databaseURL, drop, own, err := dbtest.NewMySQL()
	if err != nil {
		return err
	}
	b.databases, b.drops = append(b.databases, databaseURL), append(b.drops, drop)
	db, err := openDatabase(databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if b.results.OwnDatabase = own; own && b.databasePID == 0 {
		if b.databasePID, err = configureOwnDatabase(ctx, db, b.Quick); err != nil {
			return err
		}
	}
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&b.results.Database); err != nil {
		return err
	}
	if err := b.migrate(ctx, databaseURL); err != nil {
		return err
	}
	return fillDataset(ctx, db, n, b.passwordHash)
}

// configureOwnDatabase gives the private database server, which is configured for tests, the memory
// of a server in production. It returns the process id.
func configureOwnDatabase(ctx context.Context, db *sql.DB, quick bool) (pid int, err error) {
	if !quick {
		for _, setting := range []string{"innodb_buffer_pool_size = 2 << 30", "innodb_log_file_size = 1 << 30"} {
			if _, err := db.ExecContext(ctx, "SET GLOBAL "+setting); err != nil {
				return 0, err
			}
		}
	}
	var file string
	if err := db.QueryRowContext(ctx, "SELECT @@pid_file").Scan(&file); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// measureStarts starts each server several times, and reads its memory after the first response.
// The last process of each server continues for the following parts.
func (b *bench) measureStarts(ctx context.Context) error {
	for _, c := range append([]*implementation{ours}, peers...) {
		row := startResult{Name: c.name}
		var took []time.Duration
		for i := range b.Starts {
			s, err := b.start(ctx, c, b.databases[0], me, testUser)
			if err != nil {
				return err
			}
			u, err := s.usage()
			took, row.Idle = append(took, s.startDuration), u.memory
			if i < b.Starts-1 {
				s.process.stop()
			} else {
				b.running = append(b.running, s)
			}
			if err != nil {
				return err
			}
		}
		row.Took = median(took)
		b.results.Starts = append(b.results.Starts, row)
	}
	return nil
}

// measureOperations compares the servers with me and with a denied field. Between the two it reads
// their memory.
func (b *bench) measureOperations(ctx context.Context) error {
	baseline, err := b.start(ctx, handWritten, b.databases[0], me, testUser)
	if err != nil {
		return err
	}
	defer baseline.process.stop()
	all := slices.Insert(slices.Clone(b.running), 1, baseline)
	if b.results.Me, err = b.compareServers(ctx, all, me); err != nil {
		return err
	}
	for i, s := range b.running {
		u, err := s.usage()
		if err != nil {
			return err
		}
		b.results.Starts[i].Loaded = u.memory
	}
	b.results.Denied, err = b.compareServers(ctx, all, deniedField)
	return err
}

// measureWithoutLookup compares a gated field of a server that caches sessions with a handler that
// only verifies the token.
func (b *bench) measureWithoutLookup(ctx context.Context) error {
	var all servers
	defer func() { all.stop() }()
	for _, c := range []*implementation{oursWithRecheck, handWritten} {
		s, err := b.start(ctx, c, b.databases[0], meID, testUser)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	rows, err := b.compareServers(ctx, all, meID)
	b.results.WithoutLookup = rows
	return err
}

// measureDatasets requests me as the same number of users in each dataset, spread over its tables.
func (b *bench) measureDatasets(ctx context.Context) error {
	var all servers
	defer func() { all.stop() }()
	var runners []runner
	for i, n := range b.Datasets {
		s, err := b.start(ctx, ours, b.databases[i], me, user(n-1))
		if err != nil {
			return err
		}
		all = append(all, s)
		users := make([]user, b.Users)
		for j := range users {
			users[j] = user(j * (n / len(users))) // no two share a page of a large table
		}
		requests, err := s.loadRequests(ctx, me, users)
		if err != nil {
			return err
		}
		runners = append(runners, runner{s, requests})
	}
	rounds, err := b.runRounds(ctx, runners, me)
	for i, s := range rounds {
		b.results.Datasets = append(b.results.Datasets, datasetResult{Users: b.Datasets[i], series: s})
	}
	return err
}

// runner is a server with the requests that it gets.
type runner struct {
	*server
	requests []loadRequest
}

// compareServers sends one operation to all servers, as one user.
func (b *bench) compareServers(ctx context.Context, all servers, op operation) ([]comparison, error) {
	runners := make([]runner, len(all))
	for i, s := range all {
		requests, err := s.loadRequests(ctx, op, []user{testUser})
		if err != nil {
			return nil, err
		}
		runners[i] = runner{s, requests}
	}
	rounds, err := b.runRounds(ctx, runners, op)
	if err != nil {
		return nil, err
	}
	list := make([]comparison, len(all))
	for i, s := range all {
		list[i] = comparison{Name: s.name, series: rounds[i], ours: rounds[0]}
	}
	return list, nil
}

// runRounds loads one server after the other, in several rounds.
func (b *bench) runRounds(ctx context.Context, runners []runner, op operation) ([]series, error) {
	all := make([]series, len(runners))
	if b.Warm > 0 {
		for _, r := range runners {
			if _, err := b.load.run(ctx, r.url(op), op.body, r.requests, b.Warm); err != nil {
				return nil, err
			}
		}
	}
	for range b.Rounds {
		for i, r := range runners {
			s, err := b.sample(ctx, r, op)
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", r.name, err, r.logTail())
			}
			all[i] = append(all[i], s)
		}
	}
	return all, nil
}

func (b *bench) sample(ctx context.Context, r runner, op operation) (s sample, err error) {
	before, databaseBefore, err := b.processorTimes(r.server)
	if err != nil {
		return s, err
	}
	l, err := b.load.run(ctx, r.url(op), op.body, r.requests, b.Round)
	if err != nil {
		return s, err
	}
	after, databaseAfter, err := b.processorTimes(r.server)
	n := time.Duration(l.requests)
	return sample{
		perSecond: l.perSecond(), p50: l.p50, p99: l.p99, processor: (after - before) / n, database: (databaseAfter - databaseBefore) / n,
	}, err
}

// processorTimes returns the CPU time that a server and the database have used so far.
func (b *bench) processorTimes(s *server) (server, database time.Duration, err error) {
	u, err := s.usage()
	if err == nil && b.databasePID != 0 {
		database, err = processorTime(b.databasePID)
	}
	return u.processor, database, err
}

// migrate creates the tables.
func (b *bench) migrate(ctx context.Context, databaseURL string) error {
	cmd := fieldgateCommand(ctx, b)
	cmd.Args = append(cmd.Args, "migrate")
	cmd.Dir, cmd.Env = b.dir, []string{"DATABASE_URL=" + databaseURL, "JWT_SECRET=" + secret}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fieldgate migrate: %w\n%s", err, out)
	}
	return nil
}

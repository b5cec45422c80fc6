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

// plan is how much is measured.
type plan struct {
	Quick       bool
	Starts      int           // how often each server is started
	Warm        time.Duration // meanOf load, before the first round
	Rounds      int
	Round       time.Duration // meanOf load, for one server in one round
	Logins      time.Duration // for Fieldgate and bare bcrypt, in each of two rounds
	PeerLogins  time.Duration
	Storm       time.Duration // a storm; the calm before it half as long
	Datasets    []int         // how many people there are; the first is what the others are compared with
	Users       int           // as how many of them me is asked
	Cost        int           // bcrypt's
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

// Who does what in the smallest crowd. Signing in as somebody must not change what the others answer.
const (
	testUser       = user(999)
	guessedUser    = user(500)
	firstLoginUser = user(100) // meanOf Fieldgate; each of the others has a hundred people of its own
)

// bench is one run.
type bench struct {
	plan
	root, dir, peers   string // the project, what is gone afterwards, and the folder of the peers
	binary, self, node string
	out                io.Writer
	client             *http.Client
	load               *loadTool
	tokens             *auth.Tokens
	passwordHash       string
	databases          []string // the URL of each crowd's
	drops              []func() error
	databasePID        int     // 0 if the database is not ours
	running            servers // ours and the peers
	logs               int
	results            *results

	mu         sync.Mutex
	tokenCache map[user]string
}

// run measures everything, in parts.
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
		{"me, refused", b.measureOperations},
		{"without a lookup", b.measureWithoutLookup},
		{"login", b.measureLogins},
		{"storm", b.measureStorms},
		{"crowds", b.measureDatasets},
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

// cleanUp stops what runs, and drops the databases: they may be on a server that is not ours.
func (b *bench) cleanUp() (err error) {
	b.running.stop()
	for _, drop := range b.drops {
		err = errors.Join(err, drop())
	}
	return err
}

// prepare makes what is measured.
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
	node, err := os.Stat(b.node) // follows links
	if err != nil {
		return err
	}
	b.results.Size = sizes{Binary: binary.Size(), Node: node.Size(), Modules: modules}
	return nil
}

// fillDatabases makes a database for each crowd.
func (b *bench) fillDatabases(ctx context.Context) error {
	for _, n := range b.Datasets {
		begin := time.Now()
		if err := b.fillDatabase(ctx, n); err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  %d people: %.1f s\n", n, time.Since(begin).Seconds())
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

// configureOwnDatabase gives our own database server, which is made for tests, the memory that one in production has, and returns
// its process id.
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

// measureStarts starts everybody several times, and takes the memory of a server that has answered once. The last ones
// go on for the parts that follow.
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

// measureOperations asks me, and a field that is refused, of everybody in turn; and takes their memory in between.
func (b *bench) measureOperations(ctx context.Context) error {
	limit, err := b.start(ctx, handWritten, b.databases[0], me, testUser)
	if err != nil {
		return err
	}
	defer limit.process.stop()
	all := slices.Insert(slices.Clone(b.running), 1, limit)
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

// measureWithoutLookup asks a gated field of a server that need not look the session up, beside a handler that only
// verifies the token.
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

// measureDatasets asks me as people from all over each crowd, the same number of them.
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
		people := make([]user, b.Users)
		for j := range people {
			people[j] = user(j * (n / len(people))) // so that no two share a page of a large table
		}
		asks, err := s.loadRequests(ctx, me, people)
		if err != nil {
			return err
		}
		runners = append(runners, runner{s, asks})
	}
	rounds, err := b.runRounds(ctx, runners, me)
	for i, s := range rounds {
		b.results.Datasets = append(b.results.Datasets, datasetResult{Users: b.Datasets[i], series: s})
	}
	return err
}

// runner is a server, and who asks it.
type runner struct {
	*server
	requests []loadRequest
}

// compareServers asks one operation of all servers, as one person.
func (b *bench) compareServers(ctx context.Context, all servers, op operation) ([]comparison, error) {
	runners := make([]runner, len(all))
	for i, s := range all {
		asks, err := s.loadRequests(ctx, op, []user{testUser})
		if err != nil {
			return nil, err
		}
		runners[i] = runner{s, asks}
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

// runRounds puts load on one after the other, again and again.
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

// processorTimes is the processor time of a server and of the database so far.
func (b *bench) processorTimes(s *server) (server, database time.Duration, err error) {
	u, err := s.usage()
	if err == nil && b.databasePID != 0 {
		database, err = processorTime(b.databasePID)
	}
	return u.processor, database, err
}

// migrate makes the tables.
func (b *bench) migrate(ctx context.Context, databaseURL string) error {
	cmd := fieldgateCommand(ctx, b)
	cmd.Args = append(cmd.Args, "migrate")
	cmd.Dir, cmd.Env = b.dir, []string{"DATABASE_URL=" + databaseURL, "JWT_SECRET=" + secret}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fieldgate migrate: %w\n%s", err, out)
	}
	return nil
}

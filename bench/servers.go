package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"fieldgate/internal/auth"
)

// Name every server is told, and what the tokens of the measurements are made with.
const (
	secret    = "TzP0m4cVfQkqk0m2rYc7cJ1yq1cQ2J9b9Jm3XHqk3no" // meanOf nothing but a database that is gone afterwards
	publicURL = "https://bench.example.com"
)

func newTokens() (*auth.Tokens, error) {
	return auth.NewTokens(auth.TokenConfig{
		Secrets: []string{secret}, Issuer: publicURL, Audience: publicURL, TTL: auth.MaxTTL,
		KnownRole: func(role string) bool { return role == "USER" }, Now: time.Now,
	})
}

// openDatabase opens a DATABASE_URL with the driver alone, and statements that take one round trip.
func openDatabase(databaseURL string) (*sql.DB, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, err
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.DBName = "tcp", u.Host, u.User.Username(), strings.TrimPrefix(u.Path, "/")
	c.Passwd, _ = u.User.Password()
	c.TLSConfig = u.Query().Get("tls")
	c.InterpolateParams, c.Collation = true, "utf8mb4_bin"
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// implementation is one way to serve the same operations.
type implementation struct {
	name       string
	settings   string // for the page
	command    func(ctx context.Context, b *bench) *exec.Cmd
	env        []string
	isBaseline bool // it has a path for each operation instead of /graphql
}

// Name is compared. The first is ours.
var (
	production = []string{"ENV=production", "PUBLIC_URL=" + publicURL}

	ours = &implementation{
		name: "Fieldgate", command: fieldgateCommand, env: production,
		settings: "`ENV=production`, on MySQL's protocol, and the default of everything else: rate limits, `BCRYPT_COST=12`, `LOG_LEVEL=info`, so a line in the log for each request",
	}
	oursWithRecheck = &implementation{
		name: "Fieldgate, `SESSION_RECHECK=5s`", command: fieldgateCommand, env: append([]string{"SESSION_RECHECK=5s"}, production...),
		settings: "the same, and a session that was looked up is trusted for five seconds",
	}
	// Production refuses to start without limits.
	oursUnlimited = &implementation{
		name: "Fieldgate", command: fieldgateCommand,
		env:      []string{"LIMITS=off", "LOG_FORMAT=json", "PLAYGROUND=false", "INTROSPECTION=false", "PUBLIC_URL=" + publicURL},
		settings: "in the storm, `LIMITS=off`, which production refuses, in development with production's other settings: else all but a few of the guesses would be refused unhashed",
	}
	handWritten = &implementation{
		name: "net/http by hand", command: selfCommand, env: []string{"GOGC=400"}, isBaseline: true,
		settings: "a handler for this one operation, without GraphQL: `internal/auth` verifies the token, `database/sql` looks the session and its user up with one prepared statement, `encoding/json` writes the answer. `GOGC=400`, as Fieldgate sets it",
	}
	apollo = &implementation{
		name: "Apollo Server", command: peerCommand("apollo", "tutorial"),
		settings: "as tutorials write it: `startStandaloneServer`, a schema directive by `mapSchema`, `jwt.verify` with the secret's text, `pool.query`",
	}
	apolloTuned = &implementation{
		name: "Apollo Server, tuned", command: peerCommand("apollo", "tuned"), env: tuned,
		settings: "under Fastify, one process a core (`node:cluster`), `NODE_ENV=production`, prepared statements (`pool.execute`), a `KeyObject` as the secret; the document cache is on by default",
	}
	mercurius = &implementation{
		name: "Mercurius", command: peerCommand("mercurius", "tutorial"),
		settings: "as tutorials write it: Fastify with the plugin and its defaults, otherwise as Apollo Server",
	}
	mercuriusTuned = &implementation{
		name: "Mercurius, tuned", command: peerCommand("mercurius", "tuned"), env: tuned,
		settings: "with `jit: 1`, otherwise tuned as Apollo Server",
	}
	tuned = []string{"NODE_ENV=production"}
	peers = []*implementation{apollo, apolloTuned, mercurius, mercuriusTuned}
)

func fieldgateCommand(ctx context.Context, b *bench) *exec.Cmd {
	return exec.CommandContext(ctx, b.binary)
}

func selfCommand(ctx context.Context, b *bench) *exec.Cmd { return exec.CommandContext(ctx, b.self) }

func peerCommand(library, form string) func(context.Context, *bench) *exec.Cmd {
	return func(ctx context.Context, b *bench) *exec.Cmd {
		return exec.CommandContext(ctx, b.node, filepath.Join(b.peers, "serve.js"), library, form)
	}
}

// start starts a contestant on a database, and waits until it answers the operation right.
func (b *bench) start(ctx context.Context, c *implementation, databaseURL string, op operation, as user) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	cmd := c.command(ctx, b)
	cmd.Dir = b.dir // where there is no .env
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "DATABASE_URL=" + databaseURL,
		"ADDR=" + addr, "PORT=" + port, baselineEnv + "=" + addr,
		"JWT_SECRET=" + secret, "JWT_ISSUER=" + publicURL, "JWT_AUDIENCE=" + publicURL, fmt.Sprintf("BCRYPT_COST=%d", b.Cost),
	}, c.env...)
	s := &server{implementation: c, b: b, addr: addr}
	b.logs++
	s.process, err = startProcess(ctx, cmd, filepath.Join(b.dir, fmt.Sprintf("log%d", b.logs)), func(ctx context.Context) error {
		_, err := s.send(ctx, op, as)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return s, nil
}

// server is a contestant that runs.
type server struct {
	*implementation
	*process
	b    *bench
	addr string
}

type servers []*server

func (all servers) stop() {
	for _, s := range all {
		s.process.stop()
	}
}

// url is where the operation is posted.
func (s *server) url(op operation) string {
	if s.isBaseline {
		return "http://" + s.addr + op.baselinePath
	}
	return "http://" + s.addr + "/graphql"
}

// installPeers has npm install what the lock says, unless it has done so for this lock before.
func installPeers(ctx context.Context, dir string) error {
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	done := filepath.Join(dir, "node_modules", ".fieldgate")
	if stamp, err := os.ReadFile(done); err == nil && string(stamp) == string(lock) {
		return nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("%w: install Node 20.11 or newer, which brings npm", err)
	}
	// The only native package, bcrypt, brings its binaries along.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return os.WriteFile(done, lock, 0o600)
}

// build compiles Fieldgate as the README does.
func build(ctx context.Context, root, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

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

// The configuration that all servers share; access tokens are made with it.
const (
	secret    = "TzP0m4cVfQkqk0m2rYc7cJ1yq1cQ2J9b9Jm3XHqk3no" // protects only temporary databases
	publicURL = "https://bench.example.com"
)

func newTokens() (*auth.Tokens, error) {
	return auth.NewTokens(auth.TokenConfig{
		Secrets: []string{secret}, Issuer: publicURL, Audience: publicURL, TTL: auth.MaxTTL,
		KnownRole: func(role string) bool { return role == "USER" }, Now: time.Now,
	})
}

// openDatabase opens a DATABASE_URL with the driver alone, so that each statement takes one round
// trip.
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
	isBaseline bool // has a path for each operation instead of /graphql
}

// The compared servers.
var (
	production = []string{"ENV=production", "PUBLIC_URL=" + publicURL}

	ours = &implementation{
		name: "Fieldgate", command: fieldgateCommand, env: production,
		settings: "`ENV=production`, the MySQL protocol and otherwise defaults: rate limits, `BCRYPT_COST=12`, and `LOG_LEVEL=info`, " +
			"which logs a line for each request",
	}
	oursWithRecheck = &implementation{
		name: "Fieldgate, `SESSION_RECHECK=5s`", command: fieldgateCommand, env: append([]string{"SESSION_RECHECK=5s"}, production...),
		settings: "the same, and sessions are cached for five seconds",
	}
	// Production refuses to start without limits.
	oursUnlimited = &implementation{
		name: "Fieldgate", command: fieldgateCommand,
		env: []string{"LIMITS=off", "LOG_FORMAT=json", "PLAYGROUND=false", "INTROSPECTION=false", "PUBLIC_URL=" + publicURL},
		settings: "in the login storm, a development server with `LIMITS=off` and otherwise production settings, because with limits most " +
			"guesses would be rejected without hashing; production requires limits",
	}
	handWritten = &implementation{
		name: "net/http by hand", command: selfCommand, env: []string{"GOGC=400"}, isBaseline: true,
		settings: "a hand-written handler for this operation, without GraphQL: `internal/auth` verifies the token, `database/sql` looks " +
			"up the session and its user with one prepared statement, `encoding/json` writes the response. `GOGC=400`, as " +
			"Fieldgate sets it",
	}
	apollo = &implementation{
		name: "Apollo Server", command: peerCommand("apollo", "tutorial"),
		settings: "as in tutorials: `startStandaloneServer`, a schema directive with `mapSchema`, `jwt.verify` with the secret as a string, " +
			"`pool.query`",
	}
	apolloTuned = &implementation{
		name: "Apollo Server, tuned", command: peerCommand("apollo", "tuned"), env: tuned,
		settings: "on Fastify, one process per core (`node:cluster`), `NODE_ENV=production`, prepared statements (`pool.execute`), a " +
			"`KeyObject` as the secret; the document cache is on by default",
	}
	mercurius = &implementation{
		name: "Mercurius", command: peerCommand("mercurius", "tutorial"),
		settings: "as in tutorials: Fastify with the plugin and its defaults, otherwise like Apollo Server",
	}
	mercuriusTuned = &implementation{
		name: "Mercurius, tuned", command: peerCommand("mercurius", "tuned"), env: tuned,
		settings: "with `jit: 1`, otherwise tuned like Apollo Server",
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

// start starts a server on a database and waits until it answers the operation correctly.
func (b *bench) start(ctx context.Context, c *implementation, databaseURL string, op operation, as user) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	cmd := c.command(ctx, b)
	cmd.Dir = b.dir // without a .env file
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

// server is a running implementation.
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

// url returns the URL of the operation.
func (s *server) url(op operation) string {
	if s.isBaseline {
		return "http://" + s.addr + op.baselinePath
	}
	return "http://" + s.addr + "/graphql"
}

// installPeers runs npm ci for the peers, unless it has installed the same lock file before.
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
		return fmt.Errorf("%w: install Node 20.11 or newer, which includes npm", err)
	}
	// The only native package, bcrypt, includes prebuilt binaries.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return os.WriteFile(done, lock, 0o600)
}

// build compiles Fieldgate as in the README.
func build(ctx context.Context, root, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

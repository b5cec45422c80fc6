package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"fieldgate/graph"
	"fieldgate/internal/auth"
	"fieldgate/internal/config"
	"fieldgate/internal/policy"
	"fieldgate/internal/trace"
	"fieldgate/internal/web"
	"fieldgate/models"
)

// console is what a command is run from.
type console struct {
	args           []string
	lookup         func(string) (string, bool)
	environ        func() []string // NAME=value of everything that lookup finds; nil: nothing
	stdin          io.Reader
	stdout, stderr io.Writer
	envFile        *string         // the value of --env-file; made by command
	adjust         func(*settings) // what no variable can say; nil: nothing
}

// run runs one command and returns the exit status: 0, or another one after a line on stderr that says what was
// wrong.
func run(ctx context.Context, c console) int {
	c.stdout = output{c.stdout}
	err := c.command().Run(ctx, c.args)
	status := exitStatus(err)
	if status != 0 {
		fmt.Fprintf(c.stderr, "fieldgate: %v\n", err)
	}
	return status
}

// errReadEnough is what happens to "user list" in "user list | head".
var errReadEnough = errors.New("nobody reads the output any more")

// output is stdout. A broken pipe gets a name of its own there: the connection to a database can be one too, and
// that is a failure.
type output struct{ io.Writer }

func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = errReadEnough
	}
	return n, err
}

// The exit statuses, but for 0.
const (
	statusFailed = 1 + iota
	statusUsage
	statusNotFound
	statusConflict
)

const statuses = `Exit status: 0 done, 1 failed (or not ready, or something to mend), 2 wrong usage, 3 nobody has the address,
4 conflict (the address is taken; the account is the last ADMIN's).`

func exitStatus(err error) int {
	var (
		usage   usageError
		library cli.ExitCoder // from "help" with a command that there is not
	)
	switch {
	case err == nil, errors.Is(err, errReadEnough):
		return 0
	case errors.As(err, &usage), errors.As(err, &library):
		return statusUsage
	case errors.Is(err, models.ErrNotFound):
		return statusNotFound
	case errors.Is(err, models.ErrEmailTaken), errors.Is(err, models.ErrLastOne):
		return statusConflict
	}
	return statusFailed
}

// usageError is about the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (c console) command() *cli.Command {
	c.envFile = new(string)
	root := &cli.Command{
		Name:        "fieldgate",
		Usage:       "a GraphQL API server that signs people in and gates every field by role",
		Description: "It is configured by environment variables, which can stand in a file: README.md has them.\n\n" + statuses + "\n\n   fieldgate\n   fieldgate user list --help",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "version", Usage: "show what this program was built from", Local: true},
			&cli.StringFlag{Name: "env-file", Usage: "read settings from this `FILE`, as ENV_FILE does", TakesFile: true, Destination: c.envFile},
		},
		Action: c.serveOrVersion,
		Commands: append([]*cli.Command{
			{
				Name: "serve", Usage: "run the server (what happens without a command)",
				Description: "   PORT=8081 fieldgate serve\n   DATABASE_URL=sqlite://demo.db fieldgate serve --demo",
				Flags:       []cli.Flag{&cli.BoolFlag{Name: "demo", Usage: "with a USER, a STAFF and an ADMIN whom anybody can be: in development, on a database of its own"}},
				Action:      c.serve,
			},
			{Name: "migrate", Usage: "bring the database's tables up to date", Description: "   fieldgate migrate\n   fieldgate migrate --contract", Flags: []cli.Flag{contract()}, Action: c.migrate, Commands: []*cli.Command{
				{Name: "up", Usage: "apply what is missing", Description: "   fieldgate migrate up", Flags: []cli.Flag{contract()}, Action: c.migrate},
				{
					Name: "status", Usage: "show what has been applied", Description: "   fieldgate migrate status --json",
					Flags: []cli.Flag{jsonLines()}, Action: c.migrationStatus,
				},
			}},
			c.userCommands(),
			{Name: "keys", Usage: "make keys", Description: "   fieldgate keys ed25519 --help", Commands: []*cli.Command{
				{Name: "secret", Usage: "print a new JWT_SECRET", Description: "   JWT_SECRET=$(fieldgate keys secret)", Action: c.keysSecret},
				{
					Name: "ed25519", Usage: "print a new private key for JWT_PRIVATE_KEY_FILES",
					Description: "   (umask 077; fieldgate keys ed25519 > fieldgate.pem)", Action: c.keysEd25519,
				},
			}},
			c.passwordsCommand(),
			{
				Name: "policy", Usage: "show who may use which field, as the schema says",
				Description: "   fieldgate policy --format json\n   fieldgate policy --format markdown --out PERMISSIONS.md",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "format", Usage: "table, markdown or json", Value: "table"},
					&cli.StringFlag{Name: "out", Usage: "write it to this `FILE`", TakesFile: true},
				},
				Action: c.policy,
			},
			{
				Name: "version", Usage: "show what this program was built from", Description: "   fieldgate version --json",
				Flags: []cli.Flag{jsonObject()}, Action: c.version,
			},
		}, c.operationCommands()...),
		Reader: c.stdin, Writer: c.stdout, ErrWriter: c.stderr,
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(cmd *cli.Command) {
			cmd.Hidden = false
			cmd.Usage = "print a script that completes commands and flags in a shell"
			c.quiet(cmd)
		},
	}
	c.quiet(root)
	return root
}

// quiet keeps the library from printing errors and ending the program itself, and gives groups of commands
// an error of their own for a command that they do not have.
func (c console) quiet(cmd *cli.Command) {
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return usagef("%w.%s Hint: %s --help", err, suggestFlag(cmd, err), cmd.FullName())
	}
	if cmd.Action == nil {
		cmd.Action = func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return noCommand(cmd, cmd.Args().First())
			}
			return cli.ShowSubcommandHelp(cmd)
		}
	}
	for _, sub := range cmd.Commands {
		c.quiet(sub)
	}
}

// arguments returns exactly those that names name.
func arguments(cmd *cli.Command, names ...string) ([]string, error) {
	args := cmd.Args().Slice()
	if len(args) == len(names) {
		return args, nil
	}
	usage := strings.Join(append([]string{cmd.FullName()}, names...), " ")
	if len(names) == 0 {
		return nil, noCommand(cmd, args[0])
	}
	return nil, usagef("expected: %s", usage)
}

// serveOrVersion is what happens without a command.
func (c console) serveOrVersion(ctx context.Context, cmd *cli.Command) error {
	if cmd.Bool("version") {
		return c.version(ctx, cmd)
	}
	return c.serve(ctx, cmd)
}

// settings reads the environment and the file of settings.
func (c console) settings() (settings, error) {
	source, err := config.Find(*c.envFile, c.lookup)
	if err != nil {
		return settings{}, err
	}
	unknown := config.UnknownVariables(append(source.Names, c.names()...))
	cfg, err := config.Load(source.Lookup)
	if err != nil {
		if source.Ignored {
			err = errors.Join(err, errors.New("there is a .env here, and production does not read it unless it is named. Hint: ENV_FILE=.env, or --env-file .env"))
		}
		return settings{}, withUnknown(err, unknown)
	}
	s := settings{Config: cfg, log: newLog(cfg, c.stderr), unknown: unknown, ignoredDotEnv: source.Ignored}
	if c.adjust != nil {
		c.adjust(&s)
	}
	return s, nil
}

// names are those of all variables of the environment.
func (c console) names() (names []string) {
	if c.environ == nil {
		return nil
	}
	for _, entry := range c.environ() {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	return names
}

// withUnknown adds what may be the cause of a wrong configuration.
func withUnknown(err error, unknown []config.UnknownVariable) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = slices.Clone(joined.Unwrap())
	}
	for _, u := range unknown {
		all = append(all, u)
	}
	return errors.Join(all...)
}

func newLog(cfg *config.Config, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if cfg.LogFormat == "json" {
		h = slog.NewJSONHandler(w, o)
	}
	return slog.New(web.LogHandler(h, trace.LogAttrs))
}

func (c console) serve(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	adjust := c.adjust
	c.adjust = func(s *settings) {
		s.demo = cmd.Bool("demo")
		if adjust != nil {
			adjust(s)
		}
		s.warnOfUnknown()
		s.warnOfProduction()
	}
	return c.withNewApp(func(a *app) error {
		list, err := listeners(ctx, a.Addr)
		if err != nil {
			return err
		}
		if a.metricsListener, err = a.listenForMetrics(ctx); err != nil {
			for _, l := range list {
				err = errors.Join(err, l.Close())
			}
			return err
		}
		return a.serve(ctx, list[0], list[1:]...)
	})
}

// announce says where the server is.
func (a *app) announce(l net.Listener, more ...net.Listener) {
	attrs := []any{"api", a.PublicURL.String() + "/graphql", "listen", l.Addr().String()}
	for _, m := range more {
		attrs = append(attrs, "also", m.Addr().String())
	}
	a.log.Info("serving", attrs...)
	if a.Playground {
		a.log.Info("open the playground", "url", a.PublicURL.String()+"/")
		if !a.page.Built() {
			a.log.Info("the playground was not built: it comes from a CDN, without its sign-in box. Hint: npm --prefix playground run build")
		}
	}
	switch {
	case a.mailer == nil:
		a.log.Warn("no mail is sent: nobody can reset a password. Hint: set SMTP_URL")
	case a.inbox != nil:
		a.log.Info("mails are shown instead of sent", "url", a.PublicURL.String()+inboxPath)
	}
}

// withApp runs f with a server whose database is up to date. A SQLite file that is not there is an error, and is not
// made.
func (c console) withApp(ctx context.Context, f func(*app) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := databaseExists(s); err != nil {
		return err
	}
	return c.withNewDatabase(ctx, f)
}

// withNewDatabase is withApp, but that it makes a SQLite file that DATABASE_URL names.
func (c console) withNewDatabase(ctx context.Context, f func(*app) error) error {
	return c.withNewApp(func(a *app) error {
		if err := a.migrate(ctx); err != nil {
			return err
		}
		return f(a)
	})
}

// withNewApp runs f with a server that has not touched its database.
func (c console) withNewApp(f func(*app) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	a, err := newApp(s)
	if err != nil {
		return err
	}
	return errors.Join(f(a), a.Close())
}

// withStore runs f with the database as it is.
func (c console) withStore(f func(*models.Store) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	p, err := s.open(models.Options{})
	if err != nil {
		return err
	}
	return errors.Join(f(p.Store), p.Store.Close())
}

// databaseExists returns an error if the database is a SQLite file that is not there.
func databaseExists(s settings) error {
	file, ok := models.SQLitePath(s.DatabaseURL)
	if !ok {
		return nil
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it, opening it says better
	}
	if path, err := filepath.Abs(file); err == nil {
		file = path
	}
	return fmt.Errorf("there is no database: %s does not exist. Hint: run this in the server's folder, or set DATABASE_URL; "+
		"fieldgate migrate makes a new database", file)
}

// databaseMeant returns an error if the default SQLite file is not there: this may be the wrong folder.
func databaseMeant(s settings) error {
	if s.DatabaseExplicit {
		return nil
	}
	return databaseExists(s)
}

func contract() cli.Flag {
	return &cli.BoolFlag{Name: "contract", Usage: "also take away what no program reads any more, once none runs that did"}
}

func (c console) migrate(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	return c.withStore(func(store *models.Store) error {
		apply := store.Migrate
		if cmd.Bool("contract") {
			apply = store.Contract
		}
		applied, err := apply(ctx)
		for _, m := range applied {
			fmt.Fprintf(c.stdout, "applied %s\n", m.Title())
		}
		if err != nil {
			return err
		}
		if len(applied) == 0 {
			fmt.Fprintln(c.stdout, "up to date")
		}
		list, err := store.Migrations(ctx)
		for _, m := range list {
			if m.Waiting() {
				fmt.Fprintf(c.stdout, "%s waits: %s. Hint: fieldgate migrate --contract, once no older program runs\n", m.Title(), m.Contract)
			}
		}
		return err
	})
}

func (c console) migrationStatus(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := databaseMeant(s); err != nil {
		return err
	}
	return c.withStore(func(store *models.Store) error {
		list, err := store.Migrations(ctx)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := c.writeMigration(m, cmd.Bool("json")); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c console) writeMigration(m models.Migration, asJSON bool) error {
	var applied *time.Time
	if !m.AppliedAt.IsZero() {
		applied = new(m.AppliedAt.UTC())
	}
	if asJSON {
		return writeJSON(c.stdout, struct {
			Feature   string     `json:"feature,omitempty"`
			Number    int64      `json:"number"`
			Name      string     `json:"name"`
			State     string     `json:"state"`
			AppliedAt *time.Time `json:"appliedAt"`
			Contract  string     `json:"contract,omitempty"`
		}{m.Feature, m.Number, m.Name, stateOf(m), applied, m.Contract})
	}
	name, state := m.Title(), stateOf(m)
	switch {
	case m.Unknown():
		state = "applied " + applied.Format(time.RFC3339) + " by a newer program"
	case m.Waiting():
		state += " (" + m.Contract + ")"
	case applied != nil:
		state += " " + applied.Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(c.stdout, "%s\t%s\n", name, state)
	return err
}

func stateOf(m models.Migration) string {
	switch {
	case m.Unknown():
		return "unknown"
	case m.Waiting():
		return "waiting"
	case m.Pending():
		return "pending"
	}
	return "applied"
}

func (c console) keysSecret(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.stdout, auth.NewSecret())
	return err
}

func (c console) keysEd25519(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	_, err := c.stdout.Write(auth.NewPrivateKey())
	return err
}

func (c console) policy(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	p, err := policy.Compile(graph.Schema())
	if err != nil {
		return fmt.Errorf("the schema's rules have gaps:\n%w", err)
	}
	write, ok := map[string]func(io.Writer) error{"table": p.WriteTable, "markdown": p.WriteMarkdown, "json": p.WriteJSON}[cmd.String("format")]
	if !ok {
		return fmt.Errorf("--format: %q is none of table, markdown and json", cmd.String("format"))
	}
	if out := cmd.String("out"); out != "" {
		var text bytes.Buffer
		return errors.Join(write(&text), os.WriteFile(out, text.Bytes(), 0o644))
	}
	return write(c.stdout)
}

// What a build without its repository beside it is told, by -ldflags "-X main.builtVersion=…": see the Dockerfile.
var builtVersion, builtRevision string

// program is what this program was built from.
type program struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func versionOf() program {
	v := program{Version: builtVersion, Revision: builtRevision, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if main := info.Main.Version; main != "(devel)" {
			v.Version = cmp.Or(v.Version, main)
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = cmp.Or(v.Revision, s.Value)
			}
		}
	}
	v.Version = cmp.Or(v.Version, "devel")
	return v
}

func (c console) version(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	v := versionOf()
	if cmd.Bool("json") {
		return writeJSON(c.stdout, v)
	}
	_, err := fmt.Fprintln(c.stdout, strings.Join(strings.Fields("fieldgate "+v.Version+" "+v.Revision+" "+v.Go+" "+v.OS+"/"+v.Arch), " "))
	return err
}

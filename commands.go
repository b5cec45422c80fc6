package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"fieldgate/graph"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/config"
	"fieldgate/internal/policy"
	"fieldgate/internal/web"
	"fieldgate/models"
)

// console is what a command is run from.
type console struct {
	args           []string
	lookup         func(string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
	adjust         func(*settings) // what no variable can say; nil: nothing
}

// run runs one command and returns the exit status: 0, or 1 after a line on stderr that says what was wrong.
func run(ctx context.Context, c console) int {
	if err := c.command().Run(ctx, c.args); err != nil {
		fmt.Fprintf(c.stderr, "fieldgate: %v\n", err)
		return 1
	}
	return 0
}

func (c console) command() *cli.Command {
	root := &cli.Command{
		Name:   "fieldgate",
		Usage:  "a GraphQL API server that signs people in and gates every field by role",
		Action: c.serve,
		Commands: []*cli.Command{
			{
				Name: "serve", Usage: "run the server (what happens without a command)",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "demo", Usage: "with a USER, a STAFF and an ADMIN whom anybody can be: in development, on a database of its own"}},
				Action: c.serve,
			},
			{Name: "migrate", Usage: "bring the database's tables up to date", Action: c.migrate, Commands: []*cli.Command{
				{Name: "up", Usage: "apply what is missing", Action: c.migrate},
				{Name: "status", Usage: "show what has been applied", Action: c.migrationStatus},
			}},
			{Name: "user", Usage: "look after accounts", Commands: []*cli.Command{
				{
					Name: "create", Usage: "make an account", ArgsUsage: "EMAIL",
					Description: "The password is asked for, or read from standard input; it is never an argument,\nbecause arguments can be seen by every user of the machine.\n\n   fieldgate user create ada@example.com --name Ada --role ADMIN",
					Flags: []cli.Flag{
						&cli.StringFlag{Name: "name", Usage: "what the person wants to be called", Required: true},
						&cli.StringFlag{Name: "role", Usage: "what the person may do", Value: policy.User},
					},
					Action: c.userCreate,
				},
				{Name: "list", Usage: "show every account, oldest first", Action: c.userList},
				{
					Name: "role", Usage: "give an account a role, in force on its next request", ArgsUsage: "EMAIL ROLE",
					Description: "   fieldgate user role ada@example.com ADMIN", Action: c.userRole,
				},
				{
					Name: "reset-password", Usage: "mail an account a link to choose a new password", ArgsUsage: "EMAIL",
					Description: "   fieldgate user reset-password ada@example.com", Action: c.userResetPassword,
				},
			}},
			{Name: "keys", Usage: "make keys", Commands: []*cli.Command{
				{Name: "secret", Usage: "print a new JWT_SECRET", Action: c.keysSecret},
				{
					Name: "ed25519", Usage: "print a new private key for JWT_PRIVATE_KEY_FILES",
					Description: "   (umask 077; fieldgate keys ed25519 > fieldgate.pem)", Action: c.keysEd25519,
				},
			}},
			{
				Name: "policy", Usage: "show who may use which field, as the schema says",
				Description: "   fieldgate policy --format json\n   fieldgate policy --format markdown --out PERMISSIONS.md",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "format", Usage: "table, markdown or json", Value: "table"},
					&cli.StringFlag{Name: "out", Usage: "write it to this `FILE`", TakesFile: true},
				},
				Action: c.policy,
			},
			{Name: "version", Usage: "show what this program was built from", Action: c.version},
		},
		Reader: c.stdin, Writer: c.stdout, ErrWriter: c.stderr,
	}
	c.quiet(root)
	return root
}

// quiet keeps the library from printing errors and ending the program itself, and gives groups of commands
// an error of their own for a command that they do not have.
func (c console) quiet(cmd *cli.Command) {
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return fmt.Errorf("%w. Hint: %s --help", err, cmd.FullName())
	}
	if cmd.Action == nil {
		cmd.Action = func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return fmt.Errorf("no command %q. Hint: %s --help", cmd.Args().First(), cmd.FullName())
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
		return nil, fmt.Errorf("no command or argument %q here. Hint: %s --help", args[0], usage)
	}
	return nil, fmt.Errorf("expected: %s", usage)
}

// settings reads the environment and the .env file in the working directory.
func (c console) settings() (settings, error) {
	lookup, err := config.DotEnv(".env", c.lookup)
	if err != nil {
		return settings{}, err
	}
	cfg, err := config.Load(lookup)
	if err != nil {
		return settings{}, err
	}
	s := settings{Config: cfg, log: newLog(cfg, c.stderr)}
	if c.adjust != nil {
		c.adjust(&s)
	}
	return s, nil
}

func newLog(cfg *config.Config, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if cfg.LogFormat == "json" {
		h = slog.NewJSONHandler(w, o)
	}
	return slog.New(web.LogHandler(h))
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
	}
	return c.withApp(ctx, func(a *app) error {
		if err := a.checkDemo(ctx); err != nil {
			return err
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("ADDR: %q is in use by another program. Hint: choose another one with PORT, for example PORT=8081", a.Addr)
		}
		if err != nil {
			return fmt.Errorf("ADDR: %w", err)
		}
		a.log.Info("serving", "api", a.PublicURL.String()+"/graphql", "listen", l.Addr().String())
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
		return a.serve(ctx, l)
	})
}

// withApp runs f with a server whose database is up to date.
func (c console) withApp(ctx context.Context, f func(*app) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	a, err := newApp(s)
	if err != nil {
		return err
	}
	applied, err := a.store.Migrate(ctx)
	for _, m := range applied {
		s.log.Info("migration applied", "number", m.Number, "name", m.Name)
	}
	if err == nil {
		err = f(a)
	}
	return errors.Join(err, a.Close())
}

// withStore runs f with the database as it is.
func (c console) withStore(f func(*models.Store) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	store, err := models.Open(s.DatabaseURL, models.Options{Log: s.log})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	return errors.Join(f(store), store.Close())
}

func (c console) migrate(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	return c.withStore(func(store *models.Store) error {
		applied, err := store.Migrate(ctx)
		for _, m := range applied {
			fmt.Fprintf(c.stdout, "applied %s\n", m.Name)
		}
		if err == nil && len(applied) == 0 {
			fmt.Fprintln(c.stdout, "up to date")
		}
		return err
	})
}

func (c console) migrationStatus(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	return c.withStore(func(store *models.Store) error {
		list, err := store.Migrations(ctx)
		for _, m := range list {
			state := "missing"
			if !m.AppliedAt.IsZero() {
				state = "applied " + m.AppliedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(c.stdout, "%s\t%s\n", m.Name, state)
		}
		return err
	})
}

func (c console) userCreate(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, "EMAIL")
	if err != nil {
		return err
	}
	return c.withApp(ctx, func(a *app) error {
		password, err := c.readPassword()
		if err != nil {
			return err
		}
		user, err := a.accounts.CreateUser(ctx, account.Registration{
			Name: cmd.String("name"), Email: args[0], Password: password,
		}, cmd.String("role"))
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s has an account with the role %s: %s\n", user.Email, user.Role, user.ID)
		return nil
	})
}

// readPassword asks twice on a terminal, and else reads one line.
func (c console) readPassword() (string, error) {
	if f, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return c.askPassword(int(f.Fd()))
	}
	line, err := bufio.NewReader(io.LimitReader(c.stdin, 8<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func (c console) askPassword(fd int) (string, error) {
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(c.stderr, prompt)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(c.stderr)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ; nothing was done")
	}
	return typed[0], nil
}

func (c console) userList(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	return c.withApp(ctx, func(a *app) error {
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tEMAIL\tNAME\tROLE\tCREATED\tDISABLED")
		for q := (account.UserQuery{First: 100}); ; {
			page, err := a.accounts.Users(ctx, q)
			if err != nil {
				return err
			}
			for _, u := range page.Users {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", u.ID, u.Email, u.Name, u.Role, u.CreatedAt.Format(time.RFC3339), since(u.DisabledAt))
			}
			if !page.More {
				return w.Flush()
			}
			q.After = page.End
		}
	})
}

func since(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func (c console) userRole(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, "EMAIL", "ROLE")
	if err != nil {
		return err
	}
	return c.withApp(ctx, func(a *app) error {
		user, err := a.accounts.SetRoleOf(ctx, args[0], args[1])
		if errors.Is(err, models.ErrNotFound) {
			return fmt.Errorf("nobody has the address %q. Hint: fieldgate user list", args[0])
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s has the role %s now\n", user.Email, user.Role)
		return nil
	})
}

func (c console) userResetPassword(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, "EMAIL")
	if err != nil {
		return err
	}
	return c.withApp(ctx, func(a *app) error {
		if a.mailer == nil {
			return errors.New("SMTP_URL: not set, so no mail can be sent. Hint: SMTP_URL=smtp://USER:PASSWORD@HOST:587")
		}
		user, err := a.accounts.RequestPasswordResetOf(ctx, args[0])
		if errors.Is(err, models.ErrNotFound) {
			return fmt.Errorf("nobody has the address %q. Hint: fieldgate user list", args[0])
		}
		if err != nil {
			return err
		}
		if _, err := a.mailer.Deliver(ctx); err != nil {
			fmt.Fprintf(c.stdout, "a link will be mailed to %s as soon as the mail server answers: %v\n", user.Email, err)
			return nil
		}
		fmt.Fprintf(c.stdout, "a link was mailed to %s\n", user.Email)
		return nil
	})
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

func (c console) version(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	version, revision := "devel", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(c.stdout, "fieldgate %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// Package cli implements the commands of the program, one file each. Main runs them.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"fieldgate/internal/server"
	"fieldgate/models"
)

// Console is the environment that a command runs in.
type Console struct {
	Args           []string // the first is the program's name
	Lookup         func(name string) (string, bool)
	Environ        func() []string // NAME=value of all variables; nil: none
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	Adjust func(*server.Options) // sets options that have no variable; nil: none

	envFile *string // the value of --env-file; set by command
}

// Process returns the console of this process and tunes the runtime of the process.
func Process() Console {
	// GOMAXPROCS defaults to the processors of the machine, or the quota of the container.
	processors := runtime.GOMAXPROCS(0)
	tuneRuntime(processors)
	return Console{
		Args: os.Args, Lookup: os.LookupEnv, Environ: os.Environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Adjust: func(o *server.Options) { o.Processors = processors },
	}
}

// tuneRuntime sets defaults of the Go runtime that suit this server. Environment variables override
// them.
func tuneRuntime(processors int) {
	if os.Getenv("GOGC") == "" {
		// The live heap is small and requests are short: 1.2 times the throughput for about 12 MB.
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOOS == "linux" {
		// Password hashing runs on low-priority threads, one per processor. Each occupies a P of
		// Go's scheduler while it hashes. With twice as many Ps, requests never wait in Go for time
		// that the kernel would give them.
		runtime.GOMAXPROCS(2 * processors)
	}
}

// Main runs one command and returns its exit status. If the status is not 0, it prints one line
// with the error to Stderr.
func Main(ctx context.Context, c Console) int {
	c.Stdout = output{c.Stdout}
	err := c.command().Run(ctx, c.Args)
	status := exitStatus(err)
	if status != 0 {
		fmt.Fprintf(c.Stderr, "fieldgate: %v\n", err)
	}
	return status
}

// errOutputClosed is the error of "user list" in "user list | head". It is not a failure.
var errOutputClosed = errors.New("the reader of the output has closed the pipe")

// output is standard output. It replaces the error of a broken pipe, because a broken pipe to the
// database is a failure and must stay distinguishable.
type output struct{ io.Writer }

func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = errOutputClosed
	}
	return n, err
}

const (
	// Exit statuses besides 0.
	StatusFailed = 1 + iota
	StatusUsage
	StatusNotFound
	StatusConflict
)

const exitStatusHelp = `Exit status: 0 success, 1 failure (also: not ready, or a problem found by doctor), 2 wrong usage,
3 no account has the address, 4 conflict (the address is taken, or the account is the last ADMIN).`

func exitStatus(err error) int {
	var (
		usage   usageError
		library cli.ExitCoder // from "help" with an unknown command
	)
	switch {
	case err == nil, errors.Is(err, errOutputClosed):
		return 0
	case errors.As(err, &usage), errors.As(err, &library):
		return StatusUsage
	case errors.Is(err, models.ErrNotFound):
		return StatusNotFound
	case errors.Is(err, models.ErrEmailTaken), errors.Is(err, models.ErrLastAdmin):
		return StatusConflict
	}
	return StatusFailed
}

// usageError is an error in the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (c Console) command() *cli.Command {
	c.envFile = new(string)
	root := &cli.Command{
		Name:        "fieldgate",
		Usage:       "a GraphQL API server with accounts, sign-in and field-level authorization",
		Description: "It is configured by environment variables or a settings file: docs/reference/configuration.md lists them.\n\n" + exitStatusHelp + "\n\n   fieldgate\n   fieldgate user list --help",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "version", Usage: "show the version and the build", Local: true},
			&cli.StringFlag{Name: "env-file", Usage: "read settings from this `FILE`, as ENV_FILE does", TakesFile: true, Destination: c.envFile},
		},
		Action: c.serveOrVersion,
		Commands: append([]*cli.Command{
			{
				Name: "serve", Usage: "run the server (the default command)",
				Description: "   PORT=8081 fieldgate serve\n   DATABASE_URL=sqlite://demo.db fieldgate serve --demo",
				Flags: []cli.Flag{&cli.BoolFlag{
					Name:  "demo",
					Usage: "create three accounts (USER, STAFF, ADMIN) with a public password; development only, needs a database of its own",
				}},
				Action: c.serve,
			},
			{
				Name: "migrate", Usage: "apply pending migrations to the database",
				Description: "   fieldgate migrate\n   fieldgate migrate --contract",
				Flags:       []cli.Flag{contractFlag()}, Action: c.migrate,
				Commands: []*cli.Command{
					{
						Name: "up", Usage: "apply pending migrations", Description: "   fieldgate migrate up",
						Flags: []cli.Flag{contractFlag()}, Action: c.migrate,
					},
					{
						Name: "status", Usage: "show each migration and its state",
						Description: "   fieldgate migrate status --json",
						Flags:       []cli.Flag{jsonLinesFlag()}, Action: c.migrationStatus,
					},
				},
			},
			c.userCommands(),
			{Name: "keys", Usage: "generate keys", Description: "   fieldgate keys ed25519 --help", Commands: []*cli.Command{
				{
					Name: "secret", Usage: "print a new random secret, as for JWT_SECRET, FACTOR_KEYS or PASSWORD_PEPPER",
					Description: "   JWT_SECRET=$(fieldgate keys secret)", Action: c.keysSecret,
				},
				{
					Name: "ed25519", Usage: "print a new private key for JWT_PRIVATE_KEY_FILES",
					Description: "   (umask 077; fieldgate keys ed25519 > fieldgate.pem)", Action: c.keysEd25519,
				},
			}},
			c.passwordsCommand(),
			{
				Name: "policy", Usage: "show which role each field of the schema requires",
				Description: "   fieldgate policy --format json\n   fieldgate policy --format markdown --out PERMISSIONS.md",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "format", Usage: "table, markdown or json", Value: "table"},
					&cli.StringFlag{Name: "out", Usage: "write to this `FILE` instead of standard output", TakesFile: true},
				},
				Action: c.policy,
			},
			{
				Name: "version", Usage: "show the version and the build", Description: "   fieldgate version --json",
				Flags: []cli.Flag{jsonFlag()}, Action: c.version,
			},
		}, c.operationCommands()...),
		Reader: c.Stdin, Writer: c.Stdout, ErrWriter: c.Stderr,
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(cmd *cli.Command) {
			cmd.Hidden = false
			cmd.Usage = "print a shell completion script"
			c.setErrorHandlers(cmd)
		},
	}
	c.setErrorHandlers(root)
	return root
}

// setErrorHandlers stops the library from printing errors and ending the program. A group of
// commands gets its own error for an unknown command.
func (c Console) setErrorHandlers(cmd *cli.Command) {
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return usagef("%w.%s Hint: %s --help", err, suggestFlag(cmd, err), cmd.FullName())
	}
	if cmd.Action == nil {
		cmd.Action = func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			return cli.ShowSubcommandHelp(cmd)
		}
	}
	for _, sub := range cmd.Commands {
		c.setErrorHandlers(sub)
	}
}

// arguments returns the arguments of cmd: exactly one for each name.
func arguments(cmd *cli.Command, names ...string) ([]string, error) {
	args := cmd.Args().Slice()
	if len(args) == len(names) {
		return args, nil
	}
	usage := strings.Join(append([]string{cmd.FullName()}, names...), " ")
	if len(names) == 0 {
		return nil, unknownCommand(cmd, args[0])
	}
	return nil, usagef("expected: %s", usage)
}

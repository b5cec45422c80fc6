// Package cli is the commands of the program: one file for each, and Main, which runs them.
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

// Console is what a command is run from.
type Console struct {
	Args           []string // the first is the program's name
	Lookup         func(name string) (string, bool)
	Environ        func() []string // NAME=value of everything that Lookup finds; nil: nothing
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	Adjust func(*server.Options) // what no variable can say; nil: nothing

	envFile *string // the value of --env-file; made by command
}

// Process is the console of this process, whose runtime it tunes.
func Process() Console {
	processors := runtime.GOMAXPROCS(0) // Go counts those of the machine, or what a container's quota allows
	tuneRuntime(processors)
	return Console{
		Args: os.Args, Lookup: os.LookupEnv, Environ: os.Environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Adjust: func(o *server.Options) { o.Processors = processors },
	}
}

// tuneRuntime sets what fits a server of this kind, unless the environment says otherwise.
func tuneRuntime(processors int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // small live heap, short requests: 1.2 times the throughput for some 12 MB
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOOS == "linux" {
		// Password hashing runs on threads of low priority, one a processor. Each holds one of Go's processors
		// while it hashes; with twice as many, requests never wait in Go for what the kernel would give them.
		runtime.GOMAXPROCS(2 * processors)
	}
}

// Main runs one command and returns the exit status: 0, or another one after a line on Stderr that says what was
// wrong.
func Main(ctx context.Context, c Console) int {
	c.Stdout = output{c.Stdout}
	err := c.command().Run(ctx, c.Args)
	status := exitStatus(err)
	if status != 0 {
		fmt.Fprintf(c.Stderr, "fieldgate: %v\n", err)
	}
	return status
}

// errOutputClosed is what happens to "user list" in "user list | head".
var errOutputClosed = errors.New("nobody reads the output any more")

// output is stdout. A broken pipe gets a name of its own there: the connection to a database can be one too, and
// that is a failure.
type output struct{ io.Writer }

func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = errOutputClosed
	}
	return n, err
}

// The exit statuses, but for 0.
const (
	StatusFailed = 1 + iota
	StatusUsage
	StatusNotFound
	StatusConflict
)

const exitStatusHelp = `Exit status: 0 done, 1 failed (or not ready, or something to mend), 2 wrong usage, 3 nobody has the address,
4 conflict (the address is taken; the account is the last ADMIN's).`

func exitStatus(err error) int {
	var (
		usage   usageError
		library cli.ExitCoder // from "help" with a command that there is not
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

// usageError is about the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (c Console) command() *cli.Command {
	c.envFile = new(string)
	root := &cli.Command{
		Name:        "fieldgate",
		Usage:       "a GraphQL API server that signs people in and gates every field by role",
		Description: "It is configured by environment variables, which can stand in a file: docs/reference/configuration.md lists them.\n\n" + exitStatusHelp + "\n\n   fieldgate\n   fieldgate user list --help",
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
			{Name: "migrate", Usage: "bring the database's tables up to date", Description: "   fieldgate migrate\n   fieldgate migrate --contract", Flags: []cli.Flag{contractFlag()}, Action: c.migrate, Commands: []*cli.Command{
				{Name: "up", Usage: "apply what is missing", Description: "   fieldgate migrate up", Flags: []cli.Flag{contractFlag()}, Action: c.migrate},
				{
					Name: "status", Usage: "show what has been applied", Description: "   fieldgate migrate status --json",
					Flags: []cli.Flag{jsonLinesFlag()}, Action: c.migrationStatus,
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
				Flags: []cli.Flag{jsonFlag()}, Action: c.version,
			},
		}, c.operationCommands()...),
		Reader: c.Stdin, Writer: c.Stdout, ErrWriter: c.Stderr,
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(cmd *cli.Command) {
			cmd.Hidden = false
			cmd.Usage = "print a script that completes commands and flags in a shell"
			c.setErrorHandlers(cmd)
		},
	}
	c.setErrorHandlers(root)
	return root
}

// setErrorHandlers keeps the library from printing errors and ending the program itself, and gives groups of commands
// an error of their own for a command that they do not have.
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

// arguments returns exactly those that names name.
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

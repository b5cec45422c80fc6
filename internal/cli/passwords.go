package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"fieldgate/internal/breached"
)

func (c Console) passwordsCommand() *cli.Command {
	return &cli.Command{Name: "passwords", Usage: "build the file for BREACHED_PASSWORDS", Description: "   fieldgate passwords build --help", Commands: []*cli.Command{
		{
			Name: "build", Usage: "build the file for BREACHED_PASSWORDS from a list of haveibeenpwned.com",
			Description: "It reads lines of the form SHA1:COUNT from standard input and writes the passwords that were seen often\n" +
				"enough to standard output, 8 bytes each. Lines that are sorted by hash need little memory.\n\n" +
				"   fieldgate passwords build --min-count 20 < hibp.txt > breached.bin",
			Flags:  []cli.Flag{&cli.Uint64Flag{Name: "min-count", Usage: "skip passwords that were seen fewer than `N` times", Value: 1}},
			Action: c.passwordsBuild,
		},
	}}
}

func (c Console) passwordsBuild(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	if out, ok := c.Stdout.(output); ok && isTerminal(out.Writer) || isTerminal(c.Stdin) {
		return usagef("standard input or output is a terminal. Hint: %s --min-count 20 < hibp.txt > breached.bin", cmd.FullName())
	}
	counts, err := breached.Build(c.Stdout, contextReader{ctx, c.Stdin}, cmd.Uint64("min-count"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stderr, "kept %d of %d passwords: %d bytes\n", counts.Kept, counts.Read, counts.Kept*8)
	return err
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// contextReader is a reader that fails when ctx ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

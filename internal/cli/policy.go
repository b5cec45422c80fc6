package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"fieldgate/graph"
	"fieldgate/internal/policy"
)

func (c Console) policy(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	p, err := policy.Compile(graph.Schema())
	if err != nil {
		return fmt.Errorf("the schema has invalid rules:\n%w", err)
	}
	write, ok := map[string]func(io.Writer) error{"table": p.WriteTable, "markdown": p.WriteMarkdown, "json": p.WriteJSON}[cmd.String("format")]
	if !ok {
		return fmt.Errorf("--format: %q is not valid: expected table, markdown or json", cmd.String("format"))
	}
	if out := cmd.String("out"); out != "" {
		var text bytes.Buffer
		return errors.Join(write(&text), os.WriteFile(out, text.Bytes(), 0o644))
	}
	return write(c.Stdout)
}

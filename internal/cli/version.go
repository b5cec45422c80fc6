package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"fieldgate/internal/version"
)

func (c Console) version(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	v := version.Of()
	if cmd.Bool("json") {
		return writeJSON(c.Stdout, v)
	}
	_, err := fmt.Fprintln(c.Stdout, strings.Join(strings.Fields("fieldgate "+v.Version+" "+v.Revision+" "+v.Go+" "+v.OS+"/"+v.Arch), " "))
	return err
}

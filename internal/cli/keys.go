package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"fieldgate/internal/auth"
)

func (c Console) keysSecret(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.Stdout, auth.NewSecret())
	return err
}

func (c Console) keysEd25519(_ context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	_, err := c.Stdout.Write(auth.NewPrivateKey())
	return err
}

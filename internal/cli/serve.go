package cli

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"fieldgate/internal/server"
)

// serveOrVersion runs without a command.
func (c Console) serveOrVersion(ctx context.Context, cmd *cli.Command) error {
	if cmd.Bool("version") {
		return c.version(ctx, cmd)
	}
	return c.serve(ctx, cmd)
}

func (c Console) serve(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	s.Demo = cmd.Bool("demo")
	s.warnUnknownVariables()
	s.warnProduction()
	if c.isDevelopmentTerminal(s.Config) {
		s.Banner = c.Stderr
	}
	running, err := server.New(s.Options)
	if err != nil {
		return err
	}
	return errors.Join(listenAndServe(ctx, running), running.Close())
}

func listenAndServe(ctx context.Context, s *server.Server) error {
	listeners, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	return s.Serve(ctx, listeners)
}

// warnUnknownVariables warns of variables that are probably misspelled.
func (s *settings) warnUnknownVariables() {
	for _, u := range s.unknownVariables {
		s.Log.Warn("unknown environment variable", "name", u.Name, "did_you_mean", u.Suggestion)
	}
}

// warnProduction warns of unsafe settings in production, and of a .env that is ignored there.
func (s *settings) warnProduction() {
	if s.hasIgnoredDotEnv {
		s.Log.Warn("production does not read .env unless it is named. Hint: ENV_FILE=.env, or --env-file .env")
	}
	if s.Config.Production && s.Config.DatabaseUnencrypted() {
		s.Log.Warn("the connection to MySQL is not encrypted. Hint: DATABASE_URL=mysql://…?tls=true")
	}
}

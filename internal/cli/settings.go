package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"fieldgate/internal/config"
	"fieldgate/internal/devlog"
	"fieldgate/internal/server"
	"fieldgate/internal/trace"
	"fieldgate/internal/web"
	"fieldgate/models"
)

// settings are the options of a command and the warnings that come with them.
type settings struct {
	server.Options
	unknownVariables []config.UnknownVariable // set, not read, and probably misspelled
	hasIgnoredDotEnv bool                     // .env exists, and production does not read it
}

// settings reads the environment and the settings file.
func (c Console) settings() (settings, error) {
	source, err := config.Find(*c.envFile, c.Lookup)
	if err != nil {
		return settings{}, err
	}
	unknown := config.UnknownVariables(append(source.Names, c.environNames()...))
	cfg, err := config.Load(source.Lookup)
	if err != nil {
		if source.IgnoredDotEnv {
			err = errors.Join(err, errors.New(".env was not read: production reads only a file that is named. Hint: ENV_FILE=.env, or --env-file .env"))
		}
		return settings{}, withUnknownVariables(err, unknown)
	}
	s := settings{Options: server.Options{Config: cfg, Log: c.newLog(cfg)}, unknownVariables: unknown, hasIgnoredDotEnv: source.IgnoredDotEnv}
	if c.Adjust != nil {
		c.Adjust(&s.Options)
	}
	return s, nil
}

// environNames returns the names of all environment variables.
func (c Console) environNames() (names []string) {
	if c.Environ == nil {
		return nil
	}
	for _, entry := range c.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	return names
}

// withUnknownVariables adds misspelled variables to err: they may be the cause.
func withUnknownVariables(err error, unknown []config.UnknownVariable) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = slices.Clone(joined.Unwrap())
	}
	for _, u := range unknown {
		all = append(all, u)
	}
	return errors.Join(all...)
}

// newLog returns a log in the format of LOG_FORMAT. For a developer at a terminal, text is short
// and colored.
func (c Console) newLog(cfg *config.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	var h slog.Handler = slog.NewTextHandler(c.Stderr, o)
	switch {
	case cfg.LogFormat == "json":
		h = slog.NewJSONHandler(c.Stderr, o)
	case c.isDevelopmentTerminal(cfg):
		noColor, _ := c.Lookup("NO_COLOR")
		h = devlog.New(c.Stderr, devlog.Options{Level: cfg.LogLevel, NoColor: noColor != ""})
	}
	return slog.New(web.LogHandler(h, trace.LogAttrs))
}

// isDevelopmentTerminal reports whether the log goes to the terminal of a developer.
func (c Console) isDevelopmentTerminal(cfg *config.Config) bool {
	f, ok := c.Stderr.(*os.File)
	return ok && !cfg.Production && cfg.LogFormat == "text" && term.IsTerminal(int(f.Fd()))
}

// withDatabase runs f with the services on a migrated database. A missing SQLite file is an error
// and is not created.
func (c Console) withDatabase(ctx context.Context, f func(*server.Services) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := checkDatabaseExists(s); err != nil {
		return err
	}
	return c.withNewDatabase(ctx, f)
}

// withNewDatabase is like withDatabase, but creates a missing SQLite file.
func (c Console) withNewDatabase(ctx context.Context, f func(*server.Services) error) error {
	return c.withServices(func(s *server.Services) error {
		if err := s.Migrate(ctx); err != nil {
			return err
		}
		return f(s)
	})
}

// withServices runs f with the services on a database that is not migrated.
func (c Console) withServices(f func(*server.Services) error) error {
	o, err := c.settings()
	if err != nil {
		return err
	}
	s, err := server.Open(o.Options)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// withStore runs f with the database as it is.
func (c Console) withStore(f func(*models.Store) error) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	p, err := s.OpenStore()
	if err != nil {
		return err
	}
	return errors.Join(f(p.Store), p.Store.Close())
}

// checkDatabaseExists returns an error if DATABASE_URL names a missing SQLite file.
func checkDatabaseExists(s settings) error {
	file, ok := models.SQLitePath(s.Config.DatabaseURL)
	if !ok {
		return nil
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil // opening the file reports other errors better
	}
	if path, err := filepath.Abs(file); err == nil {
		file = path
	}
	return fmt.Errorf("no database: %s does not exist. Hint: run this in the server's directory, or set DATABASE_URL; "+
		"fieldgate migrate creates a new database", file)
}

// checkDefaultDatabase returns an error if the default SQLite file is missing: the command may run
// in the wrong directory.
func checkDefaultDatabase(s settings) error {
	if s.Config.DatabaseExplicit {
		return nil
	}
	return checkDatabaseExists(s)
}

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

// settings are what a command is given to work with.
type settings struct {
	server.Options
	unknownVariables []config.UnknownVariable // environNames that are set, and were probably meant for a variable
	hasIgnoredDotEnv bool                     // there is a .env that production does not read
}

// settings reads the environment and the file of settings.
func (c Console) settings() (settings, error) {
	source, err := config.Find(*c.envFile, c.Lookup)
	if err != nil {
		return settings{}, err
	}
	unknown := config.UnknownVariables(append(source.Names, c.environNames()...))
	cfg, err := config.Load(source.Lookup)
	if err != nil {
		if source.IgnoredDotEnv {
			err = errors.Join(err, errors.New("there is a .env here, and production does not read it unless it is named. Hint: ENV_FILE=.env, or --env-file .env"))
		}
		return settings{}, withUnknownVariables(err, unknown)
	}
	s := settings{Options: server.Options{Config: cfg, Log: c.newLog(cfg)}, unknownVariables: unknown, hasIgnoredDotEnv: source.IgnoredDotEnv}
	if c.Adjust != nil {
		c.Adjust(&s.Options)
	}
	return s, nil
}

// environNames are those of all variables of the environment.
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

// withUnknownVariables adds what may be the cause of a wrong configuration.
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

// newLog writes to w in the format of LOG_FORMAT. For a developer at a terminal, text is short and coloured.
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

// isDevelopmentTerminal reports whether the log is for a person in front of it.
func (c Console) isDevelopmentTerminal(cfg *config.Config) bool {
	f, ok := c.Stderr.(*os.File)
	return ok && !cfg.Production && cfg.LogFormat == "text" && term.IsTerminal(int(f.Fd()))
}

// withDatabase runs f with the services on a database that is up to date. A SQLite file that is not there is an error, and is not
// made.
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

// withNewDatabase is withDatabase, but that it makes a SQLite file that DATABASE_URL names.
func (c Console) withNewDatabase(ctx context.Context, f func(*server.Services) error) error {
	return c.withServices(func(s *server.Services) error {
		if err := s.Migrate(ctx); err != nil {
			return err
		}
		return f(s)
	})
}

// withServices runs f with the services on a database that they have not touched.
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

// checkDatabaseExists returns an error if the database is a SQLite file that is not there.
func checkDatabaseExists(s settings) error {
	file, ok := models.SQLitePath(s.Config.DatabaseURL)
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

// checkDefaultDatabase returns an error if the default SQLite file is not there: this may be the wrong folder.
func checkDefaultDatabase(s settings) error {
	if s.Config.DatabaseExplicit {
		return nil
	}
	return checkDatabaseExists(s)
}

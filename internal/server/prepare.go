package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"fieldgate/internal/guard"
	"fieldgate/internal/web"
	"fieldgate/models"
)

// pendingMigrationsError says what the database lacks that this program needs.
type pendingMigrationsError struct{ migrations []string }

func (e pendingMigrationsError) Error() string {
	return fmt.Sprintf("the database lacks what this program needs: %s. Hint: fieldgate migrate", strings.Join(e.migrations, ", "))
}

// Migrate brings the database's tables up to date, unless that is left to somebody else: then it returns a pendingMigrationsError
// if that has not been done.
func (s *Services) Migrate(ctx context.Context) error {
	if s.Config.AutoMigrate {
		applied, err := s.Store.Migrate(ctx)
		for _, m := range applied {
			s.Log.Info("migration applied", "number", m.Number, "name", m.Title())
		}
		if err != nil {
			return err
		}
	}
	list, err := s.Store.Migrations(ctx)
	if err != nil {
		return err
	}
	var behind pendingMigrationsError
	for _, m := range list {
		if m.Pending() {
			behind.migrations = append(behind.migrations, m.Title())
		}
	}
	if behind.migrations != nil {
		return behind
	}
	return nil
}

// logMigrations says what whoever upgrades has to know, once, when the server starts.
func (s *Server) logMigrations(ctx context.Context) error {
	list, err := s.Store.Migrations(ctx)
	var ahead []int64
	var features, waiting []string
	for _, m := range list {
		switch {
		case m.Unknown() && m.Feature != "":
			features = append(features, m.Title())
		case m.Unknown():
			ahead = append(ahead, m.Number)
		case m.Waiting():
			waiting = append(waiting, m.Title())
		}
	}
	if ahead != nil {
		s.Log.InfoContext(ctx, "the database is ahead: a newer program has migrated it", "migrations", ahead)
	}
	if features != nil {
		s.Log.InfoContext(ctx, "the database is ahead: a newer program has migrated it", "migrations", features)
	}
	if waiting != nil {
		s.Log.InfoContext(ctx, "migrations wait until no older program runs. Hint: fieldgate migrate --contract", "migrations", waiting)
	}
	return err
}

// prepareInterval is how often a server looks whether what it waits for has come.
const prepareInterval = time.Second

// prepare returns when the database is as this program needs it. It waits for a server that does not answer, as it would
// if that had happened a moment later; a file that cannot be opened is a mistake, and will not open by itself.
func (s *Server) prepare(ctx context.Context, l net.Listener) error {
	s.Log.DebugContext(ctx, "starting", "listen", l.Addr().String())
	_, file := models.SQLitePath(s.Config.DatabaseURL)
	for said := ""; ; {
		err := s.Migrate(ctx)
		if err == nil {
			err = errors.Join(s.logMigrations(ctx), s.checkDemo(ctx))
		}
		var waiting string
		switch {
		case err == nil:
			return nil
		case errors.Is(err, models.ErrUnavailable) && !file:
			waiting = "waiting for the database"
		case errors.As(err, new(pendingMigrationsError)):
			waiting = "waiting for migrations"
		default:
			return err
		}
		if waiting != said {
			s.Log.WarnContext(ctx, waiting, "error", err, "listen", l.Addr().String())
			said = waiting
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(prepareInterval):
		}
	}
}

// StartingHandler answers so long as the database is not as this program needs it.
func (s *Server) StartingHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", web.Live())
	mux.Handle("GET /readyz", web.Ready(func(context.Context) error {
		return errors.New("the database does not answer yet, or its tables are not up to date")
	}, s.Log))
	unavailable := guard.UnavailableHandler("the server is starting", int(prepareInterval.Seconds()))
	mux.Handle("/graphql", s.crossOrigin(unavailable))
	mux.Handle("/", unavailable)
	return web.Chain(mux, web.RequestID, web.ClientIP(s.Config.TrustedProxies), web.Log(s.Log), web.Recover(s.Log),
		web.SecurityHeaders(s.Config.CookieSecure(), s.Config.HSTSSubdomains), web.NoStore, s.requireKnownHost(s.Config.ChecksHosts()))
}

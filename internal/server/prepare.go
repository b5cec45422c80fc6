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

// pendingMigrationsError lists the migrations that this version needs and the database lacks.
type pendingMigrationsError struct{ migrations []string }

func (e pendingMigrationsError) Error() string {
	return fmt.Sprintf("the database has pending migrations: %s. Hint: run fieldgate migrate", strings.Join(e.migrations, ", "))
}

// Migrate applies pending migrations if AUTO_MIGRATE is on. It returns a pendingMigrationsError if
// any remain.
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
	var pending pendingMigrationsError
	for _, m := range list {
		if m.Pending() {
			pending.migrations = append(pending.migrations, m.Title())
		}
	}
	if pending.migrations != nil {
		return pending
	}
	return nil
}

// logMigrations logs at the start what an operator must know during an upgrade.
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
		s.Log.InfoContext(ctx, "the database is ahead: a newer version has migrated it", "migrations", ahead)
	}
	if features != nil {
		s.Log.InfoContext(ctx, "the database is ahead: a newer version has migrated it", "migrations", features)
	}
	if waiting != nil {
		s.Log.InfoContext(ctx, "contract migrations are waiting. Hint: run fieldgate migrate --contract after all older servers have stopped", "migrations", waiting)
	}
	return err
}

// prepareInterval is the pause between two attempts to prepare the database.
const prepareInterval = time.Second

// prepare returns when the database has all migrations. It waits for a database server that does
// not answer: a running server would wait for it, too. An SQLite file that cannot be opened is a
// configuration error that waiting does not fix.
func (s *Server) prepare(ctx context.Context, l net.Listener) error {
	s.Log.DebugContext(ctx, "starting", "listen", l.Addr().String())
	_, isFile := models.SQLitePath(s.Config.DatabaseURL)
	for logged := ""; ; {
		err := s.Migrate(ctx)
		if err == nil {
			err = errors.Join(s.logMigrations(ctx), s.checkDemo(ctx))
		}
		var waiting string
		switch {
		case err == nil:
			return nil
		case errors.Is(err, models.ErrUnavailable) && !isFile:
			waiting = "waiting for the database"
		case errors.As(err, new(pendingMigrationsError)):
			waiting = "waiting for migrations"
		default:
			return err
		}
		if waiting != logged {
			s.Log.WarnContext(ctx, waiting, "error", err, "listen", l.Addr().String())
			logged = waiting
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(prepareInterval):
		}
	}
}

// StartingHandler answers requests until the database is prepared.
func (s *Server) StartingHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", web.Live())
	mux.Handle("GET /readyz", web.Ready(func(context.Context) error {
		return errors.New("the database does not answer yet, or has pending migrations")
	}, s.Log))
	unavailable := guard.UnavailableHandler("the server is starting", int(prepareInterval.Seconds()))
	mux.Handle("/graphql", s.crossOrigin(unavailable))
	mux.Handle("/", unavailable)
	return web.Chain(mux, web.RequestID, web.ClientIP(s.Config.TrustedProxies), web.Log(s.Log), web.Recover(s.Log),
		web.SecurityHeaders(s.Config.CookieSecure(), s.Config.HSTSSubdomains), web.NoStore, s.requireKnownHost(s.Config.ChecksHosts()))
}

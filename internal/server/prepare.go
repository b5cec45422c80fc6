package main

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

// behindError says what the database lacks that this program needs.
type behindError struct{ steps []string }

func (e behindError) Error() string {
	return fmt.Sprintf("the database lacks what this program needs: %s. Hint: fieldgate migrate", strings.Join(e.steps, ", "))
}

// migrate brings the database's tables up to date, unless that is left to somebody else: then it returns a behindError
// if that has not been done.
func (a *app) migrate(ctx context.Context) error {
	if a.AutoMigrate {
		applied, err := a.store.Migrate(ctx)
		for _, m := range applied {
			a.log.Info("migration applied", "number", m.Number, "name", m.Title())
		}
		if err != nil {
			return err
		}
	}
	list, err := a.store.Migrations(ctx)
	if err != nil {
		return err
	}
	var behind behindError
	for _, m := range list {
		if m.Pending() {
			behind.steps = append(behind.steps, m.Title())
		}
	}
	if behind.steps != nil {
		return behind
	}
	return nil
}

// noteMigrations says what whoever upgrades has to know, once, when the server starts.
func (a *app) noteMigrations(ctx context.Context) error {
	list, err := a.store.Migrations(ctx)
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
		a.log.InfoContext(ctx, "the database is ahead: a newer program has migrated it", "migrations", ahead)
	}
	if features != nil {
		a.log.InfoContext(ctx, "the database is ahead: a newer program has migrated it", "migrations", features)
	}
	if waiting != nil {
		a.log.InfoContext(ctx, "migrations wait until no older program runs. Hint: fieldgate migrate --contract", "migrations", waiting)
	}
	return err
}

// preparePause is how often a server looks whether what it waits for has come.
const preparePause = time.Second

// prepare returns when the database is as this program needs it. It waits for a server that does not answer, as it would
// if that had happened a moment later; a file that cannot be opened is a mistake, and will not open by itself.
func (a *app) prepare(ctx context.Context, l net.Listener) error {
	a.log.DebugContext(ctx, "starting", "listen", l.Addr().String())
	_, file := models.SQLitePath(a.DatabaseURL)
	for said := ""; ; {
		err := a.migrate(ctx)
		if err == nil {
			err = errors.Join(a.noteMigrations(ctx), a.checkDemo(ctx))
		}
		var waiting string
		switch {
		case err == nil:
			return nil
		case errors.Is(err, models.ErrUnavailable) && !file:
			waiting = "waiting for the database"
		case errors.As(err, new(behindError)):
			waiting = "waiting for migrations"
		default:
			return err
		}
		if waiting != said {
			a.log.WarnContext(ctx, waiting, "error", err, "listen", l.Addr().String())
			said = waiting
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(preparePause):
		}
	}
}

// starting answers so long as the database is not as this program needs it.
func (a *app) starting() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", web.Live())
	mux.Handle("GET /readyz", web.Ready(func(context.Context) error {
		return errors.New("the database does not answer yet, or its tables are not up to date")
	}, a.log))
	unavailable := guard.Unavailable("the server is starting", int(preparePause.Seconds()))
	mux.Handle("/graphql", a.crossOrigin(unavailable))
	mux.Handle("/", unavailable)
	return web.Chain(mux, web.RequestID, web.ClientIP(a.TrustedProxies), web.Log(a.log), web.Recover(a.log),
		web.SecurityHeaders(a.CookieSecure(), a.HSTSSubdomains), web.NoStore, a.onlyKnownHosts(a.ChecksHosts()))
}

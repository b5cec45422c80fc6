package models

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

// The numbered files, one folder a dialect. A number stands for the same step in each folder.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

func migrationsOf(d dialect) fs.FS {
	sub, err := fs.Sub(migrations, "migrations/"+d.name())
	if err != nil {
		panic(err) // the name is one of two constants
	}
	return sub
}

// migrator is the part of goose's Provider that is used here.
type migrator interface {
	Up(context.Context) ([]*goose.MigrationResult, error)
	Status(context.Context) ([]*goose.MigrationStatus, error)
}

// Migration is one numbered step of the schema.
type Migration struct {
	Number    int64
	Name      string
	AppliedAt time.Time // zero if it has not been applied
}

// Migrate applies the steps that the database lacks, in order, and returns those that it applied, also
// beside an error. Any number of processes may call it at once: one works, the others wait for it, as long as
// ctx allows.
func (s *Store) Migrate(ctx context.Context) (applied []Migration, err error) {
	err = s.withMigrator(ctx, func(m migrator) error {
		done, err := m.Up(ctx)
		if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
			done = partial.Applied
		}
		for _, r := range done {
			applied = append(applied, Migration{Number: r.Source.Version, Name: r.Source.Path, AppliedAt: s.Now()})
		}
		return err
	})
	return applied, err
}

// Migrations lists every step and when it was applied.
func (s *Store) Migrations(ctx context.Context) (list []Migration, err error) {
	err = s.withMigrator(ctx, func(m migrator) error {
		status, err := m.Status(ctx)
		for _, st := range status {
			list = append(list, Migration{Number: st.Source.Version, Name: st.Source.Path, AppliedAt: st.AppliedAt})
		}
		return err
	})
	return list, err
}

// withMigrator works on a pool of its own: the lock and the steps need more than one connection, and the
// store's pool may have just one. That one says first whether there is a database at all, since it waits less
// long for an answer.
func (s *Store) withMigrator(ctx context.Context, f func(migrator) error) error {
	if err := s.pool.PingContext(ctx); err != nil {
		return s.translate(ctx, err)
	}
	m, pool, err := s.dialect.migrator()
	if err == nil {
		err = errors.Join(f(m), pool.Close())
	}
	if err != nil {
		return s.translate(ctx, fmt.Errorf("migrations: %w", err))
	}
	return nil
}

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"fieldgate/models"
)

func contractFlag() cli.Flag {
	return &cli.BoolFlag{
		Name:  "contract",
		Usage: "also remove tables and columns that this version does not use; run it after all older servers have stopped",
	}
}

func (c Console) migrate(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	return c.withStore(func(store *models.Store) error {
		apply := store.Migrate
		if cmd.Bool("contract") {
			apply = store.Contract
		}
		applied, err := apply(ctx)
		for _, m := range applied {
			fmt.Fprintf(c.Stdout, "applied %s\n", m.Title())
		}
		if err != nil {
			return err
		}
		if len(applied) == 0 {
			fmt.Fprintln(c.Stdout, "up to date")
		}
		list, err := store.Migrations(ctx)
		for _, m := range list {
			if m.Waiting() {
				fmt.Fprintf(c.Stdout, "%s is waiting: %s. Hint: run fieldgate migrate --contract after all older servers have stopped\n", m.Title(), m.Contract)
			}
		}
		return err
	})
}

func (c Console) migrationStatus(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := checkDefaultDatabase(s); err != nil {
		return err
	}
	return c.withStore(func(store *models.Store) error {
		list, err := store.Migrations(ctx)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := c.writeMigration(m, cmd.Bool("json")); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c Console) writeMigration(m models.Migration, asJSON bool) error {
	var applied *time.Time
	if !m.AppliedAt.IsZero() {
		applied = new(m.AppliedAt.UTC())
	}
	if asJSON {
		return writeJSON(c.Stdout, struct {
			Feature   string     `json:"feature,omitempty"`
			Number    int64      `json:"number"`
			Name      string     `json:"name"`
			State     string     `json:"state"`
			AppliedAt *time.Time `json:"appliedAt"`
			Contract  string     `json:"contract,omitempty"`
		}{m.Feature, m.Number, m.Name, migrationState(m), applied, m.Contract})
	}
	name, state := m.Title(), migrationState(m)
	switch {
	case m.Unknown():
		state = "applied " + applied.Format(time.RFC3339) + " by a newer version"
	case m.Waiting():
		state += " (" + m.Contract + ")"
	case applied != nil:
		state += " " + applied.Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(c.Stdout, "%s\t%s\n", name, state)
	return err
}

func migrationState(m models.Migration) string {
	switch {
	case m.Unknown():
		return "unknown"
	case m.Waiting():
		return "waiting"
	case m.Pending():
		return "pending"
	}
	return "applied"
}

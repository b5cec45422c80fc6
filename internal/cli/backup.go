package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v3"

	"fieldgate/models"
)

func (c Console) backup(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, "FILE")
	if err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	// Opening a missing file would create it.
	if file, ok := models.SQLitePath(s.Config.DatabaseURL); ok {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf(
				"DATABASE_URL: %w. Hint: run this in the directory of the server's .env, or set DATABASE_URL",
				err,
			)
		}
	}
	return c.withStore(func(store *models.Store) error {
		err := store.Backup(ctx, args[0])
		switch {
		case errors.Is(err, models.ErrBackupUnsupported):
			return errors.New("DATABASE_URL: backup supports SQLite only. Hint: use mysqldump --single-transaction (docs/operations.md)")
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf(
				"%s: the file exists and was not overwritten. Hint: choose another name",
				printable(args[0]),
			)
		case err != nil:
			return err
		}
		info, err := os.Stat(args[0])
		if err == nil {
			_, err = fmt.Fprintf(c.Stdout, "copied the database to %s (%d bytes)\n", printable(args[0]), info.Size())
		}
		return err
	})
}

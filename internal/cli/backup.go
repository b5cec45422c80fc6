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
	if file, ok := models.SQLitePath(s.Config.DatabaseURL); ok { // to open it would make it
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("DATABASE_URL: %w. Hint: run this where the server's .env is", err)
		}
	}
	return c.withStore(func(store *models.Store) error {
		err := store.Backup(ctx, args[0])
		switch {
		case errors.Is(err, models.ErrBackupUnsupported):
			return errors.New("DATABASE_URL: not SQLite. Hint: mysqldump --single-transaction (docs/operations.md)")
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("%s: there is a file already, and it stays", printable(args[0]))
		case err != nil:
			return err
		}
		info, err := os.Stat(args[0])
		if err == nil {
			_, err = fmt.Fprintf(c.Stdout, "%s has a copy of the database: %d bytes\n", printable(args[0]), info.Size())
		}
		return err
	})
}

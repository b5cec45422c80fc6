package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrBackupUnsupported is the error of Backup for databases other than SQLite.
var ErrBackupUnsupported = errors.New("Backup supports SQLite only; use the backup tool of the database server")

// Backup writes a consistent copy of a SQLite database to a new file with mode 0600. Reads and
// writes continue meanwhile. It returns fs.ErrExist if the file exists, and ErrBackupUnsupported
// for other databases.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.pool.PingContext(ctx); err != nil {
		return s.translate(ctx, err)
	}
	return s.translate(ctx, s.dialect.backup(ctx, s.pool, path))
}

func (mysqlDialect) backup(context.Context, *sql.DB, string) error { return ErrBackupUnsupported }

// backup creates the empty file itself and lets SQLite write into it, because SQLite would create a
// file that all users can read. An incomplete copy is removed.
func (sqliteDialect) backup(ctx context.Context, pool *sql.DB, path string) (err error) {
	// SQLite gives relative names like "file:x.db" and ":memory:" a meaning of their own.
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	if err == nil {
		err = f.Sync() // the copy must survive a power failure
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), os.Remove(path))
	}
	return nil
}

package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrBackupUnsupported is Backup's answer for a database that has its own way.
var ErrBackupUnsupported = errors.New("this kind of database is not backed up by the server")

// Backup writes a copy of a SQLite database, as it is at one moment, into a file that must not be there yet, for its owner
// only. Others may read and write meanwhile. It returns fs.ErrExist for a file that is there, and ErrBackupUnsupported for a
// database that is not SQLite.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.pool.PingContext(ctx); err != nil {
		return s.translate(ctx, err)
	}
	return s.translate(ctx, s.dialect.backup(ctx, s.pool, path))
}

func (mysqlDialect) backup(context.Context, *sql.DB, string) error { return ErrBackupUnsupported }

// backup lets SQLite write into an empty file, which it takes for a new one: of its own it would make one that everybody
// may read. What is half written is taken away again.
func (sqliteDialect) backup(ctx context.Context, pool *sql.DB, path string) (err error) {
	path, err = filepath.Abs(path) // SQLite reads "file:x.db" and ":memory:" otherwise than we do
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	if err == nil {
		err = f.Sync() // a copy that a power cut takes is none
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), os.Remove(path))
	}
	return nil
}

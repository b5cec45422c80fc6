package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

func (d sqliteDialect) inspect(ctx context.Context, pool *sql.DB, e *Inspection, deep bool) error {
	file := &DatabaseFile{Path: d.path, Free: freeBytes(filepath.Dir(d.path))}
	for _, f := range []struct {
		path string
		to   func(os.FileInfo)
	}{
		{d.path, func(i os.FileInfo) { file.Mode, file.Size = i.Mode().Perm(), i.Size() }},
		{filepath.Dir(d.path), func(i os.FileInfo) { file.Folder = i.Mode().Perm() }},
	} {
		info, err := os.Stat(f.path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		f.to(info)
	}
	e.Product, e.Strict, e.File = "SQLite", true, file
	const query = "SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode)"
	err := pool.QueryRowContext(ctx, query).Scan(&e.Version, &file.Journal)
	if err != nil || !deep {
		return err
	}
	messages, err := queryColumn[string](ctx, pool, "PRAGMA quick_check")
	switch {
	case errors.Is(err, sqlite3.CORRUPT):
		e.Corruption = []string{err.Error()} // the damage stopped the check itself
		return nil
	case err == nil && (len(messages) != 1 || messages[0] != "ok"):
		e.Corruption = messages
	}
	return err
}

// structure excludes indexes over expressions.
func (sqliteDialect) structure(ctx context.Context, pool *sql.DB) (structure, error) {
	return readStructure(ctx, pool,
		`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`,
		`SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'`,
		`SELECT i.tbl || '(' || group_concat(c.name, ',') || ')' || iif(i."unique", ' unique', '')
			FROM (SELECT m.name AS tbl, l.name, l."unique" FROM sqlite_schema m, pragma_index_list(m.name) l WHERE m.type = 'table') i,
			pragma_index_info(i.name) c GROUP BY i.tbl, i.name HAVING COUNT(*) = COUNT(c.name)`)
}

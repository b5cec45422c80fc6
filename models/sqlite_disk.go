package models

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// fullDiskBytes is the free space below which a write fails: SQLite needs several pages.
const fullDiskBytes = 1 << 20

// explain names a full disk as the cause. SQLite reports "disk I/O error" if it cannot extend its
// write-ahead log.
func (d sqliteDialect) explain(err error) error {
	if !errors.Is(err, sqlite3.IOERR) && !errors.Is(err, sqlite3.FULL) {
		return err
	}
	folder := filepath.Dir(d.path)
	if free := freeBytes(folder); free >= 0 && free < fullDiskBytes {
		return fmt.Errorf("the disk of %s is full, %d bytes are free: %w", folder, free, err)
	}
	return err
}

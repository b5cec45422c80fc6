package models

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// This file has what a product's own queries need of a Store:
//
//	func (s *Service) Notes(ctx context.Context, authorID string) (list []*Note, err error) {
//		err = s.store.DB(ctx).Where("author_id = ?", authorID).Order("id DESC").Limit(100).Find(&list).Error
//		return list, err
//	}
//
// Writes of more than one statement belong into Transaction, which hands out a Store whose DB is the transaction.

// ErrConflict is the error of DB for a row that breaks a unique index. Clients see the code CONFLICT.
var ErrConflict = errors.New("another row has this value")

// storeSetting is where DB leaves its Store for translateResult.
const storeSetting = "fieldgate:store"

// DB returns GORM's handle for a product's own tables, bound to ctx, and inside Transaction to the transaction. It may be
// used for any number of statements.
//
// The errors of its statements are ErrNotFound, ErrConflict and ErrUnavailable where they apply, wrapped together with
// GORM's or the driver's own error. All three have a code for clients, so a resolver may return them as they are. Rows and
// Row return errors later than DB sees them: pass those to Translate.
func (s *Store) DB(ctx context.Context) *gorm.DB {
	return s.conn(ctx).Set(storeSetting, s).Session(&gorm.Session{})
}

// Translate turns an error of the database into ErrNotFound, ErrConflict or ErrUnavailable, wrapped together with the
// cause. Other errors come back as they are. ctx is the context of the call that failed.
func (s *Store) Translate(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return err
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return s.translate(ctx, err)
}

// translateResults has the statements of DB end with translated errors.
func translateResults(db *gorm.DB) error {
	result := func(db *gorm.DB) {
		if db.Error == nil {
			return
		}
		if s, ok := db.Get(storeSetting); ok {
			db.Error = s.(*Store).Translate(db.Statement.Context, db.Error)
		}
	}
	const name = "fieldgate:translate"
	c := db.Callback()
	return errors.Join(
		c.Create().After("*").Register(name, result), c.Query().After("*").Register(name, result),
		c.Update().After("*").Register(name, result), c.Delete().After("*").Register(name, result),
		c.Row().After("*").Register(name, result), c.Raw().After("*").Register(name, result),
	)
}

// NewID returns a new id for a row: a UUIDv7, which sorts by time. Its column is CHAR(36) in ascii_bin. Make ids before a
// Transaction, which may run twice.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// ValidID reports whether a text has the form of an id. Check what clients send: MariaDB refuses to compare a column of
// ASCII with other text.
func ValidID(text string) bool { return uuid.Validate(text) == nil && len(text) == 36 }

package models

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// This file provides what a product's own queries need from a Store:
//
//	func (s *Service) Notes(ctx context.Context, authorID string) (list []*Note, err error) {
//		err = s.store.DB(ctx).Where("author_id = ?", authorID).Order("id DESC").Limit(100).Find(&list).Error
//		return list, err
//	}
//
// Use Transaction for writes of more than one statement. It passes a Store whose DB is the
// transaction.

// ErrConflict is the error of DB for a row that violates a unique index. Clients get the code
// CONFLICT.
var ErrConflict = errors.New("another row has this value")

// storeSetting is the key under which DB stores its Store for translateResults.
const storeSetting = "fieldgate:store"

// DB returns GORM's handle for a product's own tables, bound to ctx. In Transaction it is bound to
// the transaction too. It can be used for any number of statements.
//
// Its statements return ErrNotFound, ErrConflict and ErrUnavailable where they apply, wrapped with
// GORM's or the driver's error. All three have an error code, so a resolver may return them as they
// are. Rows and Row return errors after DB can translate them: pass those to Translate.
func (s *Store) DB(ctx context.Context) *gorm.DB {
	return s.conn(ctx).Set(storeSetting, s).Session(&gorm.Session{})
}

// Translate turns an error of the database into ErrNotFound, ErrConflict or ErrUnavailable, wrapped
// with the cause. It returns other errors unchanged. ctx is the context of the failed call.
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

// translateResults registers callbacks that translate the errors of DB's statements.
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

// NewID returns a new id for a row: a UUIDv7, which sorts by time. Its column is CHAR(36) with
// ascii_bin. Create ids before a Transaction, which may run twice.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// ValidID reports whether a text has the form of an id. Check ids from clients: MariaDB returns an
// error if an ASCII column is compared with other text.
func ValidID(text string) bool { return uuid.Validate(text) == nil && len(text) == 36 }

package models

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// User is a person's account.
type User struct {
	ID              string `gorm:"primaryKey"` // UUIDv7: sorts by the time of registration
	Email           string // as the person typed it; mail goes here
	EmailKey        string // what two spellings of one address have in common; unique
	EmailVerifiedAt *time.Time
	Name            string
	NameKey         string // the name in small letters, for searching
	PasswordHash    string
	Role            string // a value of the schema's enum Role
	SessionEpoch    int64  // sessions of another epoch have ended: one write ends them all, whoever signs in meanwhile
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DisabledAt      *time.Time // nil while the account is open
	UnusedSince     *time.Time // when it was registered without a session; nil from the first session on
}

// OwnerID is the id of the person whom the row belongs to: themselves.
func (u *User) OwnerID() string { return u.ID }

// EmailVerified reports whether the person has shown that mail reaches them.
func (u *User) EmailVerified() bool { return u.EmailVerifiedAt != nil }

// CreateUser inserts u as it is. It returns ErrEmailTaken if another row has its EmailKey: the unique index
// decides, whoever else inserts at the same moment.
func (s *Store) CreateUser(ctx context.Context, u *User) error {
	return s.Transaction(ctx, func(tx *Store) error {
		err := tx.conn(ctx).Create(u).Error
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return ErrEmailTaken
		}
		return tx.translate(ctx, err)
	})
}

// CreateUserUnlessReserved is CreateUser, but an address that another account may still take back is taken too. After
// ErrEmailTaken a transaction may go on, in which nothing was inserted.
func (s *Store) CreateUserUnlessReserved(ctx context.Context, u *User) error {
	return s.savepoint(ctx, ErrEmailTaken, func(tx *Store) error {
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		return tx.checkReserved(ctx, u.EmailKey, u.ID, u.CreatedAt)
	})
}

// UserByID returns ErrNotFound if there is none.
func (s *Store) UserByID(ctx context.Context, id string) (*User, error) {
	if !isASCII(id) {
		return nil, ErrNotFound
	}
	return s.user(ctx, "id = ?", id)
}

// UserByEmailKey returns ErrNotFound if there is none.
func (s *Store) UserByEmailKey(ctx context.Context, key string) (*User, error) {
	return s.user(ctx, "email_key = ?", key)
}

func (s *Store) user(ctx context.Context, condition string, value any) (*User, error) {
	var u User
	if err := s.conn(ctx).Where(condition, value).Take(&u).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	return &u, nil
}

// SetName returns ErrNotFound if nobody has the id.
func (s *Store) SetName(ctx context.Context, id, name, nameKey string) error {
	return s.updateUser(ctx, map[string]any{"name": name, "name_key": nameKey}, "id = ?", id)
}

// SetRole returns ErrNotFound if nobody has the id.
func (s *Store) SetRole(ctx context.Context, id, role string) error {
	return s.updateUser(ctx, map[string]any{"role": role, "unused_since": nil}, "id = ?", id)
}

// ReplacePasswordHash stores a better hash of the same password, unless the password was changed meanwhile:
// then it returns ErrNotFound.
func (s *Store) ReplacePasswordHash(ctx context.Context, id, old, better string) error {
	return s.updateUser(ctx, map[string]any{"password_hash": better}, "id = ? AND password_hash = ?", id, old)
}

// updateUser is retried like every write: in a cluster even a single statement can lose to another node. Its
// condition is about ASCII columns.
func (s *Store) updateUser(ctx context.Context, values map[string]any, condition string, args ...any) error {
	for _, a := range args {
		if text, ok := a.(string); ok && !isASCII(text) {
			return ErrNotFound
		}
	}
	values["updated_at"] = s.Now()
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&User{}).Where(condition, args...).Updates(values)
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

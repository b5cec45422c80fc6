package models

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// User is a user's account.
type User struct {
	ID              string `gorm:"primaryKey"` // UUIDv7: sorts by the time of registration
	Email           string // as the user typed it; mail goes here
	EmailKey        string // equal for all spellings of an address; unique
	EmailVerifiedAt *time.Time
	Name            string
	NameKey         string // the name in lower case, for searching
	PasswordHash    string
	Role            string // a value of the schema's enum Role
	// Incremented to revoke all sessions in one write; sessions of another epoch are invalid.
	SessionEpoch int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DisabledAt   *time.Time // nil while the account is enabled
	// Registration time of an account without a session yet; nil from the first session on.
	UnusedSince *time.Time
}

// OwnerID returns the id of the user who owns the row: the user itself.
func (u *User) OwnerID() string { return u.ID }

// EmailVerified reports whether the user has proven that the address receives mail.
func (u *User) EmailVerified() bool { return u.EmailVerifiedAt != nil }

// CreateUser inserts u as it is. It returns ErrEmailTaken if another row has its EmailKey. The
// unique index decides between concurrent calls.
func (s *Store) CreateUser(ctx context.Context, u *User) error {
	return s.Transaction(ctx, func(tx *Store) error {
		err := tx.conn(ctx).Create(u).Error
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return ErrEmailTaken
		}
		return tx.translate(ctx, err)
	})
}

// CreateUserUnlessReserved is CreateUser, but also returns ErrEmailTaken for an address that
// another account can still restore. After ErrEmailTaken nothing was inserted, and a transaction
// may continue.
func (s *Store) CreateUserUnlessReserved(ctx context.Context, u *User) error {
	return s.savepoint(ctx, ErrEmailTaken, func(tx *Store) error {
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		return tx.checkReserved(ctx, u.EmailKey, u.ID, u.CreatedAt)
	})
}

// UserByID returns the user with an id, or ErrNotFound.
func (s *Store) UserByID(ctx context.Context, id string) (*User, error) {
	if !isASCII(id) {
		return nil, ErrNotFound
	}
	return s.user(ctx, "id = ?", id)
}

// UserByEmailKey returns the user with an e-mail key, or ErrNotFound.
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

// SetName sets a user's name. It returns ErrNotFound if no user has the id.
func (s *Store) SetName(ctx context.Context, id, name, nameKey string) error {
	return s.updateUser(ctx, map[string]any{"name": name, "name_key": nameKey}, "id = ?", id)
}

// SetRole sets a user's role. It returns ErrNotFound if no user has the id.
func (s *Store) SetRole(ctx context.Context, id, role string) error {
	return s.updateUser(ctx, map[string]any{"role": role, "unused_since": nil}, "id = ?", id)
}

// ReplacePasswordHash stores a better hash of the same password. It returns ErrNotFound if the
// password was changed meanwhile.
func (s *Store) ReplacePasswordHash(ctx context.Context, id, old, better string) error {
	return s.updateUser(ctx, map[string]any{"password_hash": better}, "id = ? AND password_hash = ?", id, old)
}

// updateUser runs in a Transaction to be retried: in a cluster even a single statement can lose a
// conflict with another node. The arguments of the condition are for ASCII columns.
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

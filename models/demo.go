package models

import (
	"context"
	"time"
)

// demoMark is the name of the MutexRow that marks a demo database. Its number is not used.
const demoMark = "demo"

// MarkDemo marks the database as a demo database.
func (s *Store) MarkDemo(ctx context.Context) error {
	return s.Transaction(ctx, func(tx *Store) error {
		mark := &MutexRow{Name: demoMark}
		return tx.translate(ctx, tx.conn(ctx).Clauses(keepExisting("name", "number")).Create(mark).Error)
	})
}

// IsDemo reports whether MarkDemo has been called on the database.
func (s *Store) IsDemo(ctx context.Context) (bool, error) {
	var n int64
	err := s.conn(ctx).Model(&MutexRow{}).Where("name = ?", demoMark).Count(&n).Error
	return n > 0, s.translate(ctx, err)
}

// ResetUser overwrites the editable fields of an account with the values of u and enables the
// account. It deletes the tokens and mails that could change the account again. With end it also
// revokes the user's sessions and deletes the trusted places. It returns ErrNotFound if no account
// has the id.
func (s *Store) ResetUser(ctx context.Context, u *User, end bool, now time.Time) error {
	values := map[string]any{}
	if end {
		values = nextEpoch()
	}
	values["email"], values["email_verified_at"], values["name"], values["name_key"] = u.Email, u.EmailVerifiedAt, u.Name, u.NameKey
	values["password_hash"], values["role"], values["disabled_at"] = u.PasswordHash, u.Role, nil
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.updateUser(ctx, values, "id = ?", u.ID); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ?", u.ID); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &Mail{}, "user_id = ?", u.ID); err != nil {
			return err
		}
		if !end {
			return nil
		}
		if _, err := tx.deleteSessions(ctx, u.ID, "", now); err != nil {
			return err
		}
		return tx.deleteTrustedPlaces(ctx, u.ID)
	})
}

// ReleaseReservedEmail deletes the undo tokens that reserve an e-mail address.
func (s *Store) ReleaseReservedEmail(ctx context.Context, emailKey string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, &OneTimeToken{}, "email_key = ?", emailKey)
		return err
	})
}

// ResetLimits deletes all rate limit buckets and returns their number.
func (s *Store) ResetLimits(ctx context.Context) (rows int, err error) {
	err = s.Transaction(ctx, func(tx *Store) error {
		n, err := tx.deleteWhere(ctx, &Bucket{}, "1 = 1")
		rows = int(n)
		return err
	})
	return rows, err
}

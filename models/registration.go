package models

import (
	"context"
	"errors"
	"time"
)

// PendingRegistration is a registration that waits until the link in its mail is confirmed. It then
// replaces the account's name, address and password. One account can have several.
type PendingRegistration struct {
	ID           string `gorm:"primaryKey"` // id of its Mail and of its OneTimeToken
	UserID       string
	Name         string
	NameKey      string
	PasswordHash string
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// CreatePendingRegistration inserts a registration. Call it in the transaction that writes its
// mail.
func (s *Store) CreatePendingRegistration(ctx context.Context, p *PendingRegistration) error {
	return s.insert(ctx, p)
}

// PendingRegistration returns the registration with an id, or ErrNotFound.
func (s *Store) PendingRegistration(ctx context.Context, id string) (*PendingRegistration, error) {
	var p PendingRegistration
	if err := s.conn(ctx).Where("id = ?", id).Take(&p).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	return &p, nil
}

// ConfirmRegistration uses a token to replace an account's data by a pending registration. The
// account must have the role and never have opened a session. Its address becomes verified. Other
// registrations stay pending until a session is opened. It returns ErrNotFound if the token was
// used or the account does not qualify.
func (s *Store) ConfirmRegistration(
	ctx context.Context, t *OneTimeToken, p *PendingRegistration, role string, now time.Time,
) error {
	values := nextEpoch()
	values["email"], values["name"], values["name_key"], values["password_hash"] = t.Email, p.Name, p.NameKey, p.PasswordHash
	for name, value := range setVerified(now) {
		values[name] = value
	}
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		if err := tx.updateUserAt(ctx, t, values, "role = ? AND unused_since IS NOT NULL AND disabled_at IS NULL"+
			" AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id)", role); err != nil {
			return err
		}
		ended, err := tx.deleteWhere(ctx, &PendingRegistration{}, "user_id = ? AND id = ?", p.UserID, p.ID)
		if err != nil {
			return err
		}
		if ended == 0 {
			return ErrNotFound // deleted meanwhile
		}
		_, err = tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND slot IS NOT NULL AND purpose <> ?", t.UserID, t.Purpose)
		return err
	})
}

// Disown uses a token to lock out the creator of an account whose address was never verified. It
// revokes the sessions, deletes pending registrations and trusted places, and stores an empty hash,
// which no password matches. It returns ErrNotFound if the token was used, or the address was
// changed or verified.
func (s *Store) Disown(ctx context.Context, t *OneTimeToken, notice []*Mail, now time.Time) error {
	values := nextEpoch()
	values["password_hash"] = ""
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		if err := tx.updateUserAt(ctx, t, values, "email_verified_at IS NULL"); err != nil {
			return err
		}
		if _, err := tx.deleteSessions(ctx, t.UserID, "", now); err != nil {
			return err
		}
		if err := tx.deleteTrustedPlaces(ctx, t.UserID); err != nil {
			return err
		}
		// The creator of the account, who is locked out, enrolled them.
		if err := tx.DeleteFactors(ctx, t.UserID); err != nil {
			return err
		}
		return tx.finishPasswordChange(ctx, t.UserID, notice)
	})
}

// UseToken uses up a token without any other change. It returns ErrNotFound if the token was used.
func (s *Store) UseToken(ctx context.Context, t *OneTimeToken, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error { return tx.useToken(ctx, t, now) })
}

// deletePendingRegistrations deletes a user's pending registrations.
func (s *Store) deletePendingRegistrations(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &PendingRegistration{}, "user_id = ?", userID)
	return err
}

// unusedCondition selects accounts that have waited for their first session since before a time.
// They have a role, no verified address and no session, and no registration since that time. The
// check for sessions is needed because servers of an older version do not clear unused_since.
const unusedCondition = "unused_since <= ? AND email_verified_at IS NULL AND role = ?" +
	" AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id)" +
	" AND NOT EXISTS (SELECT 1 FROM pending_registrations WHERE user_id = users.id AND created_at > ?)"

// UnusedUsers returns up to n accounts with a role that were registered before a time, never opened
// a session and were never verified.
func (s *Store) UnusedUsers(ctx context.Context, role string, before time.Time, n int) (list []*User, err error) {
	err = s.conn(ctx).Where(unusedCondition, before, role, before).Order("unused_since, id").Limit(n).Find(&list).Error
	return list, s.translate(ctx, err)
}

// DeleteUnusedUser is DeleteUser for an unused account. It returns ErrNotFound if the account has
// been used meanwhile.
func (s *Store) DeleteUnusedUser(ctx context.Context, u *User, before, now time.Time) error {
	return s.deleteUser(ctx, u, now, unusedCondition, before, u.Role, before)
}

// clearUnusedSince records that a user has opened a session.
func (s *Store) clearUnusedSince(ctx context.Context, userID string) error {
	err := s.updateUser(ctx, map[string]any{"unused_since": nil}, "id = ?", userID)
	if errors.Is(err, ErrNotFound) {
		return nil // deleted meanwhile, and the session with it
	}
	return err
}

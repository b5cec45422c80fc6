package models

import (
	"context"
	"errors"
	"time"
)

// PendingRegistration is a registration that waits for the link in its own mail to be confirmed. It then takes the
// place of the account's name, address and password. Several can wait for one account.
type PendingRegistration struct {
	ID           string `gorm:"primaryKey"` // of the Mail, and of the Ticket that it brings
	UserID       string
	Name         string
	NameKey      string
	PasswordHash string
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// CreatePendingRegistration stores a registration, in the transaction that writes its mail.
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

// ConfirmRegistration uses a ticket to put a pending registration into the place of an account that has the role and
// never opened a session. It notes that mail to the address reaches the user. Other registrations stay pending until a
// session is opened. It returns ErrNotFound if the ticket was used or the account is not such a one.
func (s *Store) ConfirmRegistration(ctx context.Context, t *OneTimeToken, p *PendingRegistration, role string, now time.Time) error {
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
			return ErrNotFound // ended meanwhile
		}
		_, err = tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND slot IS NOT NULL AND purpose <> ?", t.UserID, t.Purpose)
		return err
	})
}

// Disown uses a ticket to lock out the creator of an account whose address was never verified: its sessions and
// pending registrations end, no place is trusted, and with an empty hash no password is right. It returns ErrNotFound if
// the ticket was used, or the address is another one or verified now.
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
		return tx.finishPasswordChange(ctx, t.UserID, notice)
	})
}

// UseToken uses a ticket for nothing. It returns ErrNotFound if the ticket was used.
func (s *Store) UseToken(ctx context.Context, t *OneTimeToken, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error { return tx.useToken(ctx, t, now) })
}

// deletePendingRegistrations deletes a user's pending registrations.
func (s *Store) deletePendingRegistrations(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &PendingRegistration{}, "user_id = ?", userID)
	return err
}

// unusedCondition is what is true of an account that waits for its first session since before a time, was never verified, has a
// role and no session, and was not registered with again since that time. A session can be there because servers of an
// older version open one without noting it in unused_since.
const unusedCondition = "unused_since <= ? AND email_verified_at IS NULL AND role = ?" +
	" AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id)" +
	" AND NOT EXISTS (SELECT 1 FROM pending_registrations WHERE user_id = users.id AND created_at > ?)"

// UnusedUsers returns up to n accounts with a role that never opened a session, were never verified, and were
// registered before a time.
func (s *Store) UnusedUsers(ctx context.Context, role string, before time.Time, n int) (list []*User, err error) {
	err = s.conn(ctx).Where(unusedCondition, before, role, before).Order("unused_since, id").Limit(n).Find(&list).Error
	return list, s.translate(ctx, err)
}

// DeleteUnusedUser deletes such an account as DeleteUser does. It returns ErrNotFound if it is not such a one any more.
func (s *Store) DeleteUnusedUser(ctx context.Context, u *User, before, now time.Time) error {
	return s.deleteUser(ctx, u, now, unusedCondition, before, u.Role, before)
}

// clearUnusedSince notes that a user has opened a session.
func (s *Store) clearUnusedSince(ctx context.Context, userID string) error {
	err := s.updateUser(ctx, map[string]any{"unused_since": nil}, "id = ?", userID)
	if errors.Is(err, ErrNotFound) {
		return nil // deleted meanwhile: the session ends with the account
	}
	return err
}

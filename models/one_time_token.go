package models

import (
	"context"
	"errors"
	"maps"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// OneTimeToken is what a link in a mail is good for, once. It ends when its row is deleted or its time is up.
type OneTimeToken struct {
	ID           string `gorm:"primaryKey"` // of the Mail that brings it: tickets sort by what caused them
	Hash         []byte // SHA-256 of the token in the link
	UserID       string
	Purpose      string  // what it is good for
	SingletonKey *string `gorm:"column:slot"` // of those with a slot a person has one each, the newest; those without add up
	Email        string  // the address that it is about, as typed
	EmailKey     string
	ExpiresAt    time.Time
}

// TokenByHash returns the ticket whose token has this hash, or ErrNotFound. Whether its time is up, and what it is
// good for, is for the caller to see.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (*OneTimeToken, error) {
	var t OneTimeToken
	if err := s.conn(ctx).Where("hash = ?", hash).Take(&t).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	return &t, nil
}

// upsertToken stores a ticket in place of the one with its id, and of the one in its slot. It updates a row that is there,
// since a key that is deleted and inserted again waits for itself where a sharded database keeps it in a table of its own.
func (s *Store) upsertToken(ctx context.Context, t *OneTimeToken) error {
	place, in := "user_id = ? AND id = ?", []any{t.UserID, t.ID}
	if t.SingletonKey != nil {
		// An earlier attempt at the same mail stored it in another slot.
		if _, err := s.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND id = ? AND (slot IS NULL OR slot <> ?)", t.UserID, t.ID, *t.SingletonKey); err != nil {
			return err
		}
		place, in = "user_id = ? AND slot = ?", []any{t.UserID, *t.SingletonKey}
	}
	r := s.conn(ctx).Model(&OneTimeToken{}).Where(place, in...).Updates(map[string]any{
		"id": t.ID, "hash": t.Hash, "purpose": t.Purpose, "slot": t.SingletonKey, "email": t.Email, "email_key": t.EmailKey, "expires_at": t.ExpiresAt,
	})
	if r.Error != nil || r.RowsAffected > 0 {
		return s.translate(ctx, r.Error)
	}
	err := s.conn(ctx).Create(t).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		// Between two attempts at the mail, its address went from one account to another.
		if _, err := s.deleteWhere(ctx, &OneTimeToken{}, "id = ? AND user_id <> ?", t.ID, t.UserID); err != nil {
			return err
		}
		err = s.conn(ctx).Create(t).Error
	}
	return s.translate(ctx, err)
}

// useToken deletes a ticket as it was read. Of any number of calls at once one does it; the others return
// ErrNotFound.
func (s *Store) useToken(ctx context.Context, t *OneTimeToken, now time.Time) error {
	used, err := s.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND id = ? AND hash = ? AND expires_at > ?", t.UserID, t.ID, t.Hash, now)
	if err == nil && used == 0 {
		return ErrNotFound
	}
	return err
}

// deleteSingletonTokens deletes a user's tickets that have a slot. Those without are there to undo what somebody else may have
// done with the password, and so outlive a new one.
func (s *Store) deleteSingletonTokens(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND slot IS NOT NULL", userID)
	return err
}

// VerifyEmail uses a ticket to note that mail to its address reaches the user. It returns ErrNotFound if the
// ticket was used, the user's address is another one now, or all sessions were ended since the user was read.
func (s *Store) VerifyEmail(ctx context.Context, t *OneTimeToken, epoch int64, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		return tx.updateUserAt(ctx, t, setVerified(now), "session_epoch = ?", epoch)
	})
}

// setVerified since now, or since before.
func setVerified(now time.Time) map[string]any {
	return map[string]any{"email_verified_at": gorm.Expr("COALESCE(email_verified_at, ?)", now)}
}

// updateUserAt returns ErrNotFound unless the ticket's address is the user's, and the condition is true of the user.
func (s *Store) updateUserAt(ctx context.Context, t *OneTimeToken, values map[string]any, condition string, args ...any) error {
	values["updated_at"] = s.Now()
	r := s.conn(ctx).Model(&User{}).Where("id = ? AND email_key = ?", t.UserID, t.EmailKey).Where(condition, args...).Updates(values)
	if r.Error == nil && r.RowsAffected == 0 {
		return ErrNotFound
	}
	return s.translate(ctx, r.Error)
}

// ResetPassword uses a ticket to store a new hash, ends all sessions of the user and all other tickets but those
// that undo, forgets the places that the account trusted, notes that mail to the address reaches the user, and writes a notice. It returns ErrNotFound if the
// ticket was used, or the user's address is another one now.
func (s *Store) ResetPassword(ctx context.Context, t *OneTimeToken, hash string, notice []*Mail, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		values := nextEpoch()
		values["password_hash"] = hash
		maps.Copy(values, setVerified(now))
		if err := tx.updateUserAt(ctx, t, values, "1 = 1"); err != nil {
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

// finishPasswordChange ends what was asked for with the old one. Here and elsewhere mails come before tickets, as they do in
// IssueToken: whoever holds a mail still is waited for, and the ticket that they stored is seen. The other way round
// it would be missed, where the database locks no gaps.
func (s *Store) finishPasswordChange(ctx context.Context, userID string, notice []*Mail) error {
	if err := s.deleteEmailChangeMails(ctx, userID); err != nil {
		return err
	}
	if err := s.deleteSingletonTokens(ctx, userID); err != nil {
		return err
	}
	if err := s.deletePendingRegistrations(ctx, userID); err != nil {
		return err
	}
	return s.CreateMails(ctx, notice)
}

// ChangeEmail uses a ticket to give the user its address, which is verified by that. The notice goes to the old
// one; for as long as undo may be used, no other account can register with that. It returns ErrNotFound if the ticket
// was used, the old address is not the user's any more, or all sessions were ended since the user was read. It returns
// ErrEmailTaken if another account has the new address, or may take it back.
func (s *Store) ChangeEmail(ctx context.Context, t *OneTimeToken, epoch int64, undo *OneTimeToken, notice []*Mail, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		if err := tx.setEmail(ctx, t, map[string]any{}, "id = ? AND email_key = ? AND session_epoch = ?", t.UserID, undo.EmailKey, epoch); err != nil {
			return err
		}
		if err := tx.checkReserved(ctx, t.EmailKey, t.UserID, now); err != nil {
			return err
		}
		if err := tx.deleteEmailChangeMails(ctx, t.UserID); err != nil {
			return err
		}
		if err := tx.deleteSingletonTokens(ctx, t.UserID); err != nil {
			return err
		}
		if err := tx.upsertToken(ctx, undo); err != nil {
			return err
		}
		return tx.CreateMails(ctx, notice)
	})
}

// RestoreEmail uses a ticket to give the user its address back, whatever the address is now. Who changed it had a
// session and the password, so all sessions end, no place is trusted, and with an empty hash no password is right; so do
// all tickets
// by which it could be changed again, and the mails that would bring one. It returns ErrNotFound if the ticket was used.
func (s *Store) RestoreEmail(ctx context.Context, t *OneTimeToken, notice []*Mail, now time.Time) error {
	values := nextEpoch()
	values["password_hash"] = ""
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		if err := tx.setEmail(ctx, t, values, "id = ?", t.UserID); err != nil {
			return err
		}
		if _, err := tx.deleteSessions(ctx, t.UserID, "", now); err != nil {
			return err
		}
		if err := tx.deleteTrustedPlaces(ctx, t.UserID); err != nil {
			return err
		}
		if err := tx.deleteEmailChangeMails(ctx, t.UserID); err != nil {
			return err
		}
		// Nothing that waits is told to an address that the account has had since: it might bring a ticket.
		if _, err := tx.deleteWhere(ctx, &Mail{}, "user_id = ? AND id > ? AND email_key <> ?", t.UserID, t.ID, t.EmailKey); err != nil {
			return err
		}
		// Not those of earlier changes: whoever took the address of this ticket into use must not end with it
		// the ticket of the one before.
		if _, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND (slot IS NOT NULL OR id > ?)", t.UserID, t.ID); err != nil {
			return err
		}
		return tx.CreateMails(ctx, notice)
	})
}

// setEmail gives a user the address of a ticket.
func (s *Store) setEmail(ctx context.Context, t *OneTimeToken, values map[string]any, condition string, args ...any) error {
	now := s.Now()
	values["email"], values["email_key"], values["email_verified_at"], values["updated_at"] = t.Email, t.EmailKey, now, now
	r := s.conn(ctx).Model(&User{}).Where(condition, args...).Updates(values)
	if errors.Is(r.Error, gorm.ErrDuplicatedKey) {
		return ErrEmailTaken
	}
	if r.Error == nil && r.RowsAffected == 0 {
		return ErrNotFound
	}
	return s.translate(ctx, r.Error)
}

// checkReserved returns ErrEmailTaken if somebody else may still take an address back. Asked in the transaction that
// takes the address into use, after that, it cannot miss a change that happens at the same time. It is a locking read:
// a plain one would show the table as it was at the transaction's first read, in TiDB at its begin.
func (s *Store) checkReserved(ctx context.Context, key, userID string, now time.Time) error {
	var ids []string
	err := s.conn(ctx).Model(&OneTimeToken{}).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("email_key = ? AND slot IS NULL AND user_id <> ? AND expires_at > ?", key, userID, now).
		Limit(1).Pluck("id", &ids).Error
	if err == nil && len(ids) > 0 {
		return ErrEmailTaken
	}
	return s.translate(ctx, err)
}

// DeleteUser deletes an account with everything that is about the person: sessions, trusted places, tickets, pending
// registrations, mails to be sent, and the addresses in the audit log. It returns
// ErrNotFound if the password or the address was changed meanwhile, or no user has the id.
func (s *Store) DeleteUser(ctx context.Context, u *User, now time.Time) error {
	return s.deleteUser(ctx, u, now, "password_hash = ? AND email_key = ?", u.PasswordHash, u.EmailKey)
}

// UndoTokens returns the tickets that can still take an address of a user back, the one that expires last first.
func (s *Store) UndoTokens(ctx context.Context, userID string, now time.Time) (list []*OneTimeToken, err error) {
	err = s.conn(ctx).Where("user_id = ? AND slot IS NULL AND expires_at > ?", userID, now).Order("expires_at DESC, id").Find(&list).Error
	return list, s.translate(ctx, err)
}

// DeleteUndoToken deletes a user's ticket with an id that takes an address back, if it is there.
func (s *Store) DeleteUndoToken(ctx context.Context, id, userID string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND id = ? AND slot IS NULL", userID, id)
		return err
	})
}

// deleteUser returns ErrNotFound unless the condition is true of the user.
func (s *Store) deleteUser(ctx context.Context, u *User, now time.Time, condition string, args ...any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		deleted, err := tx.deleteWhere(ctx, &User{}, "id = ? AND "+condition, append([]any{u.ID}, args...)...)
		if err == nil && deleted == 0 {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := tx.deleteSessions(ctx, u.ID, "", now); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &Mail{}, "(user_id = ? OR email_key = ?) AND kind <> ?", u.ID, u.EmailKey, MailDeleted); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ?", u.ID); err != nil {
			return err
		}
		if err := tx.deleteTrustedPlaces(ctx, u.ID); err != nil {
			return err
		}
		if err := tx.deletePendingRegistrations(ctx, u.ID); err != nil {
			return err
		}
		if err := tx.clearAuditAddresses(ctx, u.ID); err != nil {
			return err
		}
		return tx.runUserDeletedHooks(ctx, u)
	})
}

// TableName is read by GORM.
func (OneTimeToken) TableName() string { return "tickets" }

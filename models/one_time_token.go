package models

import (
	"context"
	"errors"
	"maps"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// OneTimeToken is the token of a link in a mail. It is valid until its row is deleted or it
// expires.
type OneTimeToken struct {
	// Id of its Mail: tokens sort by the events that caused them.
	ID      string `gorm:"primaryKey"`
	Hash    []byte // SHA-256 of the token
	UserID  string
	Purpose string // the operation that it authorizes
	// SingletonKey limits a user to one token per key, the newest; tokens without a key add up.
	SingletonKey *string `gorm:"column:slot"`
	Email        string  // the address concerned, as typed
	EmailKey     string
	ExpiresAt    time.Time
}

// TokenByHash returns the token with this hash, or ErrNotFound. The caller checks its expiry and
// purpose.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (*OneTimeToken, error) {
	var t OneTimeToken
	if err := s.conn(ctx).Where("hash = ?", hash).Take(&t).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	return &t, nil
}

// upsertToken stores a token in place of the one with its id and the one with its singleton key. It
// updates an existing row: deleting and inserting the same key in one transaction deadlocks with
// itself if a sharded database keeps the key in a table of its own.
func (s *Store) upsertToken(ctx context.Context, t *OneTimeToken) error {
	condition, args := "user_id = ? AND id = ?", []any{t.UserID, t.ID}
	if t.SingletonKey != nil {
		// An earlier attempt at the same mail stored it under another key.
		_, err := s.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND id = ? AND (slot IS NULL OR slot <> ?)",
			t.UserID, t.ID, *t.SingletonKey)
		if err != nil {
			return err
		}
		condition, args = "user_id = ? AND slot = ?", []any{t.UserID, *t.SingletonKey}
	}
	r := s.conn(ctx).Model(&OneTimeToken{}).Where(condition, args...).Updates(map[string]any{
		"id": t.ID, "hash": t.Hash, "purpose": t.Purpose, "slot": t.SingletonKey,
		"email": t.Email, "email_key": t.EmailKey, "expires_at": t.ExpiresAt,
	})
	if r.Error != nil || r.RowsAffected > 0 {
		return s.translate(ctx, r.Error)
	}
	err := s.conn(ctx).Create(t).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		// Between two attempts at the mail, its address moved from one account to another.
		if _, err := s.deleteWhere(ctx, &OneTimeToken{}, "id = ? AND user_id <> ?", t.ID, t.UserID); err != nil {
			return err
		}
		err = s.conn(ctx).Create(t).Error
	}
	return s.translate(ctx, err)
}

// useToken deletes a token that is unchanged since it was read. Of any number of concurrent calls
// one succeeds; the others return ErrNotFound.
func (s *Store) useToken(ctx context.Context, t *OneTimeToken, now time.Time) error {
	used, err := s.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND id = ? AND hash = ? AND expires_at > ?",
		t.UserID, t.ID, t.Hash, now)
	if err == nil && used == 0 {
		return ErrNotFound
	}
	return err
}

// deleteSingletonTokens deletes a user's tokens with a singleton key. Tokens without one undo
// changes that a thief of the password may have made, so they outlive a new password.
func (s *Store) deleteSingletonTokens(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND slot IS NOT NULL", userID)
	return err
}

// VerifyEmail uses a token to mark its address as verified. It returns ErrNotFound if the token was
// used, the user's address has changed, or all sessions were revoked since the user was read.
func (s *Store) VerifyEmail(ctx context.Context, t *OneTimeToken, epoch int64, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		return tx.updateUserAt(ctx, t, setVerified(now), "session_epoch = ?", epoch)
	})
}

// setVerified returns the update that marks an address as verified and keeps an earlier time.
func setVerified(now time.Time) map[string]any {
	return map[string]any{"email_verified_at": gorm.Expr("COALESCE(email_verified_at, ?)", now)}
}

// updateUserAt returns ErrNotFound unless the user has the token's address and matches the
// condition.
func (s *Store) updateUserAt(
	ctx context.Context, t *OneTimeToken, values map[string]any, condition string, args ...any,
) error {
	values["updated_at"] = s.Now()
	r := s.conn(ctx).Model(&User{}).Where("id = ? AND email_key = ?", t.UserID, t.EmailKey).
		Where(condition, args...).Updates(values)
	if r.Error == nil && r.RowsAffected == 0 {
		return ErrNotFound
	}
	return s.translate(ctx, r.Error)
}

// ResetPassword uses a token to store a new hash. It revokes all sessions of the user, deletes the
// trusted places and all singleton tokens, marks the address as verified, and writes a notice. Undo
// tokens stay. It returns ErrNotFound if the token was used or the user's address has changed.
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

// finishPasswordChange deletes what was requested with the old password. Here and elsewhere mails
// are deleted before tokens, the order of IssueToken. So this transaction waits for a mailer that
// holds a mail, and then sees the token that it stored. In the other order it would miss that token
// in databases without gap locks.
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

// ChangeEmail uses a token to set and verify the user's address. The notice goes to the old
// address, which no other account can register while undo is valid. It returns ErrNotFound if the
// token was used, the old address is no longer the user's, or all sessions were revoked since the
// user was read. It returns ErrEmailTaken if another account has the new address or can restore it.
func (s *Store) ChangeEmail(
	ctx context.Context, t *OneTimeToken, epoch int64, undo *OneTimeToken, notice []*Mail, now time.Time,
) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.useToken(ctx, t, now); err != nil {
			return err
		}
		err := tx.setEmail(ctx, t, map[string]any{}, "id = ? AND email_key = ? AND session_epoch = ?",
			t.UserID, undo.EmailKey, epoch)
		if err != nil {
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

// RestoreEmail uses a token to restore the user's address, whatever the address is now. The change
// was made with a session and the password. So all sessions are revoked, no place stays trusted,
// and an empty hash invalidates the password. Tokens that could change the address again, and mails
// that would contain one, are deleted too. It returns ErrNotFound if the token was used.
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
		// The author of the change enrolled them.
		if err := tx.deleteFactorsSince(ctx, t.UserID, t.ID); err != nil {
			return err
		}
		if err := tx.deleteEmailChangeMails(ctx, t.UserID); err != nil {
			return err
		}
		// Mails to later addresses of the account are dropped: they might contain a token.
		if _, err := tx.deleteWhere(ctx, &Mail{}, "user_id = ? AND id > ? AND email_key <> ?", t.UserID, t.ID, t.EmailKey); err != nil {
			return err
		}
		// Tokens of earlier changes stay: a thief who set the address of this token must not be
		// able to delete the owner's token with it.
		if _, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND (slot IS NOT NULL OR id > ?)", t.UserID, t.ID); err != nil {
			return err
		}
		return tx.CreateMails(ctx, notice)
	})
}

// setEmail sets a user's address to that of a token, as verified.
func (s *Store) setEmail(
	ctx context.Context, t *OneTimeToken, values map[string]any, condition string, args ...any,
) error {
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

// checkReserved returns ErrEmailTaken if another account can still restore an address. Call it in
// the transaction that sets the address, after the write, so that it cannot miss a concurrent
// change. It is a locking read: a plain one shows the table as it was at the transaction's first
// read, in TiDB at its start.
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

// DeleteUser deletes an account with all personal data: sessions, trusted places, tokens, pending
// registrations, unsent mails, and the addresses in the audit log. It returns ErrNotFound if the
// password or the address was changed meanwhile, or no user has the id.
func (s *Store) DeleteUser(ctx context.Context, u *User, now time.Time) error {
	return s.deleteUser(ctx, u, now, "password_hash = ? AND email_key = ?", u.PasswordHash, u.EmailKey)
}

// UndoTokens returns the tokens that can restore an earlier address of a user, the last to expire
// first.
func (s *Store) UndoTokens(ctx context.Context, userID string, now time.Time) (list []*OneTimeToken, err error) {
	err = s.conn(ctx).Where("user_id = ? AND slot IS NULL AND expires_at > ?", userID, now).
		Order("expires_at DESC, id").Find(&list).Error
	return list, s.translate(ctx, err)
}

// DeleteUndoToken deletes the undo token of a user with an id, if it exists.
func (s *Store) DeleteUndoToken(ctx context.Context, id, userID string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND id = ? AND slot IS NULL", userID, id)
		return err
	})
}

// deleteUser returns ErrNotFound unless the user matches the condition.
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
		_, err = tx.deleteWhere(ctx, &Mail{}, "(user_id = ? OR email_key = ?) AND kind <> ?", u.ID, u.EmailKey, MailDeleted)
		if err != nil {
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
		if err := tx.DeleteFactors(ctx, u.ID); err != nil {
			return err
		}
		if err := tx.clearAuditAddresses(ctx, u.ID); err != nil {
			return err
		}
		return tx.runUserDeletedHooks(ctx, u)
	})
}

// TableName implements GORM's Tabler. The table predates the type's name.
func (OneTimeToken) TableName() string { return "tickets" }

package models

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// SessionPage selects a part of a user's sessions, which are ordered by last use, latest first.
type SessionPage struct {
	After *Session // only the sessions after this one; nil starts with the first
	Limit int
}

// Sessions returns a page of a user's sessions that are active at now.
func (s *Store) Sessions(ctx context.Context, u *User, page SessionPage, now time.Time) ([]*Session, error) {
	q := s.activeSessions(ctx, u, now)
	if a := page.After; a != nil {
		q = q.Where("last_used_at < ? OR (last_used_at = ? AND id < ?)", a.LastUsedAt, a.LastUsedAt, a.ID)
	}
	var list []*Session
	err := q.Limit(page.Limit).Find(&list).Error
	return list, s.translate(ctx, err)
}

// activeSessions selects the sessions of a user that are active at now, the last used first.
func (s *Store) activeSessions(ctx context.Context, u *User, now time.Time) *gorm.DB {
	return s.conn(ctx).Where("user_id = ? AND epoch = ? AND expires_at > ?", u.ID, u.SessionEpoch, now).
		Order("last_used_at DESC, id DESC")
}

// AddSession inserts a session as it is. It keeps at most max sessions of the user, deletes the
// least recently used ones, and returns their ids. Concurrent sign-ins of one user wait for each
// other, so that each counts the sessions of the others. ended reports whether all sessions of the
// user were revoked after the session's epoch was read, and with them this one.
func (s *Store) AddSession(ctx context.Context, session *Session, max int) (deleted []string, ended bool, err error) {
	err = s.Transaction(ctx, func(tx *Store) error {
		deleted = nil
		var epochs []int64
		err := tx.conn(ctx).Model(&User{}).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
			Where("id = ?", session.UserID).Pluck("session_epoch", &epochs).Error
		if err != nil {
			return tx.translate(ctx, err)
		}
		ended = len(epochs) == 0 || epochs[0] != session.Epoch
		if err := tx.CreateSession(ctx, session); err != nil {
			return err
		}
		err = tx.activeSessions(ctx, session.User, session.CreatedAt).Model(&Session{}).Where("id <> ?", session.ID).
			Offset(max-1).Limit(sweepBatch).Pluck("id", &deleted).Error
		if err != nil || len(deleted) == 0 {
			return tx.translate(ctx, err)
		}
		_, err = tx.deleteWhere(ctx, &Session{}, "user_id = ? AND id IN ?", session.UserID, deleted)
		return err
	})
	return deleted, ended, err
}

// RevokeSession ends one session at once. It returns ErrNotFound if the user has no such session.
func (s *Store) RevokeSession(ctx context.Context, id, userID string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Where("user_id = ? AND id = ?", userID, id).Delete(&Session{})
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

// RevokeSessions ends all sessions of a user, including those of sign-ins that run at the moment.
// It returns how many were active at now, and ErrNotFound if no user has the id.
func (s *Store) RevokeSessions(ctx context.Context, userID string, now time.Time) (ended int, err error) {
	err = s.Transaction(ctx, func(tx *Store) error {
		if err := tx.updateUser(ctx, nextEpoch(), "id = ?", userID); err != nil {
			return err
		}
		ended, err = tx.deleteSessions(ctx, userID, "", now)
		return err
	})
	return ended, err
}

// ChangePassword replaces the verified hash by a new one. It revokes all sessions of the user
// except the kept one, deletes all singleton tokens, and writes a notice. Undo tokens stay. It
// returns ErrNotFound if the password was changed or the kept session was revoked meanwhile.
func (s *Store) ChangePassword(
	ctx context.Context, u *User, newHash string, keep *Session, notice []*Mail, now time.Time,
) error {
	return s.Transaction(ctx, func(tx *Store) error {
		values := nextEpoch()
		values["password_hash"] = newHash
		err := tx.updateUser(ctx, values, "id = ? AND password_hash = ? AND session_epoch = ?",
			u.ID, u.PasswordHash, u.SessionEpoch)
		if err != nil {
			return err
		}
		err = tx.updateSession(ctx, map[string]any{"epoch": u.SessionEpoch + 1},
			"user_id = ? AND id = ? AND epoch = ?", u.ID, keep.ID, u.SessionEpoch)
		if err != nil {
			return err
		}
		if _, err = tx.deleteSessions(ctx, u.ID, keep.ID, now); err != nil {
			return err
		}
		return tx.finishPasswordChange(ctx, u.ID, notice)
	})
}

// Disable disables an account and revokes its sessions. An account that is already disabled keeps
// its DisabledAt. It returns ErrNotFound if no account has the id.
func (s *Store) Disable(ctx context.Context, id string, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		values := nextEpoch()
		values["disabled_at"] = gorm.Expr("COALESCE(disabled_at, ?)", now)
		if err := tx.updateUser(ctx, values, "id = ?", id); err != nil {
			return err
		}
		if _, err := tx.deleteSessions(ctx, id, "", now); err != nil {
			return err
		}
		return tx.deleteSingletonTokens(ctx, id)
	})
}

// Enable enables an account. It returns ErrNotFound if no account has the id.
func (s *Store) Enable(ctx context.Context, id string) error {
	return s.updateUser(ctx, map[string]any{"disabled_at": nil}, "id = ?", id)
}

// nextEpoch returns the update that revokes all sessions of a user in one write, even sessions that
// are being opened.
func nextEpoch() map[string]any {
	return map[string]any{"session_epoch": gorm.Expr("session_epoch + 1")}
}

// deleteSessions deletes all sessions of a user except the kept one. It returns how many of them
// were active at now.
func (s *Store) deleteSessions(ctx context.Context, userID, keep string, now time.Time) (living int, err error) {
	living64, err := s.deleteWhere(ctx, &Session{}, "user_id = ? AND id <> ? AND expires_at > ?", userID, keep, now)
	if err != nil {
		return 0, err
	}
	_, err = s.deleteWhere(ctx, &Session{}, "user_id = ? AND id <> ?", userID, keep)
	return int(living64), err
}

func (s *Store) deleteWhere(ctx context.Context, row any, condition string, args ...any) (rows int64, err error) {
	r := s.conn(ctx).Where(condition, args...).Delete(row)
	return r.RowsAffected, s.translate(ctx, r.Error)
}

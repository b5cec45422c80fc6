package models

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// SessionPage names a part of a user's sessions, the one used last first.
type SessionPage struct {
	After *Session // only those behind this one; nil starts with the first
	Limit int
}

// Sessions returns a page of the sessions of a user that have not ended at now.
func (s *Store) Sessions(ctx context.Context, u *User, page SessionPage, now time.Time) ([]*Session, error) {
	q := s.activeSessions(ctx, u, now)
	if a := page.After; a != nil {
		q = q.Where("last_used_at < ? OR (last_used_at = ? AND id < ?)", a.LastUsedAt, a.LastUsedAt, a.ID)
	}
	var list []*Session
	err := q.Limit(page.Limit).Find(&list).Error
	return list, s.translate(ctx, err)
}

// activeSessions are those that have not ended at now, the one used last first.
func (s *Store) activeSessions(ctx context.Context, u *User, now time.Time) *gorm.DB {
	return s.conn(ctx).Where("user_id = ? AND epoch = ? AND expires_at > ?", u.ID, u.SessionEpoch, now).
		Order("last_used_at DESC, id DESC")
}

// AddSession inserts a session as it is. A user has max of them: those that were used least recently are deleted, and their
// ids returned. Sign-ins of one user wait for one another, so that none misses what the others insert. It also reports
// whether all sessions of the user were ended since the session's epoch was read, so that this one has ended too.
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

// RevokeSession ends one session, at once. It returns ErrNotFound if the user has no such session.
func (s *Store) RevokeSession(ctx context.Context, id, userID string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Where("user_id = ? AND id = ?", userID, id).Delete(&Session{})
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

// RevokeSessions ends all sessions of a user, those that somebody is just about to open included, and returns
// how many had not ended at now. It returns ErrNotFound if nobody has the id.
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

// ChangePassword stores a new hash in place of the one that was verified, ends all sessions of the user but the kept
// one, and all tickets but those that undo, and writes a notice. It returns ErrNotFound if the password was changed,
// or the kept session ended, meanwhile.
func (s *Store) ChangePassword(ctx context.Context, u *User, newHash string, keep *Session, notice []*Mail, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		values := nextEpoch()
		values["password_hash"] = newHash
		err := tx.updateUser(ctx, values, "id = ? AND password_hash = ? AND session_epoch = ?", u.ID, u.PasswordHash, u.SessionEpoch)
		if err != nil {
			return err
		}
		err = tx.updateSession(ctx, map[string]any{"epoch": u.SessionEpoch + 1}, "user_id = ? AND id = ? AND epoch = ?", u.ID, keep.ID, u.SessionEpoch)
		if err != nil {
			return err
		}
		if _, err = tx.deleteSessions(ctx, u.ID, keep.ID, now); err != nil {
			return err
		}
		return tx.finishPasswordChange(ctx, u.ID, notice)
	})
}

// Disable shuts an account and ends its sessions; one that is shut already stays shut since then. It returns
// ErrNotFound if nobody has the id.
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

// Enable opens an account again. It returns ErrNotFound if nobody has the id.
func (s *Store) Enable(ctx context.Context, id string) error {
	return s.updateUser(ctx, map[string]any{"disabled_at": nil}, "id = ?", id)
}

// nextEpoch ends every session of a user by one write, whoever opens one at the same moment.
func nextEpoch() map[string]any {
	return map[string]any{"session_epoch": gorm.Expr("session_epoch + 1")}
}

// deleteSessions deletes a user's rows, but the kept one, and returns how many of them had not ended at now.
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

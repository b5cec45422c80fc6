package models

import (
	"context"
	"time"
)

// SpentToken is a refresh token that was replaced, and whose successor was replaced too. Nobody has a right
// to bring it again.
type SpentToken struct {
	Hash      []byte `gorm:"primaryKey;size:32"`
	SessionID string
	ExpiresAt time.Time // from then on it says no more than an unknown one
}

// SessionByRefreshHash returns the session whose living refresh token has this hash, with its user, or
// ErrNotFound.
func (s *Store) SessionByRefreshHash(ctx context.Context, hash []byte) (*Session, error) {
	return s.session(ctx, "sessions.refresh_hash = ?", hash)
}

// SessionByParentHash returns the session whose living refresh token was made from the one with this hash,
// with its user, or ErrNotFound.
func (s *Store) SessionByParentHash(ctx context.Context, hash []byte) (*Session, error) {
	return s.session(ctx, "sessions.parent_hash = ?", hash)
}

// SessionBySpentHash returns the session to which a refresh token with this hash belonged once, with its
// user, or ErrNotFound.
func (s *Store) SessionBySpentHash(ctx context.Context, hash []byte) (*Session, error) {
	return s.session(ctx, "sessions.id = (SELECT session_id FROM spent_tokens WHERE hash = ?)", hash)
}

// Rotation is what a refresh changes in a session.
type Rotation struct {
	RefreshHash []byte // of the new token
	Nonce       []byte
	At          time.Time
	ExpiresAt   time.Time // the session's, from now on
	// SpentExpiresAt is until when the parent that is replaced now is remembered as spent.
	SpentExpiresAt time.Time
}

// Rotate replaces the living refresh token of a session, as it was read, by a new one, and remembers the
// parent that falls out as spent. Of any number of calls at once exactly one does it; the others return
// ErrNotFound, as they do if the session has ended meanwhile.
func (s *Store) Rotate(ctx context.Context, old *Session, r Rotation) error {
	return s.Transaction(ctx, func(tx *Store) error {
		err := tx.updateSession(ctx, map[string]any{
			"refresh_hash": r.RefreshHash, "parent_hash": old.RefreshHash, "nonce": r.Nonce,
			"rotated_at": r.At, "last_used_at": r.At, "expires_at": r.ExpiresAt,
		}, "user_id = ? AND id = ? AND refresh_hash = ? AND epoch = ? AND expires_at > ?", old.UserID, old.ID, old.RefreshHash, old.Epoch, r.At)
		if err != nil || old.ParentHash == nil {
			return err
		}
		spent := SpentToken{Hash: old.ParentHash, SessionID: old.ID, ExpiresAt: r.SpentExpiresAt}
		return tx.translate(ctx, tx.conn(ctx).Create(&spent).Error)
	})
}

// updateSession returns ErrNotFound unless the condition names exactly one row.
func (s *Store) updateSession(ctx context.Context, values map[string]any, condition string, args ...any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&Session{}).Where(condition, args...).Updates(values)
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

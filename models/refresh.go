package models

import (
	"context"
	"time"
)

// SpentToken is a refresh token whose successor has been rotated too. No client should still send
// it, so its use reveals theft.
type SpentToken struct {
	Hash      []byte `gorm:"primaryKey;size:32"`
	SessionID string
	ExpiresAt time.Time // the token is unknown afterwards
}

// SessionByRefreshHash returns the session whose current refresh token has this hash, with its
// user, or ErrNotFound.
func (s *Store) SessionByRefreshHash(ctx context.Context, hash []byte) (*Session, error) {
	return s.session(ctx, "sessions.refresh_hash = ?", hash)
}

// SessionByParentHash returns the session whose current refresh token replaced the one with this
// hash, with its user, or ErrNotFound.
func (s *Store) SessionByParentHash(ctx context.Context, hash []byte) (*Session, error) {
	return s.session(ctx, "sessions.parent_hash = ?", hash)
}

// SessionBySpentHash returns the session of a spent refresh token with this hash, with its user, or
// ErrNotFound.
func (s *Store) SessionBySpentHash(ctx context.Context, hash []byte) (*Session, error) {
	return s.session(ctx, "sessions.id = (SELECT session_id FROM spent_tokens WHERE hash = ?)", hash)
}

// Rotation is the change of a session by a refresh.
type Rotation struct {
	RefreshHash []byte // of the new token
	Nonce       []byte
	At          time.Time
	ExpiresAt   time.Time // the new expiry of the session
	// SpentExpiresAt is until when the replaced parent token is stored as spent.
	SpentExpiresAt time.Time
}

// Rotate replaces the current refresh token of a session by a new one, if the session is unchanged
// since it was read. The replaced parent token becomes spent. Of any number of concurrent calls one
// succeeds; the others return ErrNotFound, as they do if the session was revoked meanwhile.
func (s *Store) Rotate(ctx context.Context, old *Session, r Rotation) error {
	return s.Transaction(ctx, func(tx *Store) error {
		err := tx.updateSession(ctx, map[string]any{
			"refresh_hash": r.RefreshHash, "parent_hash": old.RefreshHash, "nonce": r.Nonce,
			"rotated_at": r.At, "last_used_at": r.At, "expires_at": r.ExpiresAt,
		}, "user_id = ? AND id = ? AND refresh_hash = ? AND epoch = ? AND expires_at > ?",
			old.UserID, old.ID, old.RefreshHash, old.Epoch, r.At)
		if err != nil || old.ParentHash == nil {
			return err
		}
		spent := SpentToken{Hash: old.ParentHash, SessionID: old.ID, ExpiresAt: r.SpentExpiresAt}
		return tx.translate(ctx, tx.conn(ctx).Create(&spent).Error)
	})
}

// updateSession returns ErrNotFound unless a session matches the condition.
func (s *Store) updateSession(ctx context.Context, values map[string]any, condition string, args ...any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&Session{}).Where(condition, args...).Updates(values)
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

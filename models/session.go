package models

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// Session is a sign-in on one device. It ends when its row is deleted or its time is up.
type Session struct {
	ID          string `gorm:"primaryKey"` // UUIDv7
	UserID      string
	User        *User     // only where a query says so
	Epoch       int64     // the user's SessionEpoch when the person proved who they are
	RefreshHash []byte    // SHA-256 of the living refresh token
	ParentHash  NullBytes // of the one that it was made from; nil before the first refresh
	Nonce       NullBytes // with the parent token it makes the living one again; nil before the first refresh
	RotatedAt   *time.Time
	RememberMe  bool
	IP          *string
	UserAgent   *string
	CreatedAt   time.Time
	LastUsedAt  time.Time // the last sign-in or refresh; reading writes nothing
	ExpiresAt   time.Time // unless it is refreshed before
}

// NullBytes are bytes in a row, or NULL for nil. Of plain []byte, one of the drivers would store nil as an empty
// value.
type NullBytes []byte

// Value is NULL for nil.
func (b NullBytes) Value() (driver.Value, error) {
	if b == nil {
		return nil, nil
	}
	return []byte(b), nil
}

// Scan reads what Value wrote.
func (b *NullBytes) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = bytes.Clone(v)
	default:
		return fmt.Errorf("bytes are wanted, not %T", v)
	}
	return nil
}

// Ended reports whether the session is over at now although its row is there. It needs User.
func (s *Session) Ended(now time.Time) bool {
	return s.Epoch != s.User.SessionEpoch || s.User.DisabledAt != nil || !now.Before(s.ExpiresAt)
}

// CreateSession inserts the session as it is. If it is the first of an account that was registered without one, it notes
// that too.
func (s *Store) CreateSession(ctx context.Context, session *Session) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.insert(ctx, session); err != nil || session.User == nil || session.User.UnusedSince == nil {
			return err
		}
		return tx.clearUnusedSince(ctx, session.UserID)
	})
}

// SessionWithUser returns a session of a user joined with that user, in one query. It returns ErrNotFound if the user has
// no such session or the account is gone; whether its time is up or the account is disabled is for the
// caller to see. The end of ctx ends the wait for a turn. Whoever has one, as many as there are
// connections, stays: until a connection is free, and then until it is answered or the watch gives up a silent server.
func (s *Store) SessionWithUser(ctx context.Context, id, userID string) (*Session, error) {
	if !isASCII(id) || !isASCII(userID) {
		return nil, ErrNotFound
	}
	return s.session(ctx, "sessions.user_id = ? AND sessions.id = ?", userID, id)
}

func (s *Store) session(ctx context.Context, condition string, values ...any) (*Session, error) {
	session, err := s.sessions.find(s.span.Within(ctx), s.db, s.inTransaction, condition, values)
	return session, s.translate(ctx, err)
}

package models

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// Session is a sign-in on one device. It ends when its row is deleted or it expires.
type Session struct {
	ID          string `gorm:"primaryKey"` // UUIDv7
	UserID      string
	User        *User  // only if the query loads it
	Epoch       int64  // the user's SessionEpoch at sign-in
	RefreshHash []byte // SHA-256 of the current refresh token
	// ParentHash is the SHA-256 of the token that the current one replaced; nil before the first
	// refresh.
	ParentHash NullBytes
	Nonce      NullBytes // derives the current token from its parent; nil before the first refresh
	RotatedAt  *time.Time
	RememberMe bool
	IP         *string
	UserAgent  *string
	CreatedAt  time.Time
	LastUsedAt time.Time // time of the last sign-in or refresh; reads do not change it
	ExpiresAt  time.Time // unless it is refreshed before

	ProvedAt       *time.Time // when the user last proved a first factor; nil: at CreatedAt
	SecondProvedAt *time.Time // when the user last proved a second factor; nil: never
	Methods        *string    // the proved factors, comma-separated RFC 8176 values; nil: "pwd"
}

// FirstProvedAt returns when the user last proved a first factor. Older servers store no such time:
// they open sessions with a password only.
func (s *Session) FirstProvedAt() time.Time {
	if s.ProvedAt != nil {
		return *s.ProvedAt
	}
	return s.CreatedAt
}

// NullBytes is a []byte whose nil value is stored as NULL. For a plain []byte, one of the drivers
// stores nil as an empty value.
type NullBytes []byte

// Value returns NULL for nil.
func (b NullBytes) Value() (driver.Value, error) {
	if b == nil {
		return nil, nil
	}
	return []byte(b), nil
}

// Scan implements sql.Scanner.
func (b *NullBytes) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = bytes.Clone(v)
	default:
		return fmt.Errorf("cannot scan %T into NullBytes", v)
	}
	return nil
}

// Ended reports whether the session is invalid at now although its row exists: it was revoked by a
// new epoch, has expired, or the account is disabled. It needs User.
func (s *Session) Ended(now time.Time) bool {
	return s.Epoch != s.User.SessionEpoch || s.User.DisabledAt != nil || !now.Before(s.ExpiresAt)
}

// CreateSession inserts the session as it is. The first session of an account that was registered
// without one clears UnusedSince.
func (s *Store) CreateSession(ctx context.Context, session *Session) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.insert(ctx, session); err != nil || session.User == nil || session.User.UnusedSince == nil {
			return err
		}
		return tx.clearUnusedSince(ctx, session.UserID)
	})
}

// SessionWithUser returns a session of a user together with that user, in one query. It returns
// ErrNotFound if the session or the account does not exist. The caller checks expiry and whether
// the account is disabled. The end of ctx stops the wait for the semaphore. After that the call
// waits for a connection and the answer, until the watch gives up a silent server.
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

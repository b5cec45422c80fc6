package account

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

// reuseGrace is how long after a rotation the replaced token is still accepted, and yields the same
// successor: two tabs refresh at once, or a response is lost. tokenAge counts it from the rotation;
// nothing else extends it.
const reuseGrace = 10 * time.Second

// maxOutage is the age from which tokenAge counts all time. So no token is accepted a minute after
// it was replaced.
const maxOutage = time.Minute

// tokenFreshness is the age, by tokenAge, below which a refresh token is not rotated: a refresh
// returns the same token and writes nothing. Otherwise a client that refreshes without pause would
// leave a spent token each time.
const tokenFreshness = 5 * time.Second

// cookieSettledAfter is the age from which a fresh token is not written into the cookie again.
// Another tab may refresh a moment later and rotate the token. If the responses overtook each
// other, the old cookie would overwrite the new one, and the next refresh would look like token
// theft.
const cookieSettledAfter = tokenFreshness / 2

// rotateAttempts is how often Refresh looks up a token. A request that lost the race for a rotation
// sees the winner's result at the second look-up, or at the third in a cluster whose nodes lag.
const rotateAttempts = 3

// Refresh rotates a refresh token, unless it is fresh, and issues an access token. It returns
// ErrInvalidToken for an unknown or expired token. A token that was replaced earlier revokes the
// session: one of its two holders has stolen it, and the server cannot tell which.
func (s *Service) Refresh(ctx context.Context, token string) (*SignIn, error) {
	hash := refreshHash(token)
	for range rotateAttempts {
		session, err := s.config.Store.SessionByRefreshHash(ctx, hash)
		if errors.Is(err, models.ErrNotFound) {
			return s.refreshReplaced(ctx, token, hash)
		}
		if err != nil {
			return nil, err
		}
		signIn, err := s.rotate(ctx, session, token)
		if !errors.Is(err, models.ErrNotFound) {
			return signIn, err
		}
	}
	return nil, ErrInvalidToken
}

// rotate returns models.ErrNotFound if a concurrent request rotated the token.
func (s *Service) rotate(ctx context.Context, session *models.Session, token string) (*SignIn, error) {
	now := s.config.Store.Now()
	if session.Ended(now) {
		return nil, ErrInvalidToken
	}
	if age := s.tokenAge(session, now); age < tokenFreshness {
		if err := s.dropNetworkTrust(ctx, s.config.Store, session); err != nil {
			return nil, err
		}
		signIn, err := s.newSignIn(session, token)
		if err == nil {
			signIn.CookieUnchanged = age >= cookieSettledAfter
		}
		return signIn, err
	}
	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails: it ends the program instead
	next := successor(token, nonce)
	r := models.Rotation{
		RefreshHash: refreshHash(next), Nonce: nonce, At: now,
		ExpiresAt: s.sessionExpiry(session.CreatedAt, now, session.RememberMe),
		// A thief may use a token while the owner's device sleeps, so a spent token is remembered
		// for as long as the owner could still send it.
		SpentExpiresAt: now.Add(s.idleTTL(session.RememberMe)),
	}
	err := s.config.Store.Transaction(ctx, func(tx *models.Store) error {
		if err := tx.Rotate(ctx, session, r); err != nil {
			return err
		}
		return s.dropNetworkTrust(ctx, tx, session)
	})
	if err != nil {
		return nil, err
	}
	rotated := *session
	rotated.RefreshHash, rotated.ParentHash, rotated.Nonce = r.RefreshHash, session.RefreshHash, nonce
	rotated.RotatedAt, rotated.LastUsedAt, rotated.ExpiresAt = &r.At, r.At, r.ExpiresAt
	return s.newSignIn(&rotated, next)
}

// tokenCreatedAt returns when the current refresh token of a session was created.
func tokenCreatedAt(session *models.Session) time.Time {
	if session.RotatedAt != nil {
		return *session.RotatedAt
	}
	return session.CreatedAt
}

// tokenAge returns the age of a session's current refresh token. Time in which this server's
// database did not answer does not count, up to maxOutage: a client whose response was lost in a
// failover cannot retry before the failover is over, and several tabs may then retry at once.
func (s *Service) tokenAge(session *models.Session, now time.Time) time.Duration {
	made := tokenCreatedAt(session)
	age := now.Sub(made)
	if age > maxOutage {
		return age
	}
	return age - s.config.Store.Silence(made)
}

// SessionOfToken returns the id of the session whose current refresh token, or its immediate
// parent, is token, and otherwise "".
func SessionOfToken(ctx context.Context, store *models.Store, token string) (id string, err error) {
	if !isRefreshToken(token) {
		return "", nil
	}
	session, err := store.SessionByRefreshHash(ctx, refreshHash(token))
	if errors.Is(err, models.ErrNotFound) {
		session, err = store.SessionByParentHash(ctx, refreshHash(token))
	}
	if errors.Is(err, models.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return session.ID, nil
}

// refreshReplaced refreshes with a token that is not the current one of a session.
func (s *Service) refreshReplaced(ctx context.Context, token string, hash []byte) (*SignIn, error) {
	session, err := s.sessionOfReplacedToken(ctx, hash)
	if err != nil {
		return nil, err
	}
	return s.newSignIn(session, successor(token, session.Nonce))
}

// sessionOfReplacedToken returns the session of a token that is the immediate parent of the current
// one, within reuseGrace. Otherwise the error is ErrInvalidToken, and a token that any session ever
// had revokes that session.
func (s *Service) sessionOfReplacedToken(ctx context.Context, hash []byte) (*models.Session, error) {
	session, err := s.config.Store.SessionByParentHash(ctx, hash)
	if err == nil {
		now := s.config.Store.Now()
		if session.Ended(now) {
			return nil, ErrInvalidToken
		}
		if s.tokenAge(session, now) <= reuseGrace {
			return session, nil
		}
	}
	if errors.Is(err, models.ErrNotFound) {
		session, err = s.config.Store.SessionBySpentHash(ctx, hash)
	}
	if errors.Is(err, models.ErrNotFound) {
		if bytes.Equal(hash, refreshHash("")) { // a page that opens without a cookie
			return nil, ErrInvalidToken
		}
		return nil, s.recordUnknownToken(ctx, ErrInvalidToken)
	}
	if err != nil {
		return nil, err
	}
	return nil, s.revokeReused(ctx, session)
}

// revokeReused revokes a session. It commits before the call returns an error; a client that
// disconnects does not stop it.
func (s *Service) revokeReused(ctx context.Context, session *models.Session) error {
	ctx = context.WithoutCancel(ctx)
	e := &event{name: EventTokenReused, level: slog.LevelWarn, user: session.UserID, session: session.ID}
	if err := s.revokeWithEvent(ctx, e); err != nil && !errors.Is(err, models.ErrNotFound) {
		return err
	}
	return ErrInvalidToken
}

// successor derives the token that follows parent. The nonce in the row reproduces it for a client
// that has the parent; the row alone does not disclose it.
func successor(parent string, nonce []byte) string {
	mac := hmac.New(sha256.New, []byte(parent))
	mac.Write(nonce)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Logout revokes the session of a refresh token, the session of an access token, which may have
// expired, and the session that the same request opened. Each may be absent. It reports whether any
// of them was active.
func (s *Service) Logout(
	ctx context.Context, refreshToken string, access *auth.Claims, opened *models.Session,
) (ended bool, err error) {
	var finds []func() (*models.Session, error)
	if refreshToken != "" {
		finds = append(finds, func() (*models.Session, error) { return s.sessionOf(ctx, refreshHash(refreshToken)) })
	}
	if access != nil {
		finds = append(finds, func() (*models.Session, error) {
			return s.config.Store.SessionWithUser(ctx, access.SessionID, access.Subject)
		})
	}
	if opened != nil && (access == nil || access.SessionID != opened.ID) {
		finds = append(finds, func() (*models.Session, error) {
			return s.config.Store.SessionWithUser(ctx, opened.ID, opened.UserID)
		})
	}
	for _, find := range finds {
		session, err := find()
		also, err := s.revokeFound(ctx, session, err)
		if err != nil {
			return ended, err
		}
		ended = ended || also
	}
	return ended, nil
}

// revokeFound revokes the session that a look-up found, and reports whether it was active.
func (s *Service) revokeFound(ctx context.Context, session *models.Session, err error) (ended bool, _ error) {
	if err == nil && session.Ended(s.config.Store.Now()) {
		err = models.ErrNotFound // its row is swept later
	}
	if err == nil {
		e := &event{name: EventSignedOut, user: session.UserID, actor: session.UserID, session: session.ID}
		err = s.revokeWithEvent(ctx, e)
	}
	if errors.Is(err, models.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// sessionOf returns the session of a refresh token, however old.
func (s *Service) sessionOf(ctx context.Context, hash []byte) (session *models.Session, err error) {
	for _, find := range []func(context.Context, []byte) (*models.Session, error){
		s.config.Store.SessionByRefreshHash, s.config.Store.SessionByParentHash, s.config.Store.SessionBySpentHash,
	} {
		if session, err = find(ctx, hash); !errors.Is(err, models.ErrNotFound) {
			return session, err
		}
	}
	return nil, err
}

// revokeWithEvent revokes the session of an event.
func (s *Service) revokeWithEvent(ctx context.Context, e *event) error {
	return s.audited(ctx, e, func(tx *models.Store) error { return tx.RevokeSession(ctx, e.session, e.user) })
}

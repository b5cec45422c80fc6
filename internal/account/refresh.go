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

// reuseGrace is how long after a refresh the replaced token is accepted once more, and gets the same successor: two tabs
// refresh at once, or an answer is lost. It is counted by tokenAge from the refresh, and nothing else prolongs it.
const reuseGrace = 10 * time.Second

// maxOutage is the age from which on tokenAge counts all time. So no token is accepted a minute after it was replaced.
const maxOutage = time.Minute

// tokenFreshness is how long after its making, by tokenAge, a refresh token stays the current one: a refresh with it returns it
// again, and writes nothing. Otherwise a client that refreshes without a pause would leave a spent token each time.
const tokenFreshness = 5 * time.Second

// cookieSettledAfter is the age from which a fresh token is not written into the cookie again. Another tab may refresh a
// moment later, when the token is replaced; if the answers overtook each other, the old cookie would overwrite the new
// one, and the next refresh would look like a theft.
const cookieSettledAfter = tokenFreshness / 2

// rotateAttempts: whoever loses the race for a token sees the winner's work at the second look, or in a cluster
// whose nodes lag behind each other at the third.
const rotateAttempts = 3

// Refresh replaces a refresh token by its successor, unless it is fresh, and makes a new access token. It returns
// ErrInvalidToken for an unknown or expired token. A token that was replaced before ends the session: one of the two who had
// it has stolen it, and nothing says which.
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

// rotate returns models.ErrNotFound if somebody else was quicker.
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
		// A thief may use a token while its owner's device sleeps, so a spent token is known for as long as the
		// owner could bring it.
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

// tokenCreatedAt is when the living refresh token of a session was made.
func tokenCreatedAt(session *models.Session) time.Time {
	if session.RotatedAt != nil {
		return *session.RotatedAt
	}
	return session.CreatedAt
}

// tokenAge is how long ago the living refresh token of a session was made. Time in which this server's database did not
// answer does not count, up to maxOutage: a client whose answer was lost in a failover cannot ask again before the
// failover is over, and several tabs may then ask at once.
func (s *Service) tokenAge(session *models.Session, now time.Time) time.Duration {
	made := tokenCreatedAt(session)
	age := now.Sub(made)
	if age > maxOutage {
		return age
	}
	return age - s.config.Store.Silence(made)
}

// SessionOfToken returns the id of the session that a refresh token belongs to, as the current one or as its immediate
// parent, and else "".
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

// refreshReplaced refreshes with a token that is no session's living one.
func (s *Service) refreshReplaced(ctx context.Context, token string, hash []byte) (*SignIn, error) {
	session, err := s.sessionOfReplacedToken(ctx, hash)
	if err != nil {
		return nil, err
	}
	return s.newSignIn(session, successor(token, session.Nonce))
}

// sessionOfReplacedToken returns the session of a token that is its immediate parent, within the grace. Otherwise the error is
// ErrInvalidToken, and a token that any session had once ends it.
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

// revokeReused ends a session. That is committed before the call fails, and a client that hangs up does not stop it.
func (s *Service) revokeReused(ctx context.Context, session *models.Session) error {
	ctx = context.WithoutCancel(ctx)
	e := &event{name: EventTokenReused, level: slog.LevelWarn, user: session.UserID, session: session.ID}
	if err := s.revokeWithEvent(ctx, e); err != nil && !errors.Is(err, models.ErrNotFound) {
		return err
	}
	return ErrInvalidToken
}

// successor is the token that follows parent. Whoever has the parent can say it again with the nonce of the
// row; the row alone does not give it away.
func successor(parent string, nonce []byte) string {
	mac := hmac.New(sha256.New, []byte(parent))
	mac.Write(nonce)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Logout ends the session of a refresh token, that of an access token, which may have expired, and the one that the
// same request opened; each may be missing. It reports whether one of them had not ended.
func (s *Service) Logout(ctx context.Context, refreshToken string, access *auth.Claims, opened *models.Session) (ended bool, err error) {
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
		finds = append(finds, func() (*models.Session, error) { return s.config.Store.SessionWithUser(ctx, opened.ID, opened.UserID) })
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

// revokeFound ends what a look-up has found, and reports whether it had not ended before.
func (s *Service) revokeFound(ctx context.Context, session *models.Session, err error) (ended bool, _ error) {
	if err == nil && session.Ended(s.config.Store.Now()) {
		err = models.ErrNotFound // its row is swept in time
	}
	if err == nil {
		err = s.revokeWithEvent(ctx, &event{name: EventSignedOut, user: session.UserID, actor: session.UserID, session: session.ID})
	}
	if errors.Is(err, models.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// sessionOf finds the session of a refresh token, however old.
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

// revokeWithEvent ends the session of an event.
func (s *Service) revokeWithEvent(ctx context.Context, e *event) error {
	return s.audited(ctx, e, func(tx *models.Store) error { return tx.RevokeSession(ctx, e.session, e.user) })
}

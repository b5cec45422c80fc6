package account

import (
	"context"
	"errors"
	"time"

	"fieldgate/internal/limit"
	"fieldgate/models"
)

// maxServerTokenTTL bounds the life of access tokens issued to a server for a visitor's cookie. The
// server renders one page with the token and can ask again.
const maxServerTokenTTL = 5 * time.Minute

// serverTokenAuditInterval is how often the audit log records access tokens issued for one session.
const serverTokenAuditInterval = time.Hour

// AccessToken is an access token without a refresh token.
type AccessToken struct {
	Session   *models.Session // with its User
	Token     string
	ExpiresAt time.Time
}

// ReadRefreshToken returns the session of a refresh token, with its User, without rotating the
// token. It accepts the current token and, within reuseGrace, its immediate parent. Any other token
// yields ErrInvalidToken. A token that was replaced earlier also revokes the session, as in
// Refresh.
func (s *Service) ReadRefreshToken(ctx context.Context, token string) (*models.Session, error) {
	if !isRefreshToken(token) {
		return nil, ErrInvalidToken
	}
	hash := refreshHash(token)
	session, err := s.config.Store.SessionByRefreshHash(ctx, hash)
	switch {
	case errors.Is(err, models.ErrNotFound):
		return s.sessionOfReplacedToken(ctx, hash)
	case err != nil:
		return nil, err
	case session.Ended(s.config.Store.Now()):
		return nil, ErrInvalidToken
	}
	return session, nil
}

// IssueAccessToken issues a short-lived access token for a session, which must have its User. It
// leaves the session unchanged: neither its idle time nor lastUsedAt moves, and the client's device
// and network do not become trusted.
func (s *Service) IssueAccessToken(ctx context.Context, session *models.Session) (*AccessToken, error) {
	if err := s.auditAccessTokenIssued(ctx, session); err != nil {
		return nil, err
	}
	token, expires, err := s.config.Tokens.IssueWithTTL(session, maxServerTokenTTL)
	if err != nil {
		return nil, err
	}
	return &AccessToken{session, token, expires}, nil
}

var errAlreadyAudited = errors.New("the audit log already has an entry for this hour")

// auditAccessTokenIssued writes an entry unless the last hour has one.
func (s *Service) auditAccessTokenIssued(ctx context.Context, session *models.Session) error {
	mark := limit.Key("access token issued", session.ID)
	if marked, err := s.config.Store.HasMark(ctx, mark); marked || err != nil {
		return err
	}
	until := s.config.Store.Now().Add(serverTokenAuditInterval)
	e := &event{name: EventAccessTokenIssued, user: session.UserID, actor: session.UserID, session: session.ID}
	err := s.audited(ctx, e, func(tx *models.Store) error {
		set, err := tx.SetMark(ctx, mark, until)
		if err == nil && !set {
			return errAlreadyAudited
		}
		return err
	})
	if errors.Is(err, errAlreadyAudited) {
		return nil
	}
	return err
}

// isRefreshToken reports whether token has the form that randomToken and successor produce. Other
// values are not worth a query.
func isRefreshToken(token string) bool {
	const length = 43 // 256 bits in base64url
	if len(token) != length {
		return false
	}
	for _, c := range []byte(token) {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

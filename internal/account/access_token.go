package account

import (
	"context"
	"errors"
	"time"

	"fieldgate/internal/limit"
	"fieldgate/models"
)

// maxServerTokenTTL bounds the life of the access tokens that a server gets for a visitor's cookie. It renders one page with
// a token, and can ask again.
const maxServerTokenTTL = 5 * time.Minute

// serverTokenAuditInterval is how often the audit log has an entry of the access tokens of one session.
const serverTokenAuditInterval = time.Hour

// AccessToken is an access token without a refresh token.
type AccessToken struct {
	Session   *models.Session // with its User
	Token     string
	ExpiresAt time.Time
}

// ReadRefreshToken returns the session of a refresh token, with its User, and does not replace the token. It accepts the
// current token and, within the grace, its immediate parent. Otherwise the error is ErrInvalidToken, and an older token ends
// the session, as it does in Refresh.
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

// IssueAccessToken makes a short-lived access token for a session, which must have its User. It leaves the session as it is:
// neither its idle time nor its lastUsedAt changes, and the client's address and device do not become trusted.
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

var errAlreadyAudited = errors.New("the audit log has an entry of the last hour")

// auditAccessTokenIssued writes an entry unless there was one within the last hour.
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

// isRefreshToken reports whether a text has the form of the tokens that randomToken and successor make. Others are not worth
// a query.
func isRefreshToken(token string) bool {
	const length = 43 // of 256 bits in base64url
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

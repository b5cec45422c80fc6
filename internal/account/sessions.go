package account

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// ListSessions returns a page of a user's active sessions, the most recently used first, starting
// after the session whose id is after, or at the beginning if after is "". It returns *InputError
// for invalid arguments.
func (s *Service) ListSessions(
	ctx context.Context, user *models.User, first int, after string,
) ([]*models.Session, error) {
	var check inputCheck
	page := models.SessionPage{Limit: first}
	if first < 1 || first > maxPage {
		check.field("first", "must be 1 to 100")
	}
	now := s.config.Store.Now()
	if after != "" {
		last, err := s.config.Store.SessionWithUser(ctx, after, user.ID)
		if err != nil && !errors.Is(err, models.ErrNotFound) {
			return nil, err
		}
		if err != nil || last.Ended(now) {
			check.field("after", "must be the id of one of your sessions")
		}
		page.After = last
	}
	if err := check.err(); err != nil {
		return nil, err
	}
	return s.config.Store.Sessions(ctx, user, page, now)
}

// RevokeSession revokes one session of the user. It returns models.ErrNotFound for an unknown id or
// another user's session.
func (s *Service) RevokeSession(ctx context.Context, userID, sessionID string) error {
	if uuid.Validate(sessionID) != nil {
		return models.ErrNotFound
	}
	return s.revokeWithEvent(ctx, &event{name: EventSignedOut, user: userID, session: sessionID})
}

// RevokeSessions revokes all sessions of the user and returns their number. It returns
// models.ErrNotFound for an unknown user.
func (s *Service) RevokeSessions(ctx context.Context, userID string) (ended int, err error) {
	if uuid.Validate(userID) != nil {
		return 0, models.ErrNotFound
	}
	e, now := &event{name: EventSessionsEnded, user: userID, hasCount: true}, s.config.Store.Now()
	err = s.audited(ctx, e, func(tx *models.Store) (err error) {
		e.sessions, err = tx.RevokeSessions(ctx, userID, now)
		return err
	})
	return e.sessions, err
}

// ChangePassword replaces the password of the session's user, revokes all their other sessions and
// notifies them by mail, in one transaction. If current is nil, the caller must have checked
// that the session has a recent proof of identity. It returns *InputError, *OverloadedError,
// ErrInvalidCredentials for a wrong current password, and *auth.UnauthenticatedError if the session
// was revoked meanwhile.
func (s *Service) ChangePassword(
	ctx context.Context, session *models.Session, current *string, replacement string,
) error {
	var check inputCheck
	if current != nil && len(*current) > maxPasswordBytes {
		check.field("currentPassword", longPassword)
	}
	check.field("newPassword", s.checkPassword(ctx, replacement, session.User.Name, session.User.Email))
	if err := check.err(); err != nil {
		return err
	}
	user, err := s.authenticate(ctx, session.UserID, current, EventPasswordChangeFailed)
	if err != nil {
		return err
	}
	hash, err := s.config.Passwords.Hash(ctx, replacement)
	if err != nil {
		return err
	}
	notice, now := s.outgoing(s.mailToUser(ctx, mail.PasswordChanged, user)), s.config.Store.Now()
	err = s.audited(ctx, &event{name: EventPasswordChanged, user: user.ID, session: session.ID}, func(tx *models.Store) error {
		return tx.ChangePassword(ctx, user, hash, session, notice, now)
	})
	return notFoundAsRevoked(err)
}

// notFoundAsRevoked maps ErrNotFound, the error of an account or session deleted meanwhile, to
// *auth.UnauthenticatedError.
func notFoundAsRevoked(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return &auth.UnauthenticatedError{Reason: auth.Revoked}
	}
	return err
}

// maxSessions limits the sessions of an account. A further sign-in revokes the least recently used
// one.
const maxSessions = 100

// addSession stores a session, and adds to e the events of sessions revoked to make room. ended
// reports that the session was already revoked, for example by a concurrent password reset. The
// caller must not trust its device or network then.
func (s *Service) addSession(
	ctx context.Context, tx *models.Store, e *event, session *models.Session,
) (ended bool, err error) {
	revoked, ended, err := tx.AddSession(ctx, session, maxSessions)
	if err != nil {
		return ended, err
	}
	e.related = nil // a retry starts over
	for _, id := range revoked {
		e.related = append(e.related, &event{
			name: EventSessionRevoked, user: session.UserID, actor: session.UserID, session: id,
		})
	}
	return ended, nil
}

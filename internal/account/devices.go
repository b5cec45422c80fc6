package account

import (
	"context"
	"errors"
	"log/slog"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// Devices returns a person's sessions that have not ended, the one used last first.
func (s *Service) Devices(ctx context.Context, user *models.User) ([]*models.Session, error) {
	return s.Store.Sessions(ctx, user, s.Store.Now())
}

// EndDevice ends one session of the user. It returns models.ErrNotFound for an id that is none, or somebody
// else's.
func (s *Service) EndDevice(ctx context.Context, userID, sessionID string) error {
	if uuid.Validate(sessionID) != nil {
		return models.ErrNotFound
	}
	if err := s.endSession(ctx, sessionID, userID); err != nil {
		return err
	}
	s.event(ctx, slog.LevelInfo, EventSignedOut, ofSession(sessionID), ofUser(userID))
	return nil
}

// EndDevices ends all sessions of the user and returns how many there were. It returns models.ErrNotFound if
// nobody has the id.
func (s *Service) EndDevices(ctx context.Context, userID string) (ended int, err error) {
	if uuid.Validate(userID) != nil {
		return 0, models.ErrNotFound
	}
	ended, err = s.Store.EndSessions(ctx, userID, s.Store.Now())
	s.Sessions.Forget(userID)
	if err == nil {
		s.event(ctx, slog.LevelInfo, EventSessionsEnded, ofUser(userID), slog.Int("sessions", ended))
	}
	return ended, err
}

// ChangePassword replaces the password of the session's user, ends all other sessions of theirs, and tells them by
// mail, all or nothing. It returns *InputError, *Overloaded, ErrInvalidCredentials for a wrong current password, and
// *auth.Unauthenticated if the session has ended meanwhile.
func (s *Service) ChangePassword(ctx context.Context, session *models.Session, current, replacement string) error {
	var check inputCheck
	if len(current) > maxPasswordBytes {
		check.field("currentPassword", longPassword)
	}
	check.field("newPassword", checkPassword(replacement, s.PasswordMinLength, session.User.Name, session.User.Email))
	if err := check.err(); err != nil {
		return err
	}
	user, err := s.prove(ctx, session.UserID, current, EventPasswordChangeFailed)
	if err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, replacement)
	if err != nil {
		return err
	}
	told := s.sent(s.mailTo(ctx, mail.PasswordChanged, user))
	err = s.Store.ChangePassword(ctx, user, hash, session, told, s.Store.Now())
	s.Sessions.Forget(user.ID)
	if err == nil {
		s.event(ctx, slog.LevelInfo, EventPasswordChanged, ofUser(user.ID), ofSession(session.ID))
	}
	return gone(err)
}

// gone: what the person stood on is not there any more.
func gone(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return &auth.Unauthenticated{Reason: auth.Revoked}
	}
	return err
}

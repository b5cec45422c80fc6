package account

import (
	"context"
	"errors"
	"log/slog"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
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

// ChangePassword replaces the password of the session's user and ends all other sessions of theirs, both or
// neither. It returns *InputError, *Overloaded, ErrInvalidCredentials for a wrong current password, and
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
	// Read anew: the session may be one that was trusted without asking, with the user as they were.
	user, err := s.Store.UserByID(ctx, session.UserID)
	if err != nil {
		return gone(err)
	}
	if ok, _, err := s.Passwords.Verify(ctx, user.PasswordHash, current); err != nil {
		return err
	} else if !ok {
		s.event(ctx, slog.LevelInfo, EventPasswordChangeFailed, ofUser(user.ID), slog.String("reason", reasonPassword))
		return ErrInvalidCredentials
	}
	hash, err := s.Passwords.Hash(ctx, replacement)
	if err != nil {
		return err
	}
	err = s.Store.ChangePassword(ctx, user, hash, session, s.Store.Now())
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

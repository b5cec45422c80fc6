package account

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"fieldgate/internal/policy"
	"fieldgate/models"
)

// Everything here is in force on the next request of any token, and returns models.ErrNotFound if nobody has
// the id, or models.ErrLastOne if it would leave nobody who may administer.

// SetRole gives an account a role. It returns *InputError for one that there is not.
func (s *Service) SetRole(ctx context.Context, userID, role string) (*models.User, error) {
	if !s.Policy.Known(role) {
		return nil, s.unknownRole()
	}
	return s.administer(ctx, EventRoleChanged, userID, func(tx *models.Store) error { return tx.SetRole(ctx, userID, role) })
}

// SetRoleOf is SetRole for the account with an e-mail address.
func (s *Service) SetRoleOf(ctx context.Context, email, role string) (*models.User, error) {
	user, err := s.userByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	return s.SetRole(ctx, user.ID, role)
}

// Disable shuts an account and ends its sessions.
func (s *Service) Disable(ctx context.Context, userID string) (*models.User, error) {
	now := s.Store.Now()
	return s.administer(ctx, EventUserDisabled, userID, func(tx *models.Store) error { return tx.Disable(ctx, userID, now) })
}

// Enable opens an account again. Its sessions stay ended.
func (s *Service) Enable(ctx context.Context, userID string) (*models.User, error) {
	return s.administer(ctx, EventUserEnabled, userID, func(tx *models.Store) error { return tx.Enable(ctx, userID) })
}

// administer changes an account, says so in the log, and returns the account as it is then.
func (s *Service) administer(ctx context.Context, event, userID string, change func(tx *models.Store) error) (user *models.User, err error) {
	if uuid.Validate(userID) != nil {
		return nil, models.ErrNotFound
	}
	err = s.Store.Keeping(ctx, s.administrators(), func(tx *models.Store) error {
		if err := change(tx); err != nil {
			return err
		}
		user, err = tx.UserByID(ctx, userID)
		return err
	})
	s.Sessions.Forget(userID)
	if err != nil {
		return nil, err
	}
	s.event(ctx, slog.LevelInfo, event, ofUser(user.ID), slog.String("role", user.Role))
	return user, nil
}

// administrators are the roles that may do what an ADMIN may.
func (s *Service) administrators() (roles []string) {
	for _, role := range s.Policy.Roles() {
		if s.Policy.Includes(role, policy.Admin) {
			roles = append(roles, role)
		}
	}
	return roles
}

package account

import (
	"context"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// InsufficientRoleError is the error of somebody who would act on a person, or give a role, that is not among what their own
// role includes.
type InsufficientRoleError struct {
	Required string // the role that it takes
	Actual   string // the one of who tried
}

func (e *InsufficientRoleError) Error() string { return "this takes the role " + e.Required }

// Administrator changes other users' accounts. A change takes effect on the next request with any of the account's tokens.
// The methods return models.ErrNotFound for an unknown id, models.ErrLastAdmin if no administrator would be left, and
// *InsufficientRoleError. The zero value has no rights.
type Administrator struct {
	service  *Service
	admin    *models.User // who acts; nil for the operator
	operator bool         // every right, no check
}

// AsAdmin returns what a signed-in user may do to other accounts. Their role and account are read again for each change. A nil
// user may do nothing.
func (s *Service) AsAdmin(admin *models.User) Administrator {
	return Administrator{service: s, admin: admin}
}

// AsOperator returns every right on every account, without any check. It is for the command line, never for a request.
func (s *Service) AsOperator() Administrator { return Administrator{service: s, operator: true} }

// SetRole gives an account a role. It returns *InputError for one that there is not.
func (a Administrator) SetRole(ctx context.Context, userID, role string) (*models.User, error) {
	if !a.service.config.Policy.IsRole(role) {
		return nil, a.service.unknownRole()
	}
	return a.administer(ctx, &event{name: EventRoleChanged, user: userID}, role, func(tx *models.Store) error {
		if err := a.service.notifyRoleChange(ctx, tx, userID, role); err != nil {
			return err
		}
		return tx.SetRole(ctx, userID, role)
	})
}

// Disable shuts an account and ends its sessions.
func (a Administrator) Disable(ctx context.Context, userID string) (*models.User, error) {
	now := a.service.config.Store.Now()
	return a.administer(ctx, &event{name: EventUserDisabled, user: userID}, "", func(tx *models.Store) error {
		return tx.Disable(ctx, userID, now)
	})
}

// Enable opens an account again. Its sessions stay ended.
func (a Administrator) Enable(ctx context.Context, userID string) (*models.User, error) {
	return a.administer(ctx, &event{name: EventUserEnabled, user: userID}, "", func(tx *models.Store) error {
		return tx.Enable(ctx, userID)
	})
}

// RevokeSessions ends all sessions of an account and returns how many there were.
func (a Administrator) RevokeSessions(ctx context.Context, userID string) (ended int, err error) {
	e, now := &event{name: EventSessionsEnded, user: userID, hasCount: true}, a.service.config.Store.Now()
	_, err = a.administer(ctx, e, "", func(tx *models.Store) (err error) {
		e.sessions, err = tx.RevokeSessions(ctx, userID, now)
		return err
	})
	return e.sessions, err
}

// administer changes an account, writes down that it did, and returns the account as it is then. role is the one
// that is given, or "".
func (a Administrator) administer(ctx context.Context, e *event, role string, change func(tx *models.Store) error) (user *models.User, err error) {
	if uuid.Validate(e.user) != nil {
		return nil, models.ErrNotFound
	}
	err = a.service.audited(ctx, e, func(tx *models.Store) error {
		return tx.WithAdminInvariant(ctx, a.service.administrators(), func(tx *models.Store) error {
			if err := a.authorize(ctx, tx, e.user, role); err != nil {
				return err
			}
			if err := change(tx); err != nil {
				return err
			}
			user, err = tx.UserByID(ctx, e.user)
			if err == nil && !e.hasCount {
				e.role = user.Role
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}

// authorize returns *InsufficientRoleError if the person's role does not include the account's, or the one that is to be given.
func (a Administrator) authorize(ctx context.Context, tx *models.Store, userID, role string) error {
	switch {
	case a.operator:
		return nil
	case a.admin == nil:
		return &auth.UnauthenticatedError{Reason: auth.Missing}
	}
	by, err := tx.UserByID(ctx, a.admin.ID)
	if err != nil {
		return notFoundAsRevoked(err)
	}
	if by.DisabledAt != nil || by.SessionEpoch != a.admin.SessionEpoch {
		return &auth.UnauthenticatedError{Reason: auth.Revoked}
	}
	user, err := tx.UserByID(ctx, userID)
	if err != nil {
		return err
	}
	for _, needed := range []string{policy.Admin, user.Role, role} {
		if needed != "" && !a.service.config.Policy.Includes(by.Role, needed) {
			return &InsufficientRoleError{needed, by.Role}
		}
	}
	return nil
}

// SetRoleByEmail is SetRole for the account with an e-mail address.
func (a Administrator) SetRoleByEmail(ctx context.Context, email, role string) (*models.User, error) {
	user, err := a.service.userByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	return a.SetRole(ctx, user.ID, role)
}

// administrators are the roles that may do what an ADMIN may.
func (s *Service) administrators() (roles []string) {
	for _, role := range s.config.Policy.Roles() {
		if s.config.Policy.Includes(role, policy.Admin) {
			roles = append(roles, role)
		}
	}
	return roles
}

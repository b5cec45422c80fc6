package account

import (
	"context"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// InsufficientRoleError is the error of an administrator whose role does not include the role of
// the other account, or the role to be granted.
type InsufficientRoleError struct {
	Required string // the role that is required
	Actual   string // the administrator's role
}

func (e *InsufficientRoleError) Error() string { return "requires role " + e.Required }

// Administrator changes other users' accounts. A change takes effect on the next request with any
// token of the account. The methods return models.ErrNotFound for an unknown id,
// models.ErrLastAdmin if no administrator would remain, and *InsufficientRoleError. The zero value
// has no rights.
type Administrator struct {
	service  *Service
	admin    *models.User // the acting user; nil for the operator
	operator bool         // all rights, no check
}

// AsAdmin returns an Administrator that acts with a signed-in user's rights. The user's role and
// account are read again before each change. A nil user has no rights.
func (s *Service) AsAdmin(admin *models.User) Administrator {
	return Administrator{service: s, admin: admin}
}

// AsOperator returns an Administrator with all rights and no checks. It is for the command line,
// never for a request.
func (s *Service) AsOperator() Administrator { return Administrator{service: s, operator: true} }

// SetRole gives an account a role. It returns *InputError for an unknown role.
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

// Disable disables an account and revokes its sessions.
func (a Administrator) Disable(ctx context.Context, userID string) (*models.User, error) {
	now := a.service.config.Store.Now()
	return a.administer(ctx, &event{name: EventUserDisabled, user: userID}, "", func(tx *models.Store) error {
		return tx.Disable(ctx, userID, now)
	})
}

// Enable enables an account. Its revoked sessions stay revoked.
func (a Administrator) Enable(ctx context.Context, userID string) (*models.User, error) {
	return a.administer(ctx, &event{name: EventUserEnabled, user: userID}, "", func(tx *models.Store) error {
		return tx.Enable(ctx, userID)
	})
}

// RevokeSessions revokes all sessions of an account and returns their number.
func (a Administrator) RevokeSessions(ctx context.Context, userID string) (ended int, err error) {
	e, now := &event{name: EventSessionsEnded, user: userID, hasCount: true}, a.service.config.Store.Now()
	_, err = a.administer(ctx, e, "", func(tx *models.Store) (err error) {
		e.sessions, err = tx.RevokeSessions(ctx, userID, now)
		return err
	})
	return e.sessions, err
}

// administer changes an account, audits the change and returns the updated account. role is the
// role to be granted, or "".
func (a Administrator) administer(
	ctx context.Context, e *event, role string, change func(tx *models.Store) error,
) (user *models.User, err error) {
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

// authorize returns *InsufficientRoleError unless the administrator's role includes the account's
// role and the role to be granted.
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

// administrators returns the roles that include ADMIN.
func (s *Service) administrators() (roles []string) {
	for _, role := range s.config.Policy.Roles() {
		if s.config.Policy.Includes(role, policy.Admin) {
			roles = append(roles, role)
		}
	}
	return roles
}

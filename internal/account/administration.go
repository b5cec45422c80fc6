package account

import (
	"context"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// AboveError is the error of somebody who would act on a person, or give a role, that is not among what their own
// role includes.
type AboveError struct {
	Role string // the role that it takes
	Have string // the one of who tried
}

func (e *AboveError) Error() string { return "this takes the role " + e.Role }

// Administrator does things to others' accounts. Each is in force on the next request of any token, and returns
// models.ErrNotFound if nobody has the id, models.ErrLastOne if it would leave nobody who may administer, and
// *AboveError.
type Administrator struct {
	*Service
	by *models.User
}

// As is what a person may do to others, who is found anew before each thing: meanwhile somebody may have done it
// to them. nil is whoever runs the server, who may do everything.
func (s *Service) As(by *models.User) Administrator { return Administrator{s, by} }

// SetRole gives an account a role. It returns *InputError for one that there is not.
func (a Administrator) SetRole(ctx context.Context, userID, role string) (*models.User, error) {
	if !a.Policy.Known(role) {
		return nil, a.unknownRole()
	}
	return a.administer(ctx, &event{name: EventRoleChanged, user: userID}, role, func(tx *models.Store) error {
		if err := a.noticeRole(ctx, tx, userID, role); err != nil {
			return err
		}
		return tx.SetRole(ctx, userID, role)
	})
}

// Disable shuts an account and ends its sessions.
func (a Administrator) Disable(ctx context.Context, userID string) (*models.User, error) {
	now := a.Store.Now()
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

// EndSessions ends all sessions of an account and returns how many there were.
func (a Administrator) EndSessions(ctx context.Context, userID string) (ended int, err error) {
	e, now := &event{name: EventSessionsEnded, user: userID, counts: true}, a.Store.Now()
	_, err = a.administer(ctx, e, "", func(tx *models.Store) (err error) {
		e.sessions, err = tx.EndSessions(ctx, userID, now)
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
	err = a.do(ctx, e, func(tx *models.Store) error {
		return tx.Keeping(ctx, a.administrators(), func(tx *models.Store) error {
			if err := a.may(ctx, tx, e.user, role); err != nil {
				return err
			}
			if err := change(tx); err != nil {
				return err
			}
			user, err = tx.UserByID(ctx, e.user)
			if err == nil && !e.counts {
				e.role = user.Role
			}
			return err
		})
	})
	a.Sessions.Forget(e.user)
	if err != nil {
		return nil, err
	}
	return user, nil
}

// may returns *AboveError if the person's role does not include the account's, or the one that is to be given.
func (a Administrator) may(ctx context.Context, tx *models.Store, userID, role string) error {
	if a.by == nil {
		return nil
	}
	by, err := tx.UserByID(ctx, a.by.ID)
	if err != nil {
		return gone(err)
	}
	if by.DisabledAt != nil || by.SessionEpoch != a.by.SessionEpoch {
		return &auth.Unauthenticated{Reason: auth.Revoked}
	}
	user, err := tx.UserByID(ctx, userID)
	if err != nil {
		return err
	}
	for _, needed := range []string{policy.Admin, user.Role, role} {
		if needed != "" && !a.Policy.Includes(by.Role, needed) {
			return &AboveError{needed, by.Role}
		}
	}
	return nil
}

// SetRoleOf is SetRole for the account with an e-mail address, by whoever runs the server.
func (s *Service) SetRoleOf(ctx context.Context, email, role string) (*models.User, error) {
	user, err := s.userByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	return s.As(nil).SetRole(ctx, user.ID, role)
}

// Disable is that of an Administrator who runs the server.
func (s *Service) Disable(ctx context.Context, userID string) (*models.User, error) {
	return s.As(nil).Disable(ctx, userID)
}

// Enable is that of an Administrator who runs the server.
func (s *Service) Enable(ctx context.Context, userID string) (*models.User, error) {
	return s.As(nil).Enable(ctx, userID)
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

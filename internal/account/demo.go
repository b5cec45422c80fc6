package account

import (
	"context"
	"errors"
	"strings"

	"fieldgate/models"
)

// ResetDemoUser gives an account of a demo back what a registration and a role say, or makes it, and returns what it did: "created", or
// what was changed, or nothing. Everything that it did is in the audit log. It returns *InputError and *Overloaded.
func (s *Service) ResetDemoUser(ctx context.Context, r Registration, role string) (did []string, err error) {
	key, wrong := EmailKey(r.Email)
	if wrong != "" {
		return nil, invalid("email", wrong)
	}
	if err := s.config.Store.ReleaseReservedEmail(ctx, key); err != nil {
		return nil, err
	}
	user, err := s.config.Store.UserByEmailKey(ctx, key)
	if errors.Is(err, models.ErrNotFound) {
		_, err = s.CreateUser(ctx, r, role)
		return []string{"created"}, err
	}
	if err != nil {
		return nil, err
	}
	reset, did, err := s.demoChanges(ctx, user, r, role)
	if err != nil || len(did) == 0 {
		return nil, err
	}
	now, end := s.config.Store.Now(), reset.PasswordHash != user.PasswordHash
	err = s.audited(ctx, &event{name: EventUserReset, user: user.ID, reason: strings.Join(did, ", ")}, func(tx *models.Store) error {
		return tx.WithAdminInvariant(ctx, s.administrators(), func(tx *models.Store) error { return tx.ResetUser(ctx, reset, end, now) })
	})
	return did, err
}

// demoChanges is the user as they should be, and what was not so.
func (s *Service) demoChanges(ctx context.Context, user *models.User, r Registration, role string) (*models.User, []string, error) {
	reset, did := *user, []string(nil)
	ok, _, err := s.config.Passwords.Verify(ctx, user.PasswordHash, r.Password)
	if err == nil && !ok {
		did = append(did, "password")
		reset.PasswordHash, err = s.config.Passwords.Hash(ctx, r.Password)
	}
	if err != nil {
		return nil, nil, err
	}
	if user.Role != role {
		did, reset.Role = append(did, "role"), role
	}
	if user.DisabledAt != nil {
		did, reset.DisabledAt = append(did, "disabled"), nil
	}
	if user.Email != r.Email || !user.EmailVerified() {
		now := s.config.Store.Now()
		did, reset.Email, reset.EmailVerifiedAt = append(did, "email"), r.Email, &now
	}
	if user.Name != r.Name {
		did, reset.Name, reset.NameKey = append(did, "name"), r.Name, searchKey(r.Name)
	}
	return &reset, did, nil
}

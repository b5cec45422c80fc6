package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"fieldgate/models"
)

// ResetDemoUser creates a demo account or restores it to a registration and a role. It returns
// "created", the names of the restored fields, or nothing. Each change is in the audit log. It
// returns *InputError and *OverloadedError.
func (s *Service) ResetDemoUser(ctx context.Context, r Registration, role string) (changes []string, err error) {
	key, message := EmailKey(r.Email)
	if message != "" {
		return nil, invalid("email", message)
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
	reset, changes, err := s.demoChanges(ctx, user, r, role)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	now := s.config.Store.Now()
	end := reset.PasswordHash != user.PasswordHash || slices.Contains(changes, demoFactors)
	e := &event{name: EventUserReset, user: user.ID, reason: strings.Join(changes, ", ")}
	err = s.audited(ctx, e, func(tx *models.Store) error {
		return tx.WithAdminInvariant(ctx, s.administrators(), func(tx *models.Store) error {
			if err := tx.ResetUser(ctx, reset, end, now); err != nil {
				return err
			}
			return tx.DeleteFactors(ctx, user.ID)
		})
	})
	return changes, err
}

// demoFactors names the second factors among the changes of a demo account.
const demoFactors = "second factors"

// demoChanges returns the user as configured and the names of the fields that differed.
func (s *Service) demoChanges(
	ctx context.Context, user *models.User, r Registration, role string,
) (*models.User, []string, error) {
	reset, changes := *user, []string(nil)
	ok, _, err := s.config.Passwords.Verify(ctx, user.PasswordHash, r.Password)
	if err == nil && !ok {
		changes = append(changes, "password")
		reset.PasswordHash, err = s.config.Passwords.Hash(ctx, r.Password)
	}
	if err != nil {
		return nil, nil, err
	}
	if user.Role != role {
		changes, reset.Role = append(changes, "role"), role
	}
	if user.DisabledAt != nil {
		changes, reset.DisabledAt = append(changes, "disabled"), nil
	}
	if user.Email != r.Email || !user.EmailVerified() {
		now := s.config.Store.Now()
		changes, reset.Email, reset.EmailVerifiedAt = append(changes, "email"), r.Email, &now
	}
	if user.Name != r.Name {
		changes, reset.Name, reset.NameKey = append(changes, "name"), r.Name, searchKey(r.Name)
	}
	factors, err := s.config.Store.Factors(ctx, user.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(factors) > 0 {
		changes = append(changes, demoFactors)
	}
	return &reset, changes, nil
}

package account

import (
	"context"
	"errors"

	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// kindRegistration is the kind of mails about a registration that opened no session. Their text is
// decided when they are sent.
const kindRegistration mail.Kind = "registration"

// registerUnverified creates an account, or a pending registration that may replace one, or
// notifies the account's owner. On success its error is ErrEmailNotVerified. All cases run one
// transaction with the same number of statements, so that the response time does not tell them
// apart.
func (s *Service) registerUnverified(ctx context.Context, user *models.User) error {
	letter := s.newMail(ctx, kindRegistration, nil, user.Email, user.EmailKey)
	user.UnusedSince = &user.CreatedAt
	pending := &models.PendingRegistration{
		ID: letter.ID, Name: user.Name, NameKey: user.NameKey, PasswordHash: user.PasswordHash,
		CreatedAt: user.CreatedAt, ExpiresAt: user.CreatedAt.Add(mailTTL + verifyTTL),
	}
	var e event
	err := s.audited(ctx, &e, func(tx *models.Store) error {
		e = event{name: EventRegistered, user: user.ID, actor: user.ID, role: user.Role}
		pending.UserID = user.ID
		switch err := tx.CreateUserUnlessReserved(ctx, user); {
		case errors.Is(err, models.ErrEmailTaken):
			owner, err := tx.UserByEmailKey(ctx, user.EmailKey)
			switch {
			case err == nil:
				e, pending.UserID = event{name: EventAlreadyRegistered, user: owner.ID}, owner.ID
				if isReplaceable(owner) {
					e.name = EventRegisteredAgain
				}
			case errors.Is(err, models.ErrNotFound): // another account may take the address back
				e = event{name: EventAlreadyRegistered}
			default:
				return err
			}
		case err != nil:
			return err
		}
		if err := tx.CreatePendingRegistration(ctx, pending); err != nil {
			return err
		}
		return tx.CreateMails(ctx, s.outgoing(letter))
	})
	if err != nil {
		return err
	}
	return ErrEmailNotVerified
}

// isReplaceable reports whether a new registration may replace an account: it was never verified,
// has the default role USER, and never opened a session.
func isReplaceable(user *models.User) bool {
	return user.UnusedSince != nil && !user.EmailVerified() && user.Role == policy.User && user.DisabledAt == nil
}

// registrationLetter decides the mail about a registration when it is sent.
func (m *Mailer) registrationLetter(row *models.Mail, user *models.User) *letter {
	if isReplaceable(user) {
		return &letter{kind: mail.VerifyEmail, to: row.Email, user: user, registration: true}
	}
	return &letter{kind: mail.AlreadyRegistered, to: user.Email, user: user}
}

// sweepUnusedBatch is how many accounts SweepUnused reads at a time.
const sweepUnusedBatch = 100

// SweepUnused deletes accounts with the role USER that were registered UnverifiedTTL ago, never
// opened a session and were never verified. It returns their number. Without RequireVerifiedEmail
// it does nothing: registrations open a session there. Several servers may run it at once.
func (s *Service) SweepUnused(ctx context.Context) (deleted int, err error) {
	if !s.config.RequireVerifiedEmail {
		return 0, nil
	}
	now := s.config.Store.Now()
	before := now.Add(-s.config.UnverifiedTTL)
	for {
		list, err := s.config.Store.UnusedUsers(ctx, policy.User, before, sweepUnusedBatch)
		if err != nil {
			return deleted, err
		}
		progress := false
		for _, user := range list {
			err := s.audited(ctx, &event{name: EventUserExpired, user: user.ID, omitsClient: true}, func(tx *models.Store) error {
				return tx.DeleteUnusedUser(ctx, user, before, now)
			})
			switch {
			case err == nil:
				progress, deleted = true, deleted+1
			case !errors.Is(err, models.ErrNotFound): // used or swept meanwhile
				return deleted, err
			}
		}
		if !progress {
			return deleted, nil
		}
	}
}

package account

import (
	"context"
	"errors"

	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// kindRegistration is the kind of mails about a registration that opened no session. Which text they have is decided
// when they are sent.
const kindRegistration mail.Kind = "registration"

// registerUnverified makes an account, or a registration that waits to take the place of one, or has the account's owner
// told; its error is ErrEmailNotVerified if it did either. Each is one transaction of the same number of statements, so
// that its time does not tell which.
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

// isReplaceable reports whether a new registration may take an account's place: it was never verified, has the role that
// every registration has, and never opened a session.
func isReplaceable(user *models.User) bool {
	return user.UnusedSince != nil && !user.EmailVerified() && user.Role == policy.User && user.DisabledAt == nil
}

// registrationLetter is what the mail about a registration turned out to be.
func (m *Mailer) registrationLetter(row *models.Mail, user *models.User) *letter {
	if isReplaceable(user) {
		return &letter{kind: mail.VerifyEmail, to: row.Email, user: user, registration: true}
	}
	return &letter{kind: mail.AlreadyRegistered, to: user.Email, user: user}
}

// sweepUnusedBatch is how many accounts SweepUnused reads at a time.
const sweepUnusedBatch = 100

// SweepUnused deletes accounts that were registered UnverifiedTTL ago without opening a session, were never verified and
// have the role USER, and returns how many those were. It does nothing where a verified address is not required: there a
// registration opens a session. Any number of servers may do it at once.
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
			case !errors.Is(err, models.ErrNotFound): // notFoundAsInvalidToken or swept meanwhile
				return deleted, err
			}
		}
		if !progress {
			return deleted, nil
		}
	}
}

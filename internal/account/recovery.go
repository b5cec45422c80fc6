package account

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"

	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// RequestEmailVerification mails the user a link by which they show that mail reaches them, unless they have
// shown it.
func (s *Service) RequestEmailVerification(ctx context.Context, user *models.User) error {
	if user.EmailVerified() {
		return nil
	}
	return s.config.Store.CreateMails(ctx, s.sent(s.mailTo(ctx, mail.VerifyEmail, user)))
}

// RequestEmailChange mails a new address a link that takes it into use, and tells the old one, with a link that
// stops it. That the new one is another account's is told to that address only. It returns *InputError,
// *Overloaded, ErrInvalidCredentials for a wrong password, and *auth.Unauthenticated if the account is gone, or its
// password was changed meanwhile.
func (s *Service) RequestEmailChange(ctx context.Context, userID, newEmail, password string) error {
	var check inputCheck
	key, wrong := EmailKey(newEmail)
	check.field("newEmail", wrong)
	if len(password) > maxPasswordBytes {
		check.field("password", longPassword)
	}
	if err := check.err(); err != nil {
		return err
	}
	user, err := s.config.Store.UserByID(ctx, userID)
	if err != nil {
		return gone(err)
	}
	if key == user.EmailKey { // said before the hash: the client knows the address
		return invalid("newEmail", "is the account's address already")
	}
	if err := s.verify(ctx, user, password, EventEmailChangeFailed); err != nil {
		return err
	}
	notice := told(s.mailTo(ctx, mail.EmailChangeRequested, user), user, newEmail)
	mails := s.sent(notice, s.newMail(ctx, mail.ConfirmEmail, user, newEmail, key))
	return gone(s.do(ctx, &event{name: EventEmailChangeRequested, user: user.ID}, func(tx *models.Store) error {
		return tx.RequestEmailChange(ctx, user, purposeChange, mails)
	}))
}

// VerifyEmail uses the token of a mail about an address: it shows that mail reaches it, takes a new address into
// use, or takes an old one back. All but the last need proof that the mail's reader belongs to the account; a pending
// registration needs its own password. It returns ErrInvalidToken for a token that is good for
// none of these, *ProofRequiredError, *InputError, *Overloaded, and models.ErrEmailTaken if another account has the address by now.
func (s *Service) VerifyEmail(ctx context.Context, token string, proof Proof) error {
	ticket, user, err := s.ticket(ctx, token, purposeVerify, purposeRegister, purposeChange, purposeUndo)
	if err != nil {
		return err
	}
	e, change, err := s.useOf(ctx, ticket, user, proof)
	if err != nil {
		return used(err)
	}
	return used(s.do(ctx, e, change))
}

// useOf is what a ticket about an address does, for a client that has given the proof that it needs.
func (s *Service) useOf(ctx context.Context, ticket *models.OneTimeToken, user *models.User, proof Proof) (*event, func(tx *models.Store) error, error) {
	now := s.config.Store.Now()
	switch ticket.Purpose {
	case purposeUndo:
		mails := s.sent(s.newMail(ctx, mail.EmailRestored, user, ticket.Email, ticket.EmailKey))
		return &event{name: EventEmailRestored, level: slog.LevelWarn, user: user.ID}, func(tx *models.Store) error {
			return tx.RestoreEmail(ctx, ticket, mails, now)
		}, nil
	case purposeRegister:
		pending, err := s.config.Store.PendingRegistration(ctx, ticket.ID)
		if err != nil {
			return nil, nil, err
		}
		if user.UnusedSince == nil || user.Role != policy.User {
			return nil, nil, ErrInvalidToken
		}
		return &event{name: EventEmailVerified, user: user.ID}, func(tx *models.Store) error {
			return tx.ConfirmRegistration(ctx, ticket, pending, policy.User, now)
		}, s.proveLink(ctx, user, pending.PasswordHash, false, proof)
	}
	err := s.proveLink(ctx, user, user.PasswordHash, true, proof)
	if ticket.Purpose == purposeChange {
		notice := told(s.mailTo(ctx, mail.EmailChanged, user), user, ticket.Email)
		undo, mails := s.reservation(user, notice), s.sent(notice)
		return &event{name: EventEmailChanged, user: user.ID}, func(tx *models.Store) error {
			return tx.ChangeEmail(ctx, ticket, user.SessionEpoch, undo, mails, now)
		}, err
	}
	return &event{name: EventEmailVerified, user: user.ID}, func(tx *models.Store) error {
		return tx.VerifyEmail(ctx, ticket, user.SessionEpoch, now)
	}, err
}

// reservation is the ticket by which the user may take the address back that they have now, until the mail that
// brings one with a token is sent: from the moment of the change nobody else can register with the address.
func (s *Service) reservation(user *models.User, told *models.Mail) *models.OneTimeToken {
	nobodyKnows := make([]byte, 32)
	rand.Read(nobodyKnows) // never fails: it ends the program instead
	return &models.OneTimeToken{
		ID: told.ID, Hash: nobodyKnows, UserID: user.ID, Purpose: purposeUndo,
		Email: user.Email, EmailKey: user.EmailKey, ExpiresAt: s.config.Store.Now().Add(undoLife),
	}
}

// RequestPasswordReset mails whoever has an account with the address a link by which they choose a new password. Who
// that is, is found out when the mail is sent, so that the call does the same for any address.
func (s *Service) RequestPasswordReset(ctx context.Context, email string) error {
	key, wrong := EmailKey(email)
	if wrong != "" {
		return nil // which nobody can have
	}
	return s.config.Store.CreateMails(ctx, s.sent(s.newMail(ctx, mail.ResetPassword, nil, email, key)))
}

// RequestPasswordResetOf is RequestPasswordReset for whoever runs the server, whom it tells where the mail goes: it
// returns models.ErrNotFound if nobody has the address, and *InputError if the account is shut.
func (s *Service) RequestPasswordResetOf(ctx context.Context, email string) (*models.Mail, error) {
	user, err := s.userByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	if user.DisabledAt != nil {
		return nil, invalid("email", "is a disabled account's; enable it first")
	}
	link := s.mailTo(ctx, mail.ResetPassword, user)
	return link, s.do(ctx, &event{name: EventPasswordResetSent, user: user.ID}, func(tx *models.Store) error {
		return tx.CreateMails(ctx, s.sent(link))
	})
}

// ResetPassword uses a token to give its user a new password, and ends all their sessions: who has the mailbox has
// the account, whoever has used it until now. It returns *InputError, *Overloaded, and
// ErrInvalidToken.
func (s *Service) ResetPassword(ctx context.Context, token, password string) error {
	ticket, user, err := s.ticket(ctx, token, purposeReset)
	if err != nil {
		return err
	}
	if wrong := s.checkPassword(ctx, password, user.Name, user.Email); wrong != "" {
		return invalid("newPassword", wrong)
	}
	hash, err := s.config.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	told, now := s.sent(s.mailTo(ctx, mail.PasswordChanged, user)), s.config.Store.Now()
	return used(s.do(ctx, &event{name: EventPasswordReset, user: user.ID}, func(tx *models.Store) error {
		return tx.ResetPassword(ctx, ticket, hash, told, now)
	}))
}

// ticket finds a ticket that is good for one of the purposes, and its user.
func (s *Service) ticket(ctx context.Context, token string, purposes ...string) (*models.OneTimeToken, *models.User, error) {
	ticket, err := s.config.Store.TokenByHash(ctx, ticketHash(token))
	if errors.Is(err, models.ErrNotFound) {
		return nil, nil, s.noteUnknownToken(ctx, ErrInvalidToken)
	}
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(purposes, ticket.Purpose) || !s.config.Store.Now().Before(ticket.ExpiresAt) {
		return nil, nil, ErrInvalidToken
	}
	user, err := s.config.Store.UserByID(ctx, ticket.UserID)
	if err == nil && user.DisabledAt != nil {
		err = ErrInvalidToken
	}
	return ticket, user, used(err)
}

// used: somebody was quicker, or what the token was about is not there any more.
func used(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return ErrInvalidToken
	}
	return err
}

// DeleteAccount deletes the account of a user who knows its password, with all that is about them. It returns
// *InputError, *Overloaded, ErrInvalidCredentials for a wrong password, models.ErrLastAdmin, and
// *auth.Unauthenticated if the account is gone.
func (s *Service) DeleteAccount(ctx context.Context, userID, password string) error {
	if len(password) > maxPasswordBytes {
		return invalid("password", longPassword)
	}
	user, err := s.prove(ctx, userID, password, EventDeletionFailed)
	if err != nil {
		return err
	}
	now := s.config.Store.Now()
	err = s.do(ctx, &event{name: EventUserDeleted, user: user.ID, nowhere: true}, func(tx *models.Store) error {
		return tx.WithAdminInvariant(ctx, s.administrators(), func(tx *models.Store) error {
			return s.eraseOwn(ctx, tx, user, now)
		})
	})
	return gone(err)
}

// prove returns the user as they are now, if the password is theirs, and else ErrInvalidCredentials and an event.
// They are read anew: a session may be one that was trusted without asking, with the user as they were.
func (s *Service) prove(ctx context.Context, userID, password, failed string) (*models.User, error) {
	user, err := s.config.Store.UserByID(ctx, userID)
	if err != nil {
		return nil, gone(err)
	}
	return user, s.verify(ctx, user, password, failed)
}

// verify returns ErrInvalidCredentials, and writes down the event, unless the password is the user's.
func (s *Service) verify(ctx context.Context, user *models.User, password, failed string) error {
	ok, _, err := s.config.Passwords.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return err
	}
	if !ok {
		return s.note(ctx, &event{name: failed, user: user.ID, reason: reasonPassword}, ErrInvalidCredentials)
	}
	return nil
}

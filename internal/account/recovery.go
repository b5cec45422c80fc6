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
	return s.config.Store.CreateMails(ctx, s.outgoing(s.mailToUser(ctx, mail.VerifyEmail, user)))
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
		return notFoundAsRevoked(err)
	}
	if key == user.EmailKey { // said before the hash: the client knows the address
		return invalid("newEmail", "is the account's address already")
	}
	if err := s.verifyPassword(ctx, user, password, EventEmailChangeFailed); err != nil {
		return err
	}
	notice := withNewEmail(s.mailToUser(ctx, mail.EmailChangeRequested, user), user, newEmail)
	mails := s.outgoing(notice, s.newMail(ctx, mail.ConfirmEmail, user, newEmail, key))
	return notFoundAsRevoked(s.audited(ctx, &event{name: EventEmailChangeRequested, user: user.ID}, func(tx *models.Store) error {
		return tx.RequestEmailChange(ctx, user, purposeChange, mails)
	}))
}

// VerifyEmail uses the token of a mail about an address: it shows that mail reaches it, takes a new address into
// use, or takes an old one back. All but the last need proof that the mail's reader belongs to the account; a pending
// registration needs its own password. It returns ErrInvalidToken for a token that is good for
// none of these, *ProofRequiredError, *InputError, *Overloaded, and models.ErrEmailTaken if another account has the address by now.
func (s *Service) VerifyEmail(ctx context.Context, token string, proof Proof) error {
	ticket, user, err := s.lookUpOneTimeToken(ctx, token, purposeVerify, purposeRegister, purposeChange, purposeUndo)
	if err != nil {
		return err
	}
	e, change, err := s.redemption(ctx, ticket, user, proof)
	if err != nil {
		return notFoundAsInvalidToken(err)
	}
	return notFoundAsInvalidToken(s.audited(ctx, e, change))
}

// redemption is what a ticket about an address does, for a client that has given the proof that it needs.
func (s *Service) redemption(ctx context.Context, ticket *models.OneTimeToken, user *models.User, proof Proof) (*event, func(tx *models.Store) error, error) {
	now := s.config.Store.Now()
	switch ticket.Purpose {
	case purposeUndo:
		mails := s.outgoing(s.newMail(ctx, mail.EmailRestored, user, ticket.Email, ticket.EmailKey))
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
		}, s.verifyProof(ctx, user, pending.PasswordHash, false, proof)
	}
	err := s.verifyProof(ctx, user, user.PasswordHash, true, proof)
	if ticket.Purpose == purposeChange {
		notice := withNewEmail(s.mailToUser(ctx, mail.EmailChanged, user), user, ticket.Email)
		undo, mails := s.addressReservation(user, notice), s.outgoing(notice)
		return &event{name: EventEmailChanged, user: user.ID}, func(tx *models.Store) error {
			return tx.ChangeEmail(ctx, ticket, user.SessionEpoch, undo, mails, now)
		}, err
	}
	return &event{name: EventEmailVerified, user: user.ID}, func(tx *models.Store) error {
		return tx.VerifyEmail(ctx, ticket, user.SessionEpoch, now)
	}, err
}

// addressReservation is the ticket by which the user may take the address back that they have now, until the mail that
// brings one with a token is sent: from the moment of the change nobody else can register with the address.
func (s *Service) addressReservation(user *models.User, told *models.Mail) *models.OneTimeToken {
	nobodyKnows := make([]byte, 32)
	rand.Read(nobodyKnows) // never fails: it ends the program instead
	return &models.OneTimeToken{
		ID: told.ID, Hash: nobodyKnows, UserID: user.ID, Purpose: purposeUndo,
		Email: user.Email, EmailKey: user.EmailKey, ExpiresAt: s.config.Store.Now().Add(undoTTL),
	}
}

// RequestPasswordReset mails whoever has an account with the address a link by which they choose a new password. Who
// that is, is found out when the mail is sent, so that the call does the same for any address.
func (s *Service) RequestPasswordReset(ctx context.Context, email string) error {
	key, wrong := EmailKey(email)
	if wrong != "" {
		return nil // which nobody can have
	}
	return s.config.Store.CreateMails(ctx, s.outgoing(s.newMail(ctx, mail.ResetPassword, nil, email, key)))
}

// SendPasswordReset is RequestPasswordReset for whoever runs the server, whom it tells where the mail goes: it
// returns models.ErrNotFound if nobody has the address, and *InputError if the account is shut.
func (s *Service) SendPasswordReset(ctx context.Context, email string) (*models.Mail, error) {
	user, err := s.userByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	if user.DisabledAt != nil {
		return nil, invalid("email", "is a disabled account's; enable it first")
	}
	link := s.mailToUser(ctx, mail.ResetPassword, user)
	return link, s.audited(ctx, &event{name: EventPasswordResetSent, user: user.ID}, func(tx *models.Store) error {
		return tx.CreateMails(ctx, s.outgoing(link))
	})
}

// ResetPassword uses a token to give its user a new password, and ends all their sessions: who has the mailbox has
// the account, whoever has used it until now. It returns *InputError, *Overloaded, and
// ErrInvalidToken.
func (s *Service) ResetPassword(ctx context.Context, token, password string) error {
	ticket, user, err := s.lookUpOneTimeToken(ctx, token, purposeReset)
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
	told, now := s.outgoing(s.mailToUser(ctx, mail.PasswordChanged, user)), s.config.Store.Now()
	return notFoundAsInvalidToken(s.audited(ctx, &event{name: EventPasswordReset, user: user.ID}, func(tx *models.Store) error {
		return tx.ResetPassword(ctx, ticket, hash, told, now)
	}))
}

// lookUpOneTimeToken finds a ticket that is good for one of the purposes, and its user.
func (s *Service) lookUpOneTimeToken(ctx context.Context, token string, purposes ...string) (*models.OneTimeToken, *models.User, error) {
	ticket, err := s.config.Store.TokenByHash(ctx, oneTimeTokenHash(token))
	if errors.Is(err, models.ErrNotFound) {
		return nil, nil, s.recordUnknownToken(ctx, ErrInvalidToken)
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
	return ticket, user, notFoundAsInvalidToken(err)
}

// notFoundAsInvalidToken: somebody was quicker, or what the token was about is not there any more.
func notFoundAsInvalidToken(err error) error {
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
	user, err := s.authenticate(ctx, userID, password, EventDeletionFailed)
	if err != nil {
		return err
	}
	now := s.config.Store.Now()
	err = s.audited(ctx, &event{name: EventUserDeleted, user: user.ID, omitsClient: true}, func(tx *models.Store) error {
		return tx.WithAdminInvariant(ctx, s.administrators(), func(tx *models.Store) error {
			return s.deleteOwnAccount(ctx, tx, user, now)
		})
	})
	return notFoundAsRevoked(err)
}

// authenticate returns the user as they are now, if the password is theirs, and else ErrInvalidCredentials and an event.
// They are read anew: a session may be one that was trusted without asking, with the user as they were.
func (s *Service) authenticate(ctx context.Context, userID, password, failed string) (*models.User, error) {
	user, err := s.config.Store.UserByID(ctx, userID)
	if err != nil {
		return nil, notFoundAsRevoked(err)
	}
	return user, s.verifyPassword(ctx, user, password, failed)
}

// verifyPassword returns ErrInvalidCredentials, and writes down the event, unless the password is the user's.
func (s *Service) verifyPassword(ctx context.Context, user *models.User, password, failed string) error {
	ok, _, err := s.config.Passwords.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return err
	}
	if !ok {
		return s.recordFailure(ctx, &event{name: failed, user: user.ID, reason: reasonPassword}, ErrInvalidCredentials)
	}
	return nil
}

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

// RequestEmailVerification mails the user a link that verifies their address, unless it is
// verified.
func (s *Service) RequestEmailVerification(ctx context.Context, user *models.User) error {
	if user.EmailVerified() {
		return nil
	}
	return s.config.Store.CreateMails(ctx, s.outgoing(s.mailToUser(ctx, mail.VerifyEmail, user)))
}

// RequestEmailChange mails the new address a link that confirms the change, and the old address a
// link that stops it. Without a password, the caller must have checked that the session was proved
// shortly before. If the new address belongs to another account, only that address is told. It
// returns *InputError, *OverloadedError, ErrInvalidCredentials for a wrong password, and
// *auth.UnauthenticatedError if the account was deleted or its password changed meanwhile.
func (s *Service) RequestEmailChange(ctx context.Context, userID, newEmail string, password *string) error {
	var check inputCheck
	key, message := EmailKey(newEmail)
	check.field("newEmail", message)
	if password != nil && len(*password) > maxPasswordBytes {
		check.field("password", longPassword)
	}
	if err := check.err(); err != nil {
		return err
	}
	user, err := s.config.Store.UserByID(ctx, userID)
	if err != nil {
		return notFoundAsRevoked(err)
	}
	if key == user.EmailKey { // before the hash: the client knows the address
		return invalid("newEmail", "is already the address of this account")
	}
	if password != nil {
		if err := s.verifyPassword(ctx, user, *password, EventEmailChangeFailed); err != nil {
			return err
		}
	}
	notice := withNewEmail(s.mailToUser(ctx, mail.EmailChangeRequested, user), user, newEmail)
	mails := s.outgoing(notice, s.newMail(ctx, mail.ConfirmEmail, user, newEmail, key))
	return notFoundAsRevoked(s.audited(ctx, &event{name: EventEmailChangeRequested, user: user.ID}, func(tx *models.Store) error {
		return tx.RequestEmailChange(ctx, user, purposeChange, mails)
	}))
}

// VerifyEmail uses the token of a mail about an address: it verifies the address, changes it, or
// restores the previous one. Except for the last, it requires proof that the reader of the mail
// belongs to the account. A pending registration requires its own password. It returns
// ErrInvalidToken for a token without one of these purposes, *ProofRequiredError, *InputError,
// *OverloadedError, and models.ErrEmailTaken if another account has the address by now.
func (s *Service) VerifyEmail(ctx context.Context, token string, proof Proof) error {
	oneTime, user, err := s.lookUpOneTimeToken(ctx, token, purposeVerify, purposeRegister, purposeChange, purposeUndo)
	if err != nil {
		return err
	}
	e, change, err := s.redemption(ctx, oneTime, user, proof)
	if err != nil {
		return notFoundAsInvalidToken(err)
	}
	return notFoundAsInvalidToken(s.audited(ctx, e, change))
}

// redemption returns the event and the change of a one-time token about an address, or an error if
// the proof does not suffice.
func (s *Service) redemption(
	ctx context.Context, oneTime *models.OneTimeToken, user *models.User, proof Proof,
) (*event, func(tx *models.Store) error, error) {
	now := s.config.Store.Now()
	switch oneTime.Purpose {
	case purposeUndo:
		mails := s.outgoing(s.newMail(ctx, mail.EmailRestored, user, oneTime.Email, oneTime.EmailKey))
		return &event{name: EventEmailRestored, level: slog.LevelWarn, user: user.ID}, func(tx *models.Store) error {
			return tx.RestoreEmail(ctx, oneTime, mails, now)
		}, nil
	case purposeRegister:
		pending, err := s.config.Store.PendingRegistration(ctx, oneTime.ID)
		if err != nil {
			return nil, nil, err
		}
		if user.UnusedSince == nil || user.Role != policy.User {
			return nil, nil, ErrInvalidToken
		}
		return &event{name: EventEmailVerified, user: user.ID}, func(tx *models.Store) error {
			return tx.ConfirmRegistration(ctx, oneTime, pending, policy.User, now)
		}, s.verifyProof(ctx, user, pending.PasswordHash, false, proof)
	}
	err := s.verifyProof(ctx, user, user.PasswordHash, true, proof)
	if oneTime.Purpose == purposeChange {
		notice := withNewEmail(s.mailToUser(ctx, mail.EmailChanged, user), user, oneTime.Email)
		undo, mails := s.addressReservation(user, notice), s.outgoing(notice)
		return &event{name: EventEmailChanged, user: user.ID}, func(tx *models.Store) error {
			return tx.ChangeEmail(ctx, oneTime, user.SessionEpoch, undo, mails, now)
		}, err
	}
	return &event{name: EventEmailVerified, user: user.ID}, func(tx *models.Store) error {
		return tx.VerifyEmail(ctx, oneTime, user.SessionEpoch, now)
	}, err
}

// addressReservation returns a token by which the user may take back their current address. It
// reserves the address from the moment of the change, so that another account cannot register with
// it. The undo mail replaces it by a token that is known.
func (s *Service) addressReservation(user *models.User, notice *models.Mail) *models.OneTimeToken {
	placeholder := make([]byte, 32)
	rand.Read(placeholder) // never fails: it ends the program instead
	return &models.OneTimeToken{
		ID: notice.ID, Hash: placeholder, UserID: user.ID, Purpose: purposeUndo,
		Email: user.Email, EmailKey: user.EmailKey, ExpiresAt: s.config.Store.Now().Add(undoTTL),
	}
}

// RequestPasswordReset mails the account with the address, if any, a link to choose a new password.
// The account is looked up when the mail is sent, so that the call does the same work for every
// address.
func (s *Service) RequestPasswordReset(ctx context.Context, email string) error {
	key, message := EmailKey(email)
	if message != "" {
		return nil // no account can have it
	}
	return s.config.Store.CreateMails(ctx, s.outgoing(s.newMail(ctx, mail.ResetPassword, nil, email, key)))
}

// SendPasswordReset is RequestPasswordReset for the operator, and returns the stored mail. It
// returns models.ErrNotFound if no account has the address, and *InputError if the account is
// disabled.
func (s *Service) SendPasswordReset(ctx context.Context, email string) (*models.Mail, error) {
	user, err := s.userByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	if user.DisabledAt != nil {
		return nil, invalid("email", "belongs to a disabled account; enable it first: fieldgate user enable EMAIL")
	}
	link := s.mailToUser(ctx, mail.ResetPassword, user)
	return link, s.audited(ctx, &event{name: EventPasswordResetSent, user: user.ID}, func(tx *models.Store) error {
		return tx.CreateMails(ctx, s.outgoing(link))
	})
}

// ResetPassword uses a token to set a new password, and revokes all sessions: control of the
// mailbox decides who owns the account. It returns *InputError, *OverloadedError and
// ErrInvalidToken.
func (s *Service) ResetPassword(ctx context.Context, token, password string) error {
	oneTime, user, err := s.lookUpOneTimeToken(ctx, token, purposeReset)
	if err != nil {
		return err
	}
	if message := s.checkPassword(ctx, password, user.Name, user.Email); message != "" {
		return invalid("newPassword", message)
	}
	hash, err := s.config.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	notice, now := s.outgoing(s.mailToUser(ctx, mail.PasswordChanged, user)), s.config.Store.Now()
	return notFoundAsInvalidToken(s.audited(ctx, &event{name: EventPasswordReset, user: user.ID}, func(tx *models.Store) error {
		return tx.ResetPassword(ctx, oneTime, hash, notice, now)
	}))
}

// lookUpOneTimeToken returns the token, if it serves one of the purposes, and its user.
func (s *Service) lookUpOneTimeToken(
	ctx context.Context, token string, purposes ...string,
) (*models.OneTimeToken, *models.User, error) {
	oneTime, err := s.config.Store.TokenByHash(ctx, oneTimeTokenHash(token))
	if errors.Is(err, models.ErrNotFound) {
		return nil, nil, s.recordUnknownToken(ctx, ErrInvalidToken)
	}
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(purposes, oneTime.Purpose) || !s.config.Store.Now().Before(oneTime.ExpiresAt) {
		return nil, nil, ErrInvalidToken
	}
	user, err := s.config.Store.UserByID(ctx, oneTime.UserID)
	if err == nil && user.DisabledAt != nil {
		err = ErrInvalidToken
	}
	return oneTime, user, notFoundAsInvalidToken(err)
}

// notFoundAsInvalidToken maps ErrNotFound, the error of a token used or deleted meanwhile, to
// ErrInvalidToken.
func notFoundAsInvalidToken(err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return ErrInvalidToken
	}
	return err
}

// DeleteAccount deletes the account of a user who knows its password, with all its data. Without a
// password, the caller must have checked that the session was proved shortly before. It returns
// *InputError, *OverloadedError, ErrInvalidCredentials for a wrong password, models.ErrLastAdmin,
// and *auth.UnauthenticatedError if the account is gone.
func (s *Service) DeleteAccount(ctx context.Context, userID string, password *string) error {
	if password != nil && len(*password) > maxPasswordBytes {
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

// authenticate returns the user from the database if the password is theirs, and otherwise
// ErrInvalidCredentials and an event. The user is read again, because the one of a cached session
// may be stale. A nil password is not checked: the caller has checked another proof.
func (s *Service) authenticate(ctx context.Context, userID string, password *string, failed string) (*models.User, error) {
	user, err := s.config.Store.UserByID(ctx, userID)
	if err != nil {
		return nil, notFoundAsRevoked(err)
	}
	if password == nil {
		return user, nil
	}
	return user, s.verifyPassword(ctx, user, *password, failed)
}

// verifyPassword returns ErrInvalidCredentials and records the event unless the password is the
// user's.
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

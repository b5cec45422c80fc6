package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// ErrOwnAccount is the error of an ADMIN who would delete their own account as that of another.
var ErrOwnAccount = errors.New("this is your own account: delete it with deleteAccount")

// Delete deletes an account with everything that belongs to it, tells its address by mail, and returns the account as
// it was. A change of its address can no longer be undone; every address that could undo one is told by mail too. Whoever
// runs the server needs no password; an ADMIN gives their own. It also returns *InputError, *Overloaded,
// ErrInvalidCredentials for a wrong password, and ErrOwnAccount.
func (a Administrator) Delete(ctx context.Context, userID string, password *string) (user *models.User, err error) {
	if uuid.Validate(userID) != nil {
		return nil, models.ErrNotFound
	}
	if err := a.authorizeDeletion(ctx, userID, password); err != nil {
		return nil, err
	}
	now := a.service.config.Store.Now()
	err = a.service.audited(ctx, &event{name: EventUserErased, user: userID}, func(tx *models.Store) error {
		return tx.WithAdminInvariant(ctx, a.service.administrators(), func(tx *models.Store) error {
			if err := a.authorize(ctx, tx, userID, ""); err != nil {
				return err
			}
			if user, err = tx.UserByID(ctx, userID); err != nil {
				return err
			}
			return a.service.deleteUser(ctx, tx, user, now, a.service.securityNotices(a.service.deletionMail(ctx, user.Email, user.EmailKey)))
		})
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}

// authorizeDeletion has an ADMIN give their password, for an account that is not their own.
func (a Administrator) authorizeDeletion(ctx context.Context, userID string, password *string) error {
	switch {
	case a.operator:
		return nil
	case a.admin == nil:
		return &auth.UnauthenticatedError{Reason: auth.Missing}
	case userID == a.admin.ID:
		return ErrOwnAccount
	}
	if password == nil {
		return invalid("password", "must be your own password")
	}
	if len(*password) > maxPasswordBytes {
		return invalid("password", longPassword)
	}
	_, err := a.service.authenticate(ctx, a.admin.ID, *password, EventUserErasureFailed)
	return err
}

// UndoPendingError is the error of deleting an account whose change of address can still be undone: the author of the change may
// be a thief, and the deletion would take the account from its owner for good.
type UndoPendingError struct{ Until time.Time }

func (e *UndoPendingError) Error() string {
	return "a change of the account's e-mail address can be undone until " + e.Until.Format(time.RFC3339) + "; delete the account after that"
}

// deleteOwnAccount is erase for the account's own user. It returns *UndoPendingError while an undo of a change of address lives.
func (s *Service) deleteOwnAccount(ctx context.Context, tx *models.Store, user *models.User, now time.Time) error {
	undos, err := tx.UndoTokens(ctx, user.ID, now)
	if err != nil {
		return err
	}
	if len(undos) > 0 {
		return &UndoPendingError{Until: undos[0].ExpiresAt}
	}
	var notice []*models.Mail
	if user.EmailVerified() {
		notice = s.securityNotices(s.deletionMail(ctx, user.Email, user.EmailKey))
	}
	return s.deleteUser(ctx, tx, user, now, notice)
}

// deleteUser deletes an account in a transaction, and writes the notice and a mail to every other address that could undo a
// change of address. It returns models.ErrNotFound if the password or the address was changed since the user was read.
func (s *Service) deleteUser(ctx context.Context, tx *models.Store, user *models.User, now time.Time, notice []*models.Mail) error {
	undos, err := tx.UndoTokens(ctx, user.ID, now)
	if err != nil {
		return err
	}
	if err := tx.DeleteUser(ctx, user, now); err != nil {
		return err
	}
	for _, undo := range undos {
		if !slices.ContainsFunc(notice, func(m *models.Mail) bool { return m.EmailKey == undo.EmailKey }) {
			notice = append(notice, s.outgoing(s.deletionMail(ctx, undo.Email, undo.EmailKey))...)
		}
	}
	return tx.CreateMails(ctx, notice)
}

func (s *Service) deletionMail(ctx context.Context, email, key string) *models.Mail {
	return s.newMail(ctx, mail.AccountDeleted, nil, email, key)
}

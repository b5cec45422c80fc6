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

// ErrOwnAccount is the error of an ADMIN who tries to delete their own account with
// Administrator.Delete.
var ErrOwnAccount = errors.New("this is your own account: use deleteAccount to delete it")

// Delete deletes an account with all its data, notifies its address by mail and returns the account
// as it was. A pending undo of an address change is lost; every address that could undo one is
// notified too. The operator needs no password; an ADMIN gives their own. Delete also returns
// *InputError, *OverloadedError, ErrInvalidCredentials for a wrong password, and ErrOwnAccount.
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
			notice := a.service.securityNotices(a.service.deletionMail(ctx, user.Email, user.EmailKey))
			return a.service.deleteUser(ctx, tx, user, now, notice)
		})
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}

// authorizeDeletion verifies the password of an ADMIN who deletes another account, if there is one.
// Without it, the caller must have checked that the session was proved shortly before.
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
		return nil
	}
	if len(*password) > maxPasswordBytes {
		return invalid("password", longPassword)
	}
	_, err := a.service.authenticate(ctx, a.admin.ID, password, EventUserErasureFailed)
	return err
}

// UndoPendingError is the error of deleting an account while a change of its address can still be
// undone. The author of the change may be a thief, and the deletion would take the account from its
// owner for good.
type UndoPendingError struct{ Until time.Time }

func (e *UndoPendingError) Error() string {
	return "the account cannot be deleted before " + e.Until.Format(time.RFC3339) +
		": until then a change of its e-mail address can be undone"
}

// deleteOwnAccount is deleteUser for the account's own user. It returns *UndoPendingError while an
// address change can be undone.
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

// deleteUser deletes an account in a transaction. It stores the notice, and one for every other
// address that could undo an address change. It returns models.ErrNotFound if the password or the
// address changed since the user was read.
func (s *Service) deleteUser(
	ctx context.Context, tx *models.Store, user *models.User, now time.Time, notice []*models.Mail,
) error {
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

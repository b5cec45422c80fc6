package account

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"fieldgate/internal/mail"
	"fieldgate/models"
)

// ErrOwnAccount is the error of an ADMIN who would delete their own account as that of another.
var ErrOwnAccount = errors.New("this is your own account: delete it with deleteAccount")

// Delete deletes an account with everything that belongs to it, tells its address by mail, and returns the account as
// it was. Whoever runs the server needs no password; an ADMIN gives their own. It also returns *InputError, *Overloaded,
// ErrInvalidCredentials for a wrong password, and ErrOwnAccount.
func (a Administrator) Delete(ctx context.Context, userID string, password *string) (user *models.User, err error) {
	if uuid.Validate(userID) != nil {
		return nil, models.ErrNotFound
	}
	if err := a.proveDeletion(ctx, userID, password); err != nil {
		return nil, err
	}
	now := a.Store.Now()
	notice := a.notices(a.newMail(ctx, mail.AccountDeleted, nil, "", ""))
	err = a.do(ctx, &event{name: EventUserErased, user: userID}, func(tx *models.Store) error {
		return tx.Keeping(ctx, a.administrators(), func(tx *models.Store) error {
			if err := a.may(ctx, tx, userID, ""); err != nil {
				return err
			}
			if user, err = tx.UserByID(ctx, userID); err != nil {
				return err
			}
			if err := a.erase(ctx, tx, user, now); err != nil {
				return err
			}
			for _, m := range notice {
				m.Email, m.EmailKey = user.Email, user.EmailKey
			}
			return tx.CreateMails(ctx, notice)
		})
	})
	a.Sessions.Forget(userID)
	if err != nil {
		return nil, err
	}
	return user, nil
}

// proveDeletion has an ADMIN give their password, for an account that is not their own.
func (a Administrator) proveDeletion(ctx context.Context, userID string, password *string) error {
	if a.by == nil {
		return nil
	}
	if userID == a.by.ID {
		return ErrOwnAccount
	}
	if password == nil {
		return invalid("password", "must be your own password")
	}
	if len(*password) > maxPasswordBytes {
		return invalid("password", longPassword)
	}
	_, err := a.prove(ctx, a.by.ID, *password, EventUserErasureFailed)
	return err
}

// erase deletes an account in a transaction. It returns models.ErrNotFound if the password was changed since the user
// was read.
func (s *Service) erase(ctx context.Context, tx *models.Store, user *models.User, now time.Time) error {
	return tx.DeleteUser(ctx, user, now)
}

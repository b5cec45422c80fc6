package account

import (
	"context"
	"strconv"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// securityNotices returns mails, or nil where SECURITY_NOTICES is off.
func (s *Service) securityNotices(mails ...*models.Mail) []*models.Mail {
	if s.config.SecurityNoticesOff {
		return nil
	}
	return s.outgoing(mails...)
}

// notifyNewSignIn stores a mail to the owner of an account about a sign-in from a new place.
func (s *Service) notifyNewSignIn(ctx context.Context, tx *models.Store, user *models.User, client auth.Client) error {
	notice := s.securityNotices(s.mailToUser(ctx, mail.NewSignIn, user))
	if len(notice) == 0 {
		return nil
	}
	if isNew, err := s.isNewPlace(ctx, tx, user, client); !isNew || err != nil {
		return err
	}
	return tx.CreateMails(ctx, notice)
}

// signInEvents are the events that open a session.
var signInEvents = []string{EventSignIn, EventRegistered}

// isNewPlace reports whether an account was used before, and never from the client's place. After a
// password reset an account trusts no place; the addresses of earlier sign-ins count then.
func (s *Service) isNewPlace(
	ctx context.Context, tx *models.Store, user *models.User, client auth.Client,
) (bool, error) {
	place, err := TrustedPlace(ctx, tx, user.EmailKey, client)
	if place != nil || err != nil {
		return false, err
	}
	trusts, err := tx.HasTrustedPlace(ctx, user.ID, tx.Now())
	if trusts || err != nil {
		return trusts, err
	}
	before, err := tx.HasSignedIn(ctx, user.ID, "", signInEvents)
	if !before || err != nil {
		return false, err
	}
	here, err := tx.HasSignedIn(ctx, user.ID, client.IP, signInEvents)
	return !here, err
}

// notifyRoleChange stores a mail to the owner of an account whose role is about to change.
func (s *Service) notifyRoleChange(ctx context.Context, tx *models.Store, userID, role string) error {
	user, err := tx.UserByID(ctx, userID)
	if err != nil || user.Role == role {
		return err
	}
	m := s.mailToUser(ctx, mail.RoleChanged, user)
	m.Detail = &role
	return tx.CreateMails(ctx, s.securityNotices(m))
}

// When owners are notified of failed attempts.
const (
	failureWindow          = time.Hour
	failureNoticeThreshold = 10 // failures within failureWindow
	failureBatch           = 1000
)

var (
	failureScanRate   = limit.Rate{Count: 1, Window: time.Minute}    // for all servers together
	failureNoticeRate = limit.Rate{Count: 1, Window: 24 * time.Hour} // per account
)

// passwordFailureEvents are the events of an attempt with a wrong password.
var passwordFailureEvents = []string{
	EventSignInFailed, EventPasswordChangeFailed, EventEmailChangeFailed, EventDeletionFailed, EventUserErasureFailed,
	EventEmailVerificationFailed, EventSecondFactorFailed, EventConfirmationFailed,
}

// NotifyFailures stores a mail to the owners of accounts with many failed attempts in the last
// hour. It reads the audit log once per minute for all servers of a database, not during the
// sign-in: a failed sign-in must do the same work whether or not the account exists.
func (m *Mailer) NotifyFailures(ctx context.Context) error {
	if m.config.SecurityNoticesOff || m.isLimited(ctx, failureScanRate, "look for failures") {
		return nil
	}
	now := m.config.Store.Now()
	list, err := m.config.Store.FailuresByUser(ctx, passwordFailureEvents, now.Add(-failureWindow),
		failureNoticeThreshold, failureBatch)
	if err != nil {
		return err
	}
	for _, f := range list {
		user, err := m.config.Store.UserByID(ctx, f.UserID)
		if err != nil || m.isLimited(ctx, failureNoticeRate, "told of failures", f.UserID) {
			continue // deleted or notified meanwhile, or the next scan finds it
		}
		count := strconv.FormatInt(f.Count, 10)
		row := &models.Mail{
			ID: newID(), Kind: string(mail.FailedSignIns), UserID: &user.ID, Email: user.Email, EmailKey: user.EmailKey,
			CreatedAt: now, DueAt: now, Priority: models.MailNotice, IP: f.IP, Detail: &count,
		}
		if err := m.config.Store.CreateMails(ctx, []*models.Mail{row}); err != nil {
			return err
		}
	}
	return nil
}

// isLimited reports whether the rate is used up, or the database does not answer.
func (m *Mailer) isLimited(ctx context.Context, rate limit.Rate, what ...string) bool {
	_, err := m.config.Store.Acquire(ctx, []models.Reservation{{Name: what[0], ID: limit.Key(what...), Rate: rate}})
	return err != nil
}

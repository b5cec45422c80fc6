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

// securityNotices returns the mails that SECURITY_NOTICES turns off.
func (s *Service) securityNotices(mails ...*models.Mail) []*models.Mail {
	if s.config.SecurityNoticesOff {
		return nil
	}
	return s.outgoing(mails...)
}

// notifyNewSignIn writes a mail to the owner of an account that is about to be signed in to from a place that is new to it.
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

// isNewPlace reports whether an account was used before, and never from the place of a client. An account trusts no place after
// a reset of its password; then the addresses of earlier sign-ins count.
func (s *Service) isNewPlace(ctx context.Context, tx *models.Store, user *models.User, client auth.Client) (bool, error) {
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

// notifyRoleChange writes a mail to the owner of an account whose role is about to change.
func (s *Service) notifyRoleChange(ctx context.Context, tx *models.Store, userID, role string) error {
	user, err := tx.UserByID(ctx, userID)
	if err != nil || user.Role == role {
		return err
	}
	m := s.mailToUser(ctx, mail.RoleChanged, user)
	m.Detail = &role
	return tx.CreateMails(ctx, s.securityNotices(m))
}

// When the owner of an account is told of failed attempts.
const (
	failureWindow          = time.Hour
	failureNoticeThreshold = 10 // failures within the window
	failureBatch           = 1000
)

var (
	failureScanRate   = limit.Rate{Count: 1, Window: time.Minute}    // of all servers together
	failureNoticeRate = limit.Rate{Count: 1, Window: 24 * time.Hour} // to one account
)

// passwordFailureEvents are the events that are an attempt with a wrong password.
var passwordFailureEvents = []string{EventSignInFailed, EventPasswordChangeFailed, EventEmailChangeFailed, EventDeletionFailed, EventUserErasureFailed, EventEmailVerificationFailed}

// NotifyFailures writes a mail to the owners of accounts with many failed attempts in the last hour. It reads the audit log,
// once a minute for all servers of a database: a sign-in that fails does the same work whether or not the account exists.
func (m *Mailer) NotifyFailures(ctx context.Context) error {
	if m.config.SecurityNoticesOff || m.isLimited(ctx, failureScanRate, "look for failures") {
		return nil
	}
	now := m.config.Store.Now()
	list, err := m.config.Store.FailuresByUser(ctx, passwordFailureEvents, now.Add(-failureWindow), failureNoticeThreshold, failureBatch)
	if err != nil {
		return err
	}
	for _, f := range list {
		user, err := m.config.Store.UserByID(ctx, f.UserID)
		if err != nil || m.isLimited(ctx, failureNoticeRate, "told of failures", f.UserID) {
			continue // deleted meanwhile, told, or the next look will do
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

// isLimited reports whether something was done as often as it may be, or the database does not answer.
func (m *Mailer) isLimited(ctx context.Context, rate limit.Rate, what ...string) bool {
	_, err := m.config.Store.Acquire(ctx, []models.Reservation{{Name: what[0], ID: limit.Key(what...), Rate: rate}})
	return err != nil
}

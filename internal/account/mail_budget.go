package account

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"fieldgate/internal/limit"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// The budgets of mails, each for one mailbox: an address without its +tag. docs/mail.md tells operators.
var (
	// requesterRate is for the mails of one purpose that one account or network causes.
	requesterRate = limit.Rate{Count: 5, Window: time.Hour}
	// mailRate is for the mails of one purpose that all of them cause together, but for the first mail of each.
	mailRate = limit.Rate{Count: 5, Window: time.Hour}
	// The first mails count in a share of their own, so that an account or network that uses up mailRate does not keep the
	// mail from another one. It is larger for an address that an account wants to move to: only accounts cause those mails.
	firstMailRate          = limit.Rate{Count: 1, Window: time.Hour}
	firstMailsRate         = limit.Rate{Count: 5, Window: time.Hour}
	firstMailsOfChangeRate = limit.Rate{Count: 20, Window: time.Hour}

	// noticeRate is for the notices of one kind to a verified address, noticesRate for those of all kinds. Notices with a
	// link that undoes a change count by kind only.
	noticeRate    = limit.Rate{Count: 10, Window: time.Hour}
	noticesRate   = limit.Rate{Count: 20, Window: time.Hour}
	newSignInRate = limit.Rate{Count: 5, Window: 24 * time.Hour}
	deletedRate   = limit.Rate{Count: 3, Window: 24 * time.Hour}
	// unverifiedRate is for all notices to an address that was never verified.
	unverifiedRate = limit.Rate{Count: 1, Window: 24 * time.Hour}
)

// isOverBudget reports whether the mailbox has got as many mails as its budgets allow. A mail that was counted before is not
// counted again.
func (m *Mailer) isOverBudget(ctx context.Context, row *models.Mail, l *letter) (bool, error) {
	if m.config.LimitsOff || row.Attempts > 1 {
		return false, nil
	}
	shares, err := m.budgets(ctx, row, l)
	if err != nil || len(shares) == 0 {
		return false, err
	}
	for _, slots := range shares {
		_, err := m.config.Store.Acquire(ctx, slots)
		if reached := (*models.LimitReachedError)(nil); !errors.As(err, &reached) {
			return false, err
		}
	}
	m.logMail(ctx, slog.LevelWarn, "mail dropped: too many to one address", row)
	m.count(MailDropped)
	return true, nil
}

// budgets returns the budgets of a mail. It is sent if one of them has room; a mail without any is always sent.
func (m *Mailer) budgets(ctx context.Context, row *models.Mail, l *letter) ([][]models.Reservation, error) {
	switch l.kind {
	case mail.EmailRestored: // follows from a link that works once
		return nil, nil
	case mail.ResetPassword:
		if row.UserID != nil { // an operator asked for it
			return nil, nil
		}
		return m.requestedMailBudgets(ctx, row, l)
	case mail.VerifyEmail, mail.ConfirmEmail, mail.AlreadyRegistered, mail.AddressNotFree, mail.EmailTaken:
		return m.requestedMailBudgets(ctx, row, l)
	}
	return [][]models.Reservation{noticeLimits(row, l)}, nil
}

// requestedMailBudgets are those of mails that others can cause. They are counted by what the link is for: notices and links that
// verify an address cannot use up those that choose a new password.
func (m *Mailer) requestedMailBudgets(ctx context.Context, row *models.Mail, l *letter) ([][]models.Reservation, error) {
	purpose, box := links[l.kind].purpose, mailbox(row.EmailKey)
	if purpose == purposeReset && l.user != nil && l.user.EmailVerified() {
		box = "verified " + row.EmailKey // links for other +tags do not open this account
	}
	slot := func(rate limit.Rate, parts ...string) models.Reservation {
		return models.Reservation{Name: row.Kind, ID: limit.Key(append([]string{"mails to", purpose, box}, parts...)...), Rate: rate}
	}
	var slots []models.Reservation
	if l.kind == mail.EmailTaken && !l.user.EmailVerified() {
		slots = append(slots, unverifiedLimit(row, ""))
	}
	if row.Asker == nil {
		return [][]models.Reservation{append(slots, slot(mailRate))}, nil
	}
	slots = append(slots, slot(requesterRate, "by", *row.Asker))
	if reserved, err := m.isTrustedRecovery(ctx, row, l); reserved || err != nil {
		return [][]models.Reservation{slots}, err
	}
	share := firstMailsRate
	if l.kind == mail.ConfirmEmail {
		share = firstMailsOfChangeRate
	}
	first := append(slots[:len(slots):len(slots)], slot(firstMailRate, "first by", *row.Asker), slot(share, "first"))
	return [][]models.Reservation{first, append(slots, slot(mailRate))}, nil
}

// isTrustedRecovery reports whether a mail gets its owner back into a verified account and was asked for from a place that the account
// trusts. Requests from elsewhere do not use up what is reserved for these.
func (m *Mailer) isTrustedRecovery(ctx context.Context, row *models.Mail, l *letter) (bool, error) {
	if links[l.kind].purpose != purposeReset || row.Place == nil || l.user == nil || !l.user.EmailVerified() {
		return false, nil
	}
	place, err := m.config.Store.FindTrustedPlace(ctx, l.user.EmailKey, [][]byte{row.Place}, m.config.Store.Now())
	return place != nil, err
}

// noticeLimits are those of a mail that tells the owner of an account what happened to it.
func noticeLimits(row *models.Mail, l *letter) []models.Reservation {
	slot := func(rate limit.Rate, parts ...string) models.Reservation {
		return models.Reservation{Name: row.Kind, ID: limit.Key(append([]string{"notices to", mailbox(row.EmailKey)}, parts...)...), Rate: rate}
	}
	switch l.kind {
	case mail.EmailChanged:
		if row.NewEmail == nil { // the old address was not verified, see told
			return []models.Reservation{unverifiedLimit(row, row.Kind)}
		}
		return []models.Reservation{slot(noticeRate, row.Kind)}
	case mail.AccountDeleted: // whether the address was verified is not known any more
		return []models.Reservation{slot(deletedRate, row.Kind)}
	}
	if l.user == nil || !l.user.EmailVerified() {
		return []models.Reservation{unverifiedLimit(row, "")}
	}
	switch l.kind {
	case mail.EmailChangeRequested:
		return []models.Reservation{slot(noticeRate, row.Kind)}
	case mail.NewSignIn:
		return []models.Reservation{slot(newSignInRate, row.Kind), slot(noticesRate)}
	}
	return []models.Reservation{slot(noticeRate, row.Kind), slot(noticesRate)}
}

func unverifiedLimit(row *models.Mail, kind string) models.Reservation {
	return models.Reservation{Name: row.Kind, ID: limit.Key("notices to unverified", mailbox(row.EmailKey), kind), Rate: unverifiedRate}
}

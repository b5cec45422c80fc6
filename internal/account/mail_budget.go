package account

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"fieldgate/internal/limit"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// Budgets of mails, each for one mailbox, which is an address without its +tag. docs/mail.md
// documents them.
var (
	// requesterRate limits the mails of one purpose that one account or network requests.
	requesterRate = limit.Rate{Count: 5, Window: time.Hour}
	// mailRate limits the mails of one purpose from all requesters together, without the first mail
	// of each.
	mailRate = limit.Rate{Count: 5, Window: time.Hour}
	// First mails have a budget of their own, so that a requester who uses up mailRate does not
	// keep the mail from others. It is larger for an address that an account wants to move to: only
	// accounts cause those mails.
	firstMailRate          = limit.Rate{Count: 1, Window: time.Hour}
	firstMailsRate         = limit.Rate{Count: 5, Window: time.Hour}
	firstMailsOfChangeRate = limit.Rate{Count: 20, Window: time.Hour}

	// noticeRate limits notices of one kind to a verified address, noticesRate those of all kinds.
	// Notices with an undo link count only by kind.
	noticeRate    = limit.Rate{Count: 10, Window: time.Hour}
	noticesRate   = limit.Rate{Count: 20, Window: time.Hour}
	newSignInRate = limit.Rate{Count: 5, Window: 24 * time.Hour}
	deletedRate   = limit.Rate{Count: 3, Window: 24 * time.Hour}
	// unverifiedRate limits all notices to an address that was never verified.
	unverifiedRate = limit.Rate{Count: 1, Window: 24 * time.Hour}
)

// isOverBudget reports whether the mailbox has received as many mails as its budgets allow. It does
// not count a mail twice.
func (m *Mailer) isOverBudget(ctx context.Context, row *models.Mail, l *letter) (bool, error) {
	if m.config.LimitsOff || row.Attempts > 1 {
		return false, nil
	}
	budgets, err := m.budgets(ctx, row, l)
	if err != nil || len(budgets) == 0 {
		return false, err
	}
	for _, reservations := range budgets {
		_, err := m.config.Store.Acquire(ctx, reservations)
		if reached := (*models.LimitReachedError)(nil); !errors.As(err, &reached) {
			return false, err
		}
	}
	m.logMail(ctx, slog.LevelWarn, "mail dropped: too many to one address", row)
	m.count(MailDropped)
	return true, nil
}

// budgets returns the budgets of a mail. The mail is sent if one of them has room; a mail without
// budgets is always sent.
func (m *Mailer) budgets(ctx context.Context, row *models.Mail, l *letter) ([][]models.Reservation, error) {
	switch l.kind {
	case mail.EmailRestored: // follows a single-use link
		return nil, nil
	case mail.ResetPassword:
		if row.UserID != nil { // requested by the operator
			return nil, nil
		}
		return m.requestedMailBudgets(ctx, row, l)
	case mail.VerifyEmail, mail.ConfirmEmail, mail.AlreadyRegistered, mail.AddressNotFree, mail.EmailTaken:
		return m.requestedMailBudgets(ctx, row, l)
	}
	return [][]models.Reservation{noticeLimits(row, l)}, nil
}

// requestedMailBudgets returns the budgets of mails that other users can cause. They count by the
// purpose of the link: notices and verification links cannot use up password resets.
func (m *Mailer) requestedMailBudgets(
	ctx context.Context, row *models.Mail, l *letter,
) ([][]models.Reservation, error) {
	purpose, box := links[l.kind].purpose, mailbox(row.EmailKey)
	if purpose == purposeReset && l.user != nil && l.user.EmailVerified() {
		box = "verified " + row.EmailKey // links for other +tags do not open this account
	}
	reservation := func(rate limit.Rate, parts ...string) models.Reservation {
		id := limit.Key(append([]string{"mails to", purpose, box}, parts...)...)
		return models.Reservation{Name: row.Kind, ID: id, Rate: rate}
	}
	var reservations []models.Reservation
	if l.kind == mail.EmailTaken && !l.user.EmailVerified() {
		reservations = append(reservations, unverifiedLimit(row, ""))
	}
	if row.Asker == nil {
		return [][]models.Reservation{append(reservations, reservation(mailRate))}, nil
	}
	reservations = append(reservations, reservation(requesterRate, "by", *row.Asker))
	if reserved, err := m.isTrustedRecovery(ctx, row, l); reserved || err != nil {
		return [][]models.Reservation{reservations}, err
	}
	share := firstMailsRate
	if l.kind == mail.ConfirmEmail {
		share = firstMailsOfChangeRate
	}
	first := append(slices.Clone(reservations),
		reservation(firstMailRate, "first by", *row.Asker), reservation(share, "first"))
	return [][]models.Reservation{first, append(reservations, reservation(mailRate))}, nil
}

// isTrustedRecovery reports whether a mail is a password reset of a verified account, requested
// from a place that the account trusts. Requests from elsewhere cannot use up its budget.
func (m *Mailer) isTrustedRecovery(ctx context.Context, row *models.Mail, l *letter) (bool, error) {
	if links[l.kind].purpose != purposeReset || row.Place == nil || l.user == nil || !l.user.EmailVerified() {
		return false, nil
	}
	place, err := m.config.Store.FindTrustedPlace(ctx, l.user.EmailKey, [][]byte{row.Place}, m.config.Store.Now())
	return place != nil, err
}

// noticeLimits returns the limits of a mail that notifies an owner of a change to their account.
func noticeLimits(row *models.Mail, l *letter) []models.Reservation {
	reservation := func(rate limit.Rate, parts ...string) models.Reservation {
		id := limit.Key(append([]string{"notices to", mailbox(row.EmailKey)}, parts...)...)
		return models.Reservation{Name: row.Kind, ID: id, Rate: rate}
	}
	switch l.kind {
	case mail.EmailChanged:
		if row.NewEmail == nil { // the old address was not verified, see withNewEmail
			return []models.Reservation{unverifiedLimit(row, row.Kind)}
		}
		return []models.Reservation{reservation(noticeRate, row.Kind)}
	case mail.AccountDeleted: // whether the address was verified is no longer known
		return []models.Reservation{reservation(deletedRate, row.Kind)}
	}
	if l.user == nil || !l.user.EmailVerified() {
		return []models.Reservation{unverifiedLimit(row, "")}
	}
	switch l.kind {
	case mail.EmailChangeRequested:
		return []models.Reservation{reservation(noticeRate, row.Kind)}
	case mail.NewSignIn:
		return []models.Reservation{reservation(newSignInRate, row.Kind), reservation(noticesRate)}
	}
	return []models.Reservation{reservation(noticeRate, row.Kind), reservation(noticesRate)}
}

func unverifiedLimit(row *models.Mail, kind string) models.Reservation {
	id := limit.Key("notices to unverified", mailbox(row.EmailKey), kind)
	return models.Reservation{Name: row.Kind, ID: id, Rate: unverifiedRate}
}

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
	// askerRate is for the mails of one purpose that one account or network causes.
	askerRate = limit.Rate{Count: 5, Window: time.Hour}
	// mailRate is for the mails of one purpose that all of them cause together, but for the first mail of each.
	mailRate = limit.Rate{Count: 5, Window: time.Hour}
	// The first mails count in a share of their own, so that an account or network that uses up mailRate does not keep the
	// mail from another one. It is larger for an address that an account wants to move to: only accounts cause those mails.
	firstRate       = limit.Rate{Count: 1, Window: time.Hour}
	firstsRate      = limit.Rate{Count: 5, Window: time.Hour}
	firstsOfAChange = limit.Rate{Count: 20, Window: time.Hour}

	// noticeRate is for the notices of one kind to a verified address, noticesRate for those of all kinds. Notices with a
	// link that undoes a change count by kind only.
	noticeRate    = limit.Rate{Count: 10, Window: time.Hour}
	noticesRate   = limit.Rate{Count: 20, Window: time.Hour}
	newSignInRate = limit.Rate{Count: 5, Window: 24 * time.Hour}
	deletedRate   = limit.Rate{Count: 3, Window: 24 * time.Hour}
	// unverifiedRate is for all notices to an address that was never verified.
	unverifiedRate = limit.Rate{Count: 1, Window: 24 * time.Hour}
)

// full reports whether the mailbox has got as many mails as its budgets allow. A mail that was counted before is not
// counted again.
func (m *Mailer) full(ctx context.Context, row *models.Mail, l *letter) (bool, error) {
	if m.config.LimitsOff || row.Attempts > 1 {
		return false, nil
	}
	shares, err := m.shares(ctx, row, l)
	if err != nil || len(shares) == 0 {
		return false, err
	}
	for _, slots := range shares {
		_, err := m.config.Store.Acquire(ctx, slots)
		if reached := (*models.LimitReachedError)(nil); !errors.As(err, &reached) {
			return false, err
		}
	}
	m.tell(ctx, slog.LevelWarn, "mail dropped: too many to one address", row)
	m.count(MailDropped)
	return true, nil
}

// shares returns the budgets of a mail. It is sent if one of them has room; a mail without any is always sent.
func (m *Mailer) shares(ctx context.Context, row *models.Mail, l *letter) ([][]models.Reservation, error) {
	switch l.kind {
	case mail.EmailRestored: // follows from a link that works once
		return nil, nil
	case mail.ResetPassword:
		if row.UserID != nil { // an operator asked for it
			return nil, nil
		}
		return m.askedShares(ctx, row, l)
	case mail.VerifyEmail, mail.ConfirmEmail, mail.AlreadyRegistered, mail.AddressNotFree, mail.EmailTaken:
		return m.askedShares(ctx, row, l)
	}
	return [][]models.Reservation{noticeSlots(row, l)}, nil
}

// askedShares are those of mails that others can cause. They are counted by what the link is for: notices and links that
// verify an address cannot use up those that choose a new password.
func (m *Mailer) askedShares(ctx context.Context, row *models.Mail, l *letter) ([][]models.Reservation, error) {
	purpose, box := links[l.kind].purpose, mailbox(row.EmailKey)
	if purpose == purposeReset && l.user != nil && l.user.EmailVerified() {
		box = "verified " + row.EmailKey // links for other +tags do not open this account
	}
	slot := func(rate limit.Rate, parts ...string) models.Reservation {
		return models.Reservation{Name: row.Kind, ID: limit.Key(append([]string{"mails to", purpose, box}, parts...)...), Rate: rate}
	}
	var slots []models.Reservation
	if l.kind == mail.EmailTaken && !l.user.EmailVerified() {
		slots = append(slots, unverifiedSlot(row, ""))
	}
	if row.Asker == nil {
		return [][]models.Reservation{append(slots, slot(mailRate))}, nil
	}
	slots = append(slots, slot(askerRate, "by", *row.Asker))
	if reserved, err := m.recovers(ctx, row, l); reserved || err != nil {
		return [][]models.Reservation{slots}, err
	}
	share := firstsRate
	if l.kind == mail.ConfirmEmail {
		share = firstsOfAChange
	}
	first := append(slots[:len(slots):len(slots)], slot(firstRate, "first by", *row.Asker), slot(share, "first"))
	return [][]models.Reservation{first, append(slots, slot(mailRate))}, nil
}

// recovers reports whether a mail gets its owner back into a verified account and was asked for from a place that the account
// trusts. Requests from elsewhere do not use up what is reserved for these.
func (m *Mailer) recovers(ctx context.Context, row *models.Mail, l *letter) (bool, error) {
	if links[l.kind].purpose != purposeReset || row.Place == nil || l.user == nil || !l.user.EmailVerified() {
		return false, nil
	}
	place, err := m.config.Store.FindTrustedPlace(ctx, l.user.EmailKey, [][]byte{row.Place}, m.config.Store.Now())
	return place != nil, err
}

// noticeSlots are those of a mail that tells the owner of an account what happened to it.
func noticeSlots(row *models.Mail, l *letter) []models.Reservation {
	slot := func(rate limit.Rate, parts ...string) models.Reservation {
		return models.Reservation{Name: row.Kind, ID: limit.Key(append([]string{"notices to", mailbox(row.EmailKey)}, parts...)...), Rate: rate}
	}
	switch l.kind {
	case mail.EmailChanged:
		if row.NewEmail == nil { // the old address was not verified, see told
			return []models.Reservation{unverifiedSlot(row, row.Kind)}
		}
		return []models.Reservation{slot(noticeRate, row.Kind)}
	case mail.AccountDeleted: // whether the address was verified is not known any more
		return []models.Reservation{slot(deletedRate, row.Kind)}
	}
	if l.user == nil || !l.user.EmailVerified() {
		return []models.Reservation{unverifiedSlot(row, "")}
	}
	switch l.kind {
	case mail.EmailChangeRequested:
		return []models.Reservation{slot(noticeRate, row.Kind)}
	case mail.NewSignIn:
		return []models.Reservation{slot(newSignInRate, row.Kind), slot(noticesRate)}
	}
	return []models.Reservation{slot(noticeRate, row.Kind), slot(noticesRate)}
}

func unverifiedSlot(row *models.Mail, kind string) models.Reservation {
	return models.Reservation{Name: row.Kind, ID: limit.Key("notices to unverified", mailbox(row.EmailKey), kind), Rate: unverifiedRate}
}

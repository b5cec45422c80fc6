package models

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// Mail is a mail to be sent. It contains what was known when it was requested, and no token: the
// mailer creates the token and stores its hash.
type Mail struct {
	ID        string  `gorm:"primaryKey"` // UUIDv7
	Kind      string  // the template's name
	UserID    *string // nil if the mailer looks the account up by the address
	Email     string  // the recipient, or the address of the account
	EmailKey  string
	NewEmail  *string // the other address that the mail names
	Language  string
	CreatedAt time.Time
	// DueAt is the time of the next attempt; during an attempt, the time from which others may
	// retry.
	DueAt    time.Time
	Attempts int64
	Claim    *string // identifies the sender that has claimed the mail; nil if unclaimed

	Priority int64 // MailRecovery, MailVerification or MailNotice
	// Asker is a hash of the account or network that caused it; nil for the command line and the
	// server itself.
	Asker  *string
	Place  NullBytes // TrustedPlace.Place of the device or network that caused it; nil if none
	IP     *string   // the address that caused it; nil if the mail must not contain it
	Detail *string   // a role or a count for the text
}

// The priorities of mails. A mail waits for all due mails with a lower number.
const (
	MailRecovery     = iota // a link that restores access to an account
	MailVerification        // a link that verifies an address
	MailNotice              // no link that the reader waits for
)

// The kinds of mails that the store treats specially.
const (
	MailConfirm = "confirm-email"   // contains a token that changes an address
	MailDeleted = "account-deleted" // confirms the deletion of an account to its address
)

// CreateMails inserts mails. Call it in the transaction of the event that causes them.
func (s *Store) CreateMails(ctx context.Context, mails []*Mail) error {
	if len(mails) == 0 {
		return nil
	}
	return s.insert(ctx, mails)
}

// RequestEmailChange cancels earlier requests of the user and inserts the mails of a new one. It
// returns ErrNotFound if the password was changed or all sessions were revoked since the user was
// read: otherwise the request would survive a step that was taken to secure the account.
func (s *Store) RequestEmailChange(ctx context.Context, u *User, singletonKey string, mails []*Mail) error {
	return s.Transaction(ctx, func(tx *Store) error {
		same := "id = ? AND password_hash = ? AND session_epoch = ?"
		if err := tx.updateUser(ctx, map[string]any{}, same, u.ID, u.PasswordHash, u.SessionEpoch); err != nil {
			return err
		}
		if err := tx.deleteEmailChangeMails(ctx, u.ID); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND slot = ?", u.ID, singletonKey); err != nil {
			return err
		}
		return tx.CreateMails(ctx, mails)
	})
}

// deleteEmailChangeMails deletes unsent mails that would contain a token to change the address.
// Other mails are kept: they are notices, or the owner of the mailbox requested them.
func (s *Store) deleteEmailChangeMails(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &Mail{}, "user_id = ? AND kind = ?", userID, MailConfirm)
	return err
}

// DueMails returns up to n mails that are due at now, the longest waiting first. They all have the
// lowest priority number, up to last, that has due mails. Each priority is one index range,
// whatever the number of other mails.
func (s *Store) DueMails(ctx context.Context, now time.Time, last int64, n int) (list []*Mail, err error) {
	for priority := range last + 1 {
		err = s.conn(ctx).Where("priority = ? AND due_at <= ?", priority, now).
			Order("due_at, id").Limit(n).Find(&list).Error
		if err != nil || len(list) > 0 {
			break
		}
	}
	return list, s.translate(ctx, err)
}

// MailBacklog returns the number of unsent mails and the creation time of the oldest; the zero time
// if there is none.
func (s *Store) MailBacklog(ctx context.Context) (waiting int64, oldest time.Time, err error) {
	if err := s.conn(ctx).Model(&Mail{}).Count(&waiting).Error; err != nil || waiting == 0 {
		return 0, time.Time{}, s.translate(ctx, err)
	}
	var first []*Mail // ids sort by time and are the primary key
	if err := s.conn(ctx).Select("created_at").Order("id").Limit(1).Find(&first).Error; err != nil || len(first) == 0 {
		return waiting, time.Time{}, s.translate(ctx, err)
	}
	return waiting, first[0].CreatedAt, nil
}

// ClaimMail claims a mail until a time, if it is unchanged since it was read, and updates m. Of any
// number of concurrent calls one succeeds; the others return ErrNotFound.
func (s *Store) ClaimMail(ctx context.Context, m *Mail, claim string, until time.Time) error {
	err := s.updateMail(ctx, map[string]any{"claim": claim, "due_at": until, "attempts": gorm.Expr("attempts + 1")},
		"id = ? AND due_at = ? AND attempts = ?", m.ID, m.DueAt, m.Attempts)
	if err == nil {
		m.Claim, m.DueAt = &claim, until
		m.Attempts++
	}
	return err
}

// ExtendMailClaim extends a claim. It returns ErrNotFound if the caller has lost it.
func (s *Store) ExtendMailClaim(ctx context.Context, m *Mail, until time.Time) error {
	return s.updateMail(ctx, map[string]any{"due_at": until}, "id = ? AND claim = ?", m.ID, m.Claim)
}

// ReleaseMail ends a claim and schedules the next attempt at due. attempts is the number of
// attempts so far. It does nothing if the caller has lost the claim or the mail was deleted.
func (s *Store) ReleaseMail(ctx context.Context, m *Mail, due time.Time, attempts int64) error {
	err := s.updateMail(ctx, map[string]any{"claim": nil, "due_at": due, "attempts": attempts},
		"id = ? AND claim = ?", m.ID, m.Claim)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// FinishMail deletes a claimed mail that was sent, or never will be.
func (s *Store) FinishMail(ctx context.Context, m *Mail) error {
	return s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, &Mail{}, "id = ? AND claim = ?", m.ID, m.Claim)
		return err
	})
}

// IssueToken stores the token of a claimed mail. It returns ErrNotFound if the caller has lost the
// claim because the request was cancelled.
func (s *Store) IssueToken(ctx context.Context, m *Mail, t *OneTimeToken, until time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.ExtendMailClaim(ctx, m, until); err != nil {
			return err
		}
		return tx.upsertToken(ctx, t)
	})
}

func (s *Store) updateMail(ctx context.Context, values map[string]any, condition string, args ...any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&Mail{}).Where(condition, args...).Updates(values)
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

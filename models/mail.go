package models

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// Mail is one to be sent, as far as it was known when it was asked for. It has no token: whoever sends it makes one,
// and stores the hash.
type Mail struct {
	ID        string  `gorm:"primaryKey"` // UUIDv7
	Kind      string  // the template's name
	UserID    *string // nil if who it is about is found out by the address
	Email     string  // where it goes, or who it is about
	EmailKey  string
	NewEmail  *string // for one that tells an address of another one
	Language  string
	CreatedAt time.Time
	DueAt     time.Time // when it is to be tried; while somebody tries, when somebody else may
	Attempts  int64
	Claim     *string // who tries

	Priority int64     // one of the MailPriorities
	Asker    *string   // a hash of the account or network that caused it; nil: the command line, or the server itself
	Place    NullBytes // the TrustedPlace.Place of the device or network that caused it; nil: none
	IP       *string   // the address that caused it; nil if the mail must not tell it
	Detail   *string   // a role or a count that the text names
}

// The order in which mails are sent. A mail waits for all due mails of a lower number.
const (
	MailRecovery     = iota // a link to get back into an account
	MailVerification        // a link that proves an address
	MailNotice              // no link that the reader waits for
)

// The Kinds of mails that the store treats differently from others.
const (
	MailConfirm = "confirm-email"   // brings a ticket to change an address
	MailDeleted = "account-deleted" // tells an address that its account was deleted
)

// CreateMails writes mails to be sent, if there are any, in the transaction of what caused them.
func (s *Store) CreateMails(ctx context.Context, mails []*Mail) error {
	if len(mails) == 0 {
		return nil
	}
	return s.insert(ctx, mails)
}

// RequestEmailChange ends what earlier requests of the user have led to, and writes the mails of a new one. It returns
// ErrNotFound if the password was changed, or all sessions were ended, since the user was read: whoever did that would
// not see the change that they had to stop.
func (s *Store) RequestEmailChange(ctx context.Context, u *User, slot string, mails []*Mail) error {
	return s.Transaction(ctx, func(tx *Store) error {
		same := "id = ? AND password_hash = ? AND session_epoch = ?"
		if err := tx.updateUser(ctx, map[string]any{}, same, u.ID, u.PasswordHash, u.SessionEpoch); err != nil {
			return err
		}
		if err := tx.deleteEmailChangeMails(ctx, u.ID); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &OneTimeToken{}, "user_id = ? AND slot = ?", u.ID, slot); err != nil {
			return err
		}
		return tx.CreateMails(ctx, mails)
	})
}

// deleteEmailChangeMails deletes those that have not been sent and would bring a ticket to change the address. All others may go:
// they tell somebody what happened, or were asked for by whoever has the mailbox.
func (s *Store) deleteEmailChangeMails(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &Mail{}, "user_id = ? AND kind = ?", userID, MailConfirm)
	return err
}

// DueMails returns up to n mails that are due at now: of the lowest priority number that has any, up to last, the one that
// waits longest first. One priority at a time is read off an index, however many mails of another one wait.
func (s *Store) DueMails(ctx context.Context, now time.Time, last int64, n int) (list []*Mail, err error) {
	for priority := range last + 1 {
		err = s.conn(ctx).Where("priority = ? AND due_at <= ?", priority, now).Order("due_at, id").Limit(n).Find(&list).Error
		if err != nil || len(list) > 0 {
			break
		}
	}
	return list, s.translate(ctx, err)
}

// MailBacklog returns how many mails wait to be sent, and since when the oldest of them does; the zero time if there is
// none.
func (s *Store) MailBacklog(ctx context.Context) (waiting int64, oldest time.Time, err error) {
	if err := s.conn(ctx).Model(&Mail{}).Count(&waiting).Error; err != nil || waiting == 0 {
		return 0, time.Time{}, s.translate(ctx, err)
	}
	var first []*Mail // ids sort by time, and the primary key is at hand
	if err := s.conn(ctx).Select("created_at").Order("id").Limit(1).Find(&first).Error; err != nil || len(first) == 0 {
		return waiting, time.Time{}, s.translate(ctx, err)
	}
	return waiting, first[0].CreatedAt, nil
}

// ClaimMail notes that the caller tries to send a mail as it was read, and until when nobody else may. Of any number
// of calls at once one does it; the others return ErrNotFound. It changes m too.
func (s *Store) ClaimMail(ctx context.Context, m *Mail, claim string, until time.Time) error {
	err := s.updateMail(ctx, map[string]any{"claim": claim, "due_at": until, "attempts": gorm.Expr("attempts + 1")},
		"id = ? AND due_at = ? AND attempts = ?", m.ID, m.DueAt, m.Attempts)
	if err == nil {
		m.Claim, m.DueAt = &claim, until
		m.Attempts++
	}
	return err
}

// ExtendMailClaim lets nobody else try until then. It returns ErrNotFound if the claim is not the caller's any more.
func (s *Store) ExtendMailClaim(ctx context.Context, m *Mail, until time.Time) error {
	return s.updateMail(ctx, map[string]any{"due_at": until}, "id = ? AND claim = ?", m.ID, m.Claim)
}

// ReleaseMail lets anybody try again at due. attempts is how many there were. A mail that is not the caller's any more,
// or was deleted meanwhile, stays as it is.
func (s *Store) ReleaseMail(ctx context.Context, m *Mail, due time.Time, attempts int64) error {
	err := s.updateMail(ctx, map[string]any{"claim": nil, "due_at": due, "attempts": attempts}, "id = ? AND claim = ?", m.ID, m.Claim)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// FinishMail deletes a mail that was sent, or will never be.
func (s *Store) FinishMail(ctx context.Context, m *Mail) error {
	return s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, &Mail{}, "id = ? AND claim = ?", m.ID, m.Claim)
		return err
	})
}

// IssueToken stores the ticket that a claimed mail is about to bring. It returns ErrNotFound if the mail is not the
// caller's any more: somebody has ended it meanwhile.
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

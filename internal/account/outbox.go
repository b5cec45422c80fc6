package account

import (
	"context"
	"crypto/sha256"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// What a ticket is good for. The token of one is good for nothing else.
const (
	purposeVerify = "verify" // to show that mail reaches the account's address
	purposeChange = "change" // to take a new address into use
	purposeUndo   = "undo"   // to take an old one back
	purposeReset  = "reset"  // to choose a new password

	purposeRegister = "register" // to put a pending registration into the place of an account
)

// How long a link works after its mail was handed to a mail server.
const (
	verifyTTL = 24 * time.Hour
	changeTTL = 24 * time.Hour
	undoTTL   = 72 * time.Hour
	resetTTL  = time.Hour
)

// newMail is a mail about a user, or about whoever has the address if user is nil, to be sent in the language that
// the request prefers. What it says is decided when it is sent.
func (s *Service) newMail(ctx context.Context, kind mail.Kind, user *models.User, email, key string) *models.Mail {
	now := s.config.Store.Now()
	m := &models.Mail{ID: newID(), Kind: string(kind), Email: email, EmailKey: key, CreatedAt: now, DueAt: now, Priority: priorityOf(kind)}
	setOrigin(ctx, m)
	if user != nil {
		m.UserID = &user.ID
	}
	if s.config.Mail != nil {
		m.Language = s.config.Mail.Language(auth.ViewerFrom(ctx).Client().Languages)
	}
	return m
}

// priorityOf puts links that get their owner back into an account first, and notices last.
func priorityOf(kind mail.Kind) int64 {
	switch kind {
	case mail.ResetPassword, mail.EmailRestored, mail.EmailChanged:
		return models.MailRecovery
	case kindRegistration, mail.AlreadyRegistered, mail.VerifyEmail, mail.ConfirmEmail, mail.EmailChangeRequested:
		return models.MailVerification
	}
	return models.MailNotice
}

// withNewEmail puts the new address into a notice to the old one, if mail has reached the user there: an address that was never
// verified may be that of a stranger, who gets no text that the user chose.
func withNewEmail(m *models.Mail, user *models.User, newEmail string) *models.Mail {
	if user.EmailVerified() {
		m.NewEmail = &newEmail
	}
	return m
}

// mailToUser is a mail to a user's own address.
func (s *Service) mailToUser(ctx context.Context, kind mail.Kind, user *models.User) *models.Mail {
	return s.newMail(ctx, kind, user, user.Email, user.EmailKey)
}

// outgoing are the mails that are to be written: none where no mail is sent.
func (s *Service) outgoing(mails ...*models.Mail) []*models.Mail {
	if s.config.Mail == nil {
		return nil
	}
	return mails
}

// oneTimeTokenHash is what is stored of a ticket's token: 256 random bits, so that one round of SHA-256 is enough.
func oneTimeTokenHash(token string) []byte {
	sum := sha256.Sum256([]byte("fieldgate ticket\x00" + token))
	return sum[:]
}

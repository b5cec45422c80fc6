package account

import (
	"context"
	"crypto/sha256"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/mail"
	"fieldgate/models"
)

// Purposes of one-time tokens. A token works only for its own purpose.
const (
	purposeVerify = "verify" // verifies the account's address
	purposeChange = "change" // changes the address
	purposeUndo   = "undo"   // restores the previous address
	purposeReset  = "reset"  // sets a new password

	purposeRegister = "register" // replaces an account by a pending registration
)

// How long a link works after a mail server accepted its mail.
const (
	verifyTTL = 24 * time.Hour
	changeTTL = 24 * time.Hour
	undoTTL   = 72 * time.Hour
	resetTTL  = time.Hour
)

// newMail returns a mail about a user, or about the account with the address if user is nil. Its
// language is the one that the request prefers. Its content is decided when it is sent.
func (s *Service) newMail(ctx context.Context, kind mail.Kind, user *models.User, email, key string) *models.Mail {
	now := s.config.Store.Now()
	m := &models.Mail{
		ID: newID(), Kind: string(kind), Email: email, EmailKey: key, CreatedAt: now, DueAt: now,
		Priority: priorityOf(kind),
	}
	setOrigin(ctx, m)
	if user != nil {
		m.UserID = &user.ID
	}
	if s.config.Mail != nil {
		m.Language = s.config.Mail.Language(auth.ViewerFrom(ctx).Client().Languages)
	}
	return m
}

// priorityOf ranks recovery links first and notices last.
func priorityOf(kind mail.Kind) int64 {
	switch kind {
	case mail.ResetPassword, mail.EmailRestored, mail.EmailChanged:
		return models.MailRecovery
	case kindRegistration, mail.AlreadyRegistered, mail.VerifyEmail, mail.ConfirmEmail, mail.EmailChangeRequested:
		return models.MailVerification
	}
	return models.MailNotice
}

// withNewEmail adds the new address to a notice to the old one if the old one is verified. An
// address that was never verified may belong to a stranger, who must not get text that the user
// chose.
func withNewEmail(m *models.Mail, user *models.User, newEmail string) *models.Mail {
	if user.EmailVerified() {
		m.NewEmail = &newEmail
	}
	return m
}

// mailToUser returns a mail to a user's own address.
func (s *Service) mailToUser(ctx context.Context, kind mail.Kind, user *models.User) *models.Mail {
	return s.newMail(ctx, kind, user, user.Email, user.EmailKey)
}

// outgoing returns mails, or nil where no mail is sent.
func (s *Service) outgoing(mails ...*models.Mail) []*models.Mail {
	if s.config.Mail == nil {
		return nil
	}
	return mails
}

// oneTimeTokenHash returns the stored hash of a token. A token is 256 random bits, so one round of
// SHA-256 is enough.
func oneTimeTokenHash(token string) []byte {
	sum := sha256.Sum256([]byte("fieldgate ticket\x00" + token))
	return sum[:]
}

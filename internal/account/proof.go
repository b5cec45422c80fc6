package account

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"unicode/utf8"

	"fieldgate/internal/mail"
	"fieldgate/models"
)

// Proof is how the client that brings a link's token shows that it belongs to the account of the link. A link alone
// shows only that a person reads a mailbox, and not that this person made the account.
type Proof struct {
	SessionID    string  // of the request's access token; "" if there is none
	RefreshToken string  // in the request's cookie; "" if there is none
	Password     *string // as typed; nil if it was not asked for
}

// ProofRequiredError is the error of a link that is used without the session or the password of its account. Nothing
// was done, and the link stays good.
type ProofRequiredError struct{}

func (*ProofRequiredError) Error() string {
	return "sign in to the account of this link, or give its password"
}

// verifyProof returns *ProofRequiredError unless the proof is a living session of the user, or the password of the hash.
// Without sessions only the password counts.
func (s *Service) verifyProof(ctx context.Context, user *models.User, hash string, sessions bool, proof Proof) error {
	if sessions {
		if own, err := s.ownsSession(ctx, user.ID, proof); own || err != nil {
			return err
		}
	}
	switch {
	case proof.Password == nil:
		return &ProofRequiredError{}
	case len(*proof.Password) > maxPasswordBytes:
		return invalid("password", longPassword)
	}
	ok, _, err := s.config.Passwords.Verify(ctx, hash, *proof.Password)
	if err != nil || ok {
		return err
	}
	return s.recordFailure(ctx, &event{name: EventEmailVerificationFailed, user: user.ID, reason: reasonPassword}, &ProofRequiredError{})
}

// ownsSession reports whether the request brings a session of the user that has not ended. It asks the database, since a
// session that was trusted without asking may have ended.
func (s *Service) ownsSession(ctx context.Context, userID string, proof Proof) (bool, error) {
	if proof.SessionID != "" {
		session, err := s.config.Store.SessionWithUser(ctx, proof.SessionID, userID)
		if own, err := s.isActiveSession(session, err, userID); own || err != nil {
			return own, err
		}
	}
	if proof.RefreshToken != "" {
		session, err := s.config.Store.SessionByRefreshHash(ctx, refreshHash(proof.RefreshToken))
		return s.isActiveSession(session, err, userID)
	}
	return false, nil
}

func (s *Service) isActiveSession(session *models.Session, err error, userID string) (bool, error) {
	if errors.Is(err, models.ErrNotFound) {
		return false, nil
	}
	return err == nil && session.UserID == userID && !session.Ended(s.config.Store.Now()), err
}

// DisownEmail uses the token of a mail about an address for the opposite of what it is for: the mailbox's owner did not
// make that account, or did not ask for that change.
//
// For an account whose address was never verified it ends all sessions and pending registrations, makes the password
// useless, and mails a link to choose one. A change of address is cancelled, and the account stays as it is. It returns
// ErrInvalidToken.
func (s *Service) DisownEmail(ctx context.Context, token string) error {
	ticket, user, err := s.lookUpOneTimeToken(ctx, token, purposeVerify, purposeRegister, purposeChange)
	if err != nil {
		return err
	}
	now := s.config.Store.Now()
	e := &event{name: EventEmailDisowned, level: slog.LevelWarn, user: user.ID}
	link := s.outgoing(s.mailToUser(ctx, mail.ResetPassword, user))
	change := func(tx *models.Store) error { return tx.Disown(ctx, ticket, link, now) }
	if ticket.Purpose == purposeChange {
		e.name, e.level = EventEmailChangeDeclined, slog.LevelInfo
		change = func(tx *models.Store) error { return tx.UseToken(ctx, ticket, now) }
	}
	return notFoundAsInvalidToken(s.audited(ctx, e, change))
}

// TokenAccountKey returns the name under which guesses are counted that are made with the token of a mail, or "" for a
// token that belongs to no account.
func TokenAccountKey(ctx context.Context, store *models.Store, token string) (string, error) {
	ticket, err := store.TokenByHash(ctx, oneTimeTokenHash(token))
	if err == nil {
		var user *models.User
		if user, err = store.UserByID(ctx, ticket.UserID); err == nil {
			return user.EmailKey, nil
		}
	}
	if errors.Is(err, models.ErrNotFound) {
		return "", nil
	}
	return "", err
}

// maskedAddress shows enough of an address for its owner to recognize it: m•••@e•••.example.
func maskedAddress(email string) string {
	at := strings.LastIndexByte(email, '@')
	dot := strings.LastIndexByte(email, '.')
	if at < 1 || dot < at {
		return masked
	}
	return firstRune(email) + masked + "@" + firstRune(email[at+1:]) + masked + email[dot:]
}

const masked = "•••"

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

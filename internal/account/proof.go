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

// Proof shows that the client with a link's token belongs to the account of the link. The link
// alone shows only that the user reads the mailbox, not that they created the account.
type Proof struct {
	SessionID    string  // of the request's access token; "" for none
	RefreshToken string  // from the request's cookie; "" for none
	Password     *string // nil: not given
}

// ProofRequiredError is the error of a link that is used without a session or the password of its
// account. Nothing was done, and the link still works.
type ProofRequiredError struct{}

func (*ProofRequiredError) Error() string {
	return "sign in to the account that this link belongs to, or give its password"
}

// verifyProof returns *ProofRequiredError unless the proof is an active session of the user or the
// password of the hash. With sessions == false only the password counts.
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
	e := &event{name: EventEmailVerificationFailed, user: user.ID, reason: reasonPassword}
	return s.recordFailure(ctx, e, &ProofRequiredError{})
}

// ownsSession reports whether the proof holds an active session of the user. It reads the database,
// because a cached session may have been revoked.
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

// DisownEmail uses the token of a verification mail to reject it: the mailbox's owner did not
// create the account, or did not request the change.
//
// For an account whose address was never verified it revokes all sessions and pending
// registrations, removes the password, and mails a link to choose one. A change of address is
// cancelled without further effect. It returns ErrInvalidToken.
func (s *Service) DisownEmail(ctx context.Context, token string) error {
	oneTime, user, err := s.lookUpOneTimeToken(ctx, token, purposeVerify, purposeRegister, purposeChange)
	if err != nil {
		return err
	}
	now := s.config.Store.Now()
	e := &event{name: EventEmailDisowned, level: slog.LevelWarn, user: user.ID}
	link := s.outgoing(s.mailToUser(ctx, mail.ResetPassword, user))
	change := func(tx *models.Store) error { return tx.Disown(ctx, oneTime, link, now) }
	if oneTime.Purpose == purposeChange {
		e.name, e.level = EventEmailChangeDeclined, slog.LevelInfo
		change = func(tx *models.Store) error { return tx.UseToken(ctx, oneTime, now) }
	}
	return notFoundAsInvalidToken(s.audited(ctx, e, change))
}

// TokenAccountKey returns the key under which attempts with a mail's token are counted, or "" for a
// token without an account.
func TokenAccountKey(ctx context.Context, store *models.Store, token string) (string, error) {
	oneTime, err := store.TokenByHash(ctx, oneTimeTokenHash(token))
	if err == nil {
		var user *models.User
		if user, err = store.UserByID(ctx, oneTime.UserID); err == nil {
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

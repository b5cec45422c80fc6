package account

import (
	"cmp"
	"context"
	"crypto/rand"

	"github.com/google/uuid"

	"fieldgate/internal/mail"
	"fieldgate/internal/totp"
	"fieldgate/models"
)

// Factors returns the second factors of a user, the oldest first.
func (s *Service) Factors(ctx context.Context, userID string) ([]*models.Factor, error) {
	return s.config.Store.Factors(ctx, userID)
}

// TOTPSetup is a secret for an authenticator app. It is in force after EnableTOTP.
type TOTPSetup struct {
	URI    string // for a QR code
	Secret string // in base32, to type
}

// BeginTOTP makes a new secret for the user of a session. A factor that works already keeps
// working. It returns ErrFactorsUnavailable.
func (s *Service) BeginTOTP(ctx context.Context, user *models.User) (*TOTPSetup, error) {
	if s.config.FactorKeys == nil {
		return nil, ErrFactorsUnavailable
	}
	secret, now := totp.NewSecret(), s.config.Store.Now()
	err := s.config.Store.CreateChallenge(ctx, &models.Challenge{
		ID: newID(), Hash: randomBytes(32), UserID: user.ID, Purpose: purposeTOTP, Epoch: user.SessionEpoch,
		Secret: s.config.FactorKeys.Encrypt(secret, totpContext(user.ID)), CreatedAt: now, ExpiresAt: now.Add(challengeTTL),
	})
	if err != nil {
		return nil, err
	}
	return &TOTPSetup{URI: totp.URI(cmp.Or(s.config.Product, productName), user.Email, secret), Secret: secret}, nil
}

// EnableTOTP takes the secret of BeginTOTP into use if the code is of that secret, in place of an
// older one, and returns new recovery codes. The session counts as proved with a second factor. It
// returns *InputError for a wrong code, ErrInvalidToken without a secret or after it has expired,
// and ErrFactorsUnavailable.
func (s *Service) EnableTOTP(ctx context.Context, session *models.Session, code string) (codes []string, err error) {
	user, now := session.User, s.config.Store.Now()
	if s.config.FactorKeys == nil {
		return nil, ErrFactorsUnavailable
	}
	pending, err := s.config.Store.PendingChallenge(ctx, user.ID, purposeTOTP, now)
	if err != nil {
		return nil, notFoundAsInvalidToken(err)
	}
	secret, err := s.config.FactorKeys.Decrypt(pending.Secret, totpContext(user.ID))
	if err != nil || pending.Epoch != user.SessionEpoch {
		return nil, ErrInvalidToken // its key is gone, or the password changed since
	}
	step, ok := totp.Match(secret, code, now)
	if !ok {
		return nil, invalid("code", "must be the code that the app shows now; check the clock of the device")
	}
	factor := &models.Factor{
		ID: newID(), UserID: user.ID, Kind: models.FactorTOTP, Secret: s.config.FactorKeys.Encrypt(secret, totpContext(user.ID)),
		LastStep: step, CreatedAt: now,
	}
	codes, rows := s.newRecoveryCodes(user.ID)
	e := &event{name: EventFactorAdded, user: user.ID, session: session.ID, reason: factor.Kind}
	err = s.audited(ctx, e, func(tx *models.Store) error {
		if err := tx.UseChallenge(ctx, pending, now); err != nil {
			return notFoundAsInvalidToken(err)
		}
		if err := tx.SaveFactor(ctx, factor); err != nil {
			return err
		}
		if err := tx.ReplaceRecoveryCodes(ctx, user.ID, rows); err != nil {
			return err
		}
		if err := tx.ProveSession(ctx, session, true, addMethod(session.Methods, methodOTP), now); err != nil {
			return notFoundAsRevoked(err)
		}
		return tx.CreateMails(ctx, s.outgoing(s.mailToUser(ctx, mail.FactorAdded, user)))
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// newRecoveryCodes makes recovery codes and their rows.
func (s *Service) newRecoveryCodes(userID string) (codes []string, rows []*models.RecoveryCode) {
	now := s.config.Store.Now()
	for range recoveryCodes {
		code := newRecoveryCode()
		codes = append(codes, code)
		rows = append(rows, &models.RecoveryCode{Hash: recoveryHash(userID, code), UserID: userID, CreatedAt: now})
	}
	return codes, rows
}

// ReplaceRecoveryCodes returns new recovery codes; older ones stop working. It returns
// models.ErrNotFound if the user has no second factor.
func (s *Service) ReplaceRecoveryCodes(ctx context.Context, user *models.User) ([]string, error) {
	codes, rows := s.newRecoveryCodes(user.ID)
	err := s.audited(ctx, &event{name: EventRecoveryCodesReplaced, user: user.ID}, func(tx *models.Store) error {
		return tx.ReplaceRecoveryCodes(ctx, user.ID, rows)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// RemoveFactor removes a second factor, and with the last one the recovery codes. It returns
// models.ErrNotFound if the user has no such factor.
func (s *Service) RemoveFactor(ctx context.Context, user *models.User, id string) error {
	if uuid.Validate(id) != nil {
		return models.ErrNotFound
	}
	return s.audited(ctx, &event{name: EventFactorRemoved, user: user.ID}, func(tx *models.Store) error {
		if err := tx.DeleteFactor(ctx, id, user.ID); err != nil {
			return err
		}
		return tx.CreateMails(ctx, s.outgoing(s.mailToUser(ctx, mail.FactorRemoved, user)))
	})
}

// ResetFactors removes all second factors and recovery codes of an account, and revokes its
// sessions. It is the way back for a user who has lost them; the password stays.
func (a Administrator) ResetFactors(ctx context.Context, userID string) (*models.User, error) {
	now := a.service.config.Store.Now()
	return a.administer(ctx, &event{name: EventFactorsReset, user: userID}, "", func(tx *models.Store) error {
		user, err := tx.UserByID(ctx, userID)
		if err != nil {
			return err
		}
		factors, err := tx.Factors(ctx, userID)
		if err != nil {
			return err
		}
		// The sessions first: an enrolment that commits meanwhile needs its session.
		if _, err := tx.RevokeSessions(ctx, userID, now); err != nil {
			return err
		}
		if err := tx.DeleteFactors(ctx, userID); err != nil {
			return err
		}
		if len(factors) == 0 {
			return nil
		}
		return tx.CreateMails(ctx, a.service.outgoing(a.service.mailToUser(ctx, mail.FactorRemoved, user)))
	})
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the program instead
	return b
}

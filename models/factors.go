package models

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// FactorTOTP is the Kind of a factor that makes time-based one-time passwords (RFC 6238).
const FactorTOTP = "TOTP"

// MaxFactorFailures is the number of consecutive wrong codes after which a factor accepts no code.
// NIST SP 800-63B-4 section 3.2.2 allows 100. A recovery code that is used resets the count.
const MaxFactorFailures = 100

// MaxChallengeAttempts is the number of wrong codes that end a challenge.
const MaxChallengeAttempts = 5

// Factor is an enrolled second factor.
type Factor struct {
	ID         string `gorm:"primaryKey"` // UUIDv7
	UserID     string
	Kind       string // FactorTOTP; a user has one factor of a kind
	Secret     []byte // encrypted
	LastStep   int64  // the time step of the last accepted code
	Failures   int64  // consecutive wrong codes
	CreatedAt  time.Time
	LastUsedAt *time.Time // nil: not since it was enrolled
}

// Factor returns the kind, as enum Factor of the schema names it.
func (f *Factor) Factor() string { return f.Kind }

// Name returns nil: a user has one factor of a kind, which needs no name.
func (f *Factor) Name() *string { return nil }

// IsLocked reports whether the factor accepts no code any more.
func (f *Factor) IsLocked() bool { return f.Failures >= MaxFactorFailures }

// RecoveryCode is a recovery code that was not used yet.
type RecoveryCode struct {
	Hash      []byte `gorm:"primaryKey;size:32"` // SHA-256 of the code and its user
	UserID    string
	CreatedAt time.Time
}

// Challenge is something that waits for the code of a second factor: a sign-in, or an enrolment.
type Challenge struct {
	ID         string `gorm:"primaryKey"` // UUIDv7
	Hash       []byte // SHA-256 of the client's secret
	UserID     string
	Purpose    string
	Epoch      int64 // the user's SessionEpoch when the challenge was created
	RememberMe bool
	Secret     NullBytes // of the factor that is being enrolled, encrypted; nil for a sign-in
	Attempts   int64     // wrong codes
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// Factors returns the second factors of a user, the oldest first.
func (s *Store) Factors(ctx context.Context, userID string) (list []*Factor, err error) {
	err = s.conn(ctx).Where("user_id = ?", userID).Order("created_at, id").Find(&list).Error
	return list, s.translate(ctx, err)
}

// FactorKinds returns the kinds of the second factors of a user.
func (s *Store) FactorKinds(ctx context.Context, userID string) (kinds []string, err error) {
	err = s.conn(ctx).Model(&Factor{}).Where("user_id = ?", userID).Order("kind").Pluck("kind", &kinds).Error
	return kinds, s.translate(ctx, err)
}

// SaveFactor enrols a factor in place of the user's factor of the same kind, if there is one. Its
// CreatedAt and LastStep count.
func (s *Store) SaveFactor(ctx context.Context, f *Factor) error {
	return s.Transaction(ctx, func(tx *Store) error {
		values := map[string]any{
			"id": f.ID, "secret": f.Secret, "last_step": f.LastStep, "failures": 0,
			"created_at": f.CreatedAt, "last_used_at": nil,
		}
		r := tx.conn(ctx).Model(&Factor{}).Where("user_id = ? AND kind = ?", f.UserID, f.Kind).Updates(values)
		if r.Error != nil || r.RowsAffected > 0 {
			return tx.translate(ctx, r.Error)
		}
		return tx.insert(ctx, f)
	})
}

// AcceptFactorStep records the time step of an accepted code. Of any number of calls with one step
// exactly one succeeds; the others return ErrNotFound, as they do if a later step was accepted or
// the factor is locked (RFC 6238 section 5.2: a code is accepted once).
func (s *Store) AcceptFactorStep(ctx context.Context, f *Factor, step int64, now time.Time) error {
	return s.updateFactor(ctx, map[string]any{"last_step": step, "failures": 0, "last_used_at": now},
		"user_id = ? AND id = ? AND secret = ? AND last_step < ? AND failures < ?", f.UserID, f.ID, f.Secret, step, MaxFactorFailures)
}

// FailFactor counts a wrong code. It returns ErrNotFound if the factor is gone.
func (s *Store) FailFactor(ctx context.Context, f *Factor) error {
	return s.updateFactor(ctx, map[string]any{"failures": gorm.Expr("failures + 1")}, "user_id = ? AND id = ?", f.UserID, f.ID)
}

// ReplaceFactorSecret stores a secret that was encrypted with another key. It changes nothing if
// the secret was replaced meanwhile.
func (s *Store) ReplaceFactorSecret(ctx context.Context, f *Factor, secret []byte) error {
	return s.updateFactor(ctx, map[string]any{"secret": secret}, "user_id = ? AND id = ? AND secret = ?", f.UserID, f.ID, f.Secret)
}

func (s *Store) updateFactor(ctx context.Context, values map[string]any, condition string, args ...any) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&Factor{}).Where(condition, args...).Updates(values)
		if r.Error == nil && r.RowsAffected == 0 {
			return ErrNotFound
		}
		return tx.translate(ctx, r.Error)
	})
}

// DeleteFactor removes a factor. With the last one it removes the recovery codes, and what the
// factors proved in the user's sessions. It returns ErrNotFound if the user has no such factor.
func (s *Store) DeleteFactor(ctx context.Context, id, userID string) error {
	if !isASCII(id) {
		return ErrNotFound
	}
	return s.Transaction(ctx, func(tx *Store) error {
		deleted, err := tx.deleteWhere(ctx, &Factor{}, "user_id = ? AND id = ?", userID, id)
		if err == nil && deleted == 0 {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		left, err := tx.Factors(ctx, userID)
		if err != nil || len(left) > 0 {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &RecoveryCode{}, "user_id = ?", userID); err != nil {
			return err
		}
		r := tx.conn(ctx).Model(&Session{}).Where("user_id = ?", userID).Updates(map[string]any{"second_proved_at": nil})
		return tx.translate(ctx, r.Error)
	})
}

// deleteFactorsSince removes the second factors that were enrolled after a UUIDv7 was made, and all
// recovery codes, because an intruder may have replaced them.
func (s *Store) deleteFactorsSince(ctx context.Context, userID, id string) error {
	if _, err := s.deleteWhere(ctx, &Factor{}, "user_id = ? AND id > ?", userID, id); err != nil {
		return err
	}
	_, err := s.deleteWhere(ctx, &RecoveryCode{}, "user_id = ?", userID)
	return err
}

// DeleteFactors removes the second factors, the recovery codes and the open challenges of a user.
func (s *Store) DeleteFactors(ctx context.Context, userID string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		for _, row := range []any{&Factor{}, &RecoveryCode{}, &Challenge{}} {
			if _, err := tx.deleteWhere(ctx, row, "user_id = ?", userID); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReplaceRecoveryCodes stores new recovery codes in place of all others of the user. It returns
// ErrNotFound if the user has no second factor. It locks the factors, so that the codes do not
// outlive a factor or an account that is deleted meanwhile.
func (s *Store) ReplaceRecoveryCodes(ctx context.Context, userID string, codes []*RecoveryCode) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if err := tx.updateFactor(ctx, map[string]any{"failures": gorm.Expr("failures")}, "user_id = ?", userID); err != nil {
			return err
		}
		if _, err := tx.deleteWhere(ctx, &RecoveryCode{}, "user_id = ?", userID); err != nil {
			return err
		}
		return tx.insert(ctx, codes)
	})
}

// UseRecoveryCode deletes a recovery code, and unlocks the user's factors. Of any number of calls
// with one code exactly one succeeds; the others return ErrNotFound, as they do for an unknown
// code. It returns the number of codes that are left.
func (s *Store) UseRecoveryCode(ctx context.Context, userID string, hash []byte) (left int64, err error) {
	err = s.Transaction(ctx, func(tx *Store) error {
		deleted, err := tx.deleteWhere(ctx, &RecoveryCode{}, "user_id = ? AND hash = ?", userID, hash)
		if err == nil && deleted == 0 {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := tx.conn(ctx).Model(&Factor{}).Where("user_id = ?", userID).Updates(map[string]any{"failures": 0}).Error; err != nil {
			return tx.translate(ctx, err)
		}
		return tx.translate(ctx, tx.conn(ctx).Model(&RecoveryCode{}).Where("user_id = ?", userID).Count(&left).Error)
	})
	return left, err
}

// CreateChallenge stores a challenge. A new enrolment ends the user's other enrolments of the same
// purpose.
func (s *Store) CreateChallenge(ctx context.Context, c *Challenge) error {
	return s.Transaction(ctx, func(tx *Store) error {
		if c.Secret != nil {
			if _, err := tx.deleteWhere(ctx, &Challenge{}, "user_id = ? AND purpose = ?", c.UserID, c.Purpose); err != nil {
				return err
			}
		}
		return tx.insert(ctx, c)
	})
}

// ChallengeByHash returns the challenge whose client secret has this hash, or ErrNotFound. Whether
// it has expired is for the caller to see.
func (s *Store) ChallengeByHash(ctx context.Context, hash []byte) (*Challenge, error) {
	var c Challenge
	if err := s.conn(ctx).Where("hash = ?", hash).Take(&c).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	return &c, nil
}

// PendingChallenge returns the newest challenge of a user for a purpose that has not expired at
// now, or ErrNotFound.
func (s *Store) PendingChallenge(ctx context.Context, userID, purpose string, now time.Time) (*Challenge, error) {
	var c Challenge
	err := s.conn(ctx).Where("user_id = ? AND purpose = ? AND expires_at > ?", userID, purpose, now).Order("id DESC").Take(&c).Error
	if err != nil {
		return nil, s.translate(ctx, err)
	}
	return &c, nil
}

// UseChallenge deletes a challenge. Of any number of calls exactly one succeeds; the others return
// ErrNotFound, as they do if it has expired or had too many wrong codes.
func (s *Store) UseChallenge(ctx context.Context, c *Challenge, now time.Time) error {
	return s.Transaction(ctx, func(tx *Store) error {
		deleted, err := tx.deleteWhere(ctx, &Challenge{}, "user_id = ? AND id = ? AND expires_at > ? AND attempts < ?",
			c.UserID, c.ID, now, MaxChallengeAttempts)
		if err == nil && deleted == 0 {
			return ErrNotFound
		}
		return err
	})
}

// FailChallenge counts a wrong code.
func (s *Store) FailChallenge(ctx context.Context, c *Challenge) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&Challenge{}).Where("user_id = ? AND id = ?", c.UserID, c.ID).
			Updates(map[string]any{"attempts": gorm.Expr("attempts + 1")})
		return tx.translate(ctx, r.Error)
	})
}

func (s *Store) sweepChallenges(ctx context.Context, now time.Time) (int, error) {
	return sweepOwned[string](ctx, s, &Challenge{}, now)
}

// ProveSession records that the user of a session proved a first or a second factor at a time, and
// how. It returns ErrNotFound if the session has ended.
func (s *Store) ProveSession(ctx context.Context, session *Session, second bool, methods string, at time.Time) error {
	values := map[string]any{"proved_at": at, "methods": methods}
	if second {
		// The first proof of a session that an older server opened is its creation. The one in
		// session may be older than the row's: it may come from a cache.
		values = map[string]any{
			"proved_at": gorm.Expr("COALESCE(proved_at, created_at)"), "second_proved_at": at, "methods": methods,
		}
	}
	return s.updateSession(ctx, values, "user_id = ? AND id = ? AND epoch = ?", session.UserID, session.ID, session.Epoch)
}

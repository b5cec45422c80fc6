package models

import (
	"context"
	"time"

	"gorm.io/gorm/clause"
)

// TrustedPlace is a device or a network from which the owner of an account has signed in.
type TrustedPlace struct {
	ID        []byte `gorm:"primaryKey;size:32"` // hash of UserID and Place
	UserID    string
	Place     []byte // hash of the device's cookie or of the network
	ExpiresAt time.Time
}

// SaveTrustedPlaces stores places of one user. It keeps the max places of the user that expire
// last.
func (s *Store) SaveTrustedPlaces(ctx context.Context, places []*TrustedPlace, max int) error {
	if len(places) == 0 {
		return nil
	}
	return s.Transaction(ctx, func(tx *Store) error {
		newer := clause.OnConflict{
			Columns:   []clause.Column{{Name: "id"}},
			DoUpdates: clause.AssignmentColumns([]string{"expires_at"}),
		}
		if err := tx.conn(ctx).Clauses(newer).Create(places).Error; err != nil {
			return tx.translate(ctx, err)
		}
		var surplus [][]byte
		err := tx.conn(ctx).Model(&TrustedPlace{}).Where("user_id = ?", places[0].UserID).
			Order("expires_at DESC, id").Offset(max).Limit(sweepBatch).Pluck("id", &surplus).Error
		if err != nil || len(surplus) == 0 {
			return tx.translate(ctx, err)
		}
		_, err = tx.deleteWhere(ctx, &TrustedPlace{}, "user_id = ? AND id IN ?", places[0].UserID, surplus)
		return err
	})
}

// DeleteTrustedPlace deletes one place of a user, if it exists.
func (s *Store) DeleteTrustedPlace(ctx context.Context, id []byte, userID string) error {
	return s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, &TrustedPlace{}, "user_id = ? AND id = ?", userID, id)
		return err
	})
}

// deleteTrustedPlaces deletes all places of a user.
func (s *Store) deleteTrustedPlaces(ctx context.Context, userID string) error {
	_, err := s.deleteWhere(ctx, &TrustedPlace{}, "user_id = ?", userID)
	return err
}

// HasTrustedPlace reports whether a user has a trusted place at now.
func (s *Store) HasTrustedPlace(ctx context.Context, userID string, now time.Time) (bool, error) {
	var ids [][]byte
	err := s.conn(ctx).Model(&TrustedPlace{}).Where("user_id = ? AND expires_at > ?", userID, now).
		Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

// FindTrustedPlace returns one of the places that the account with an e-mail key trusts at now, the
// last to expire, or nil.
func (s *Store) FindTrustedPlace(ctx context.Context, emailKey string, places [][]byte, now time.Time) ([]byte, error) {
	var found []*TrustedPlace
	err := s.conn(ctx).Joins("JOIN users ON users.id = trusted_places.user_id").
		Where("users.email_key = ? AND trusted_places.place IN ? AND trusted_places.expires_at > ?", emailKey, places, now).
		Order("trusted_places.expires_at DESC, trusted_places.id").Limit(1).Find(&found).Error
	if err != nil || len(found) == 0 {
		return nil, s.translate(ctx, err)
	}
	return found[0].Place, nil
}

package models

import (
	"context"
	"time"
)

// A mark is a Bucket that records that something was done, until it expires.

// HasMark reports whether a mark is set now.
func (s *Store) HasMark(ctx context.Context, id []byte) (bool, error) {
	var list []Bucket
	if err := s.conn(ctx).Where("id = ? AND until > ?", id, s.Now().UnixMicro()).Find(&list).Error; err != nil {
		return false, s.translate(ctx, err)
	}
	return len(list) > 0, nil
}

// SetMark sets a mark until a time, and reports whether it was not set before. Of any number of
// concurrent calls, on any number of servers, one reports true.
func (s *Store) SetMark(ctx context.Context, id []byte, until time.Time) (set bool, err error) {
	now := s.Now()
	err = s.Transaction(ctx, func(tx *Store) error {
		// On MySQL the INSERT counts an existing row as affected, so the UPDATE decides.
		fresh := tx.conn(ctx).Clauses(keepExisting("id", "until")).Create(&Bucket{ID: id})
		if fresh.Error != nil {
			return tx.translate(ctx, fresh.Error)
		}
		r := tx.conn(ctx).Exec("UPDATE limits SET until = ? WHERE id = ? AND until <= ?",
			until.UnixMicro(), id, now.UnixMicro())
		set = r.RowsAffected == 1
		return tx.translate(ctx, r.Error)
	})
	return set, err
}

package models

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// MutexRow is a row that is written before something is decided that one may decide at a time. On one server the
// second waits for the row; on a cluster, where a lock does not reach the other nodes, two that wrote the
// same row cannot both commit.
type MutexRow struct {
	Name   string `gorm:"primaryKey"`
	Number int64
}

// adminsMutex is taken by whoever takes power away from an account.
const adminsMutex = "admins"

// WithAdminInvariant runs change in a transaction, and undoes it with ErrLastAdmin if afterwards no open account has any of
// the roles. Two that run at once are judged one after the other.
func (s *Store) WithAdminInvariant(ctx context.Context, roles []string, change func(tx *Store) error) error {
	return s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&MutexRow{}).Where("name = ?", adminsMutex).Update("number", gorm.Expr("number + 1"))
		if r.Error != nil {
			return tx.translate(ctx, r.Error)
		}
		before, err := tx.lockEnabledUser(ctx, roles)
		if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		after, err := tx.lockEnabledUser(ctx, roles)
		if err == nil && before && !after {
			return ErrLastAdmin
		}
		return err
	})
}

// lockEnabledUser reports whether there is an open account with any of the roles. It locks the row that it found:
// some databases would otherwise show the table as it was when the transaction began.
func (s *Store) lockEnabledUser(ctx context.Context, roles []string) (any bool, err error) {
	var ids []string
	err = s.conn(ctx).Model(&User{}).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("role IN ? AND disabled_at IS NULL", roles).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

// TableName is read by GORM.
func (MutexRow) TableName() string { return "turns" }

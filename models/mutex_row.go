package models

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// MutexRow serializes a decision across servers: each transaction updates the row first. On one
// server the second transaction waits for the row. On a cluster, where row locks do not reach the
// other nodes, two transactions that wrote the same row cannot both commit.
type MutexRow struct {
	Name   string `gorm:"primaryKey"`
	Number int64
}

// adminsMutex is the MutexRow of transactions that may remove an administrator.
const adminsMutex = "admins"

// WithAdminInvariant runs change in a transaction. It rolls back and returns ErrLastAdmin if the
// last enabled account with one of the roles would be lost. Concurrent calls are serialized.
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

// lockEnabledUser reports whether an enabled account has one of the roles. It locks the row that it
// finds, because a plain read in some databases shows the state at the start of the transaction.
func (s *Store) lockEnabledUser(ctx context.Context, roles []string) (any bool, err error) {
	var ids []string
	err = s.conn(ctx).Model(&User{}).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("role IN ? AND disabled_at IS NULL", roles).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

// TableName implements GORM's Tabler. The table predates the type's name.
func (MutexRow) TableName() string { return "turns" }

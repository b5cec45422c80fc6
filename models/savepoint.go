package models

import (
	"context"
	"errors"
	"strconv"
)

// savepoint runs f in a transaction. If f returns refusal, savepoint rolls back what f did, and the
// transaction may continue. So inserted rows are never deleted by a statement, which deadlocks in a
// sharded database (see upsertToken).
//
// Any other error must end the whole transaction. After a deadlock a partial rollback is
// impossible: InnoDB has rolled back the transaction and its savepoints.
func (s *Store) savepoint(ctx context.Context, refusal error, f func(tx *Store) error) error {
	return s.Transaction(ctx, func(outer *Store) error {
		tx := *outer
		tx.savepoints++
		// MySQL replaces a savepoint of the same name.
		name := "savepoint_" + strconv.Itoa(tx.savepoints)
		if err := tx.control(ctx, "SAVEPOINT "+name); err != nil {
			return err
		}
		err := f(&tx)
		if err == nil {
			return tx.control(ctx, "RELEASE SAVEPOINT "+name)
		}
		if errors.Is(err, refusal) {
			// The error replaces the refusal, so that the caller does not continue.
			if rollbackErr := tx.control(ctx, "ROLLBACK TO SAVEPOINT "+name); rollbackErr != nil {
				return rollbackErr
			}
		}
		return err
	})
}

func (s *Store) control(ctx context.Context, statement string) error {
	return s.translate(ctx, s.conn(ctx).Exec(statement).Error)
}

package models

import (
	"context"
	"errors"
	"strconv"
)

// savepoint runs f in a transaction. If f returns refusal, it undoes what f did, and the transaction may go on: rows that
// were inserted are never deleted by a statement, which a sharded database would wait for (see upsertToken).
//
// Any other error is one of the whole transaction, which must end with it. After a deadlock nothing is left that could be
// undone in part: InnoDB has rolled back the transaction and its savepoints.
func (s *Store) savepoint(ctx context.Context, refusal error, f func(tx *Store) error) error {
	return s.Transaction(ctx, func(outer *Store) error {
		tx := *outer
		tx.savepoints++
		name := "savepoint_" + strconv.Itoa(tx.savepoints) // MySQL has one of each name
		if err := tx.control(ctx, "SAVEPOINT "+name); err != nil {
			return err
		}
		err := f(&tx)
		if err == nil {
			return tx.control(ctx, "RELEASE SAVEPOINT "+name)
		}
		if errors.Is(err, refusal) {
			// Its error replaces the refusal: the caller must not go on.
			if lost := tx.control(ctx, "ROLLBACK TO SAVEPOINT "+name); lost != nil {
				return lost
			}
		}
		return err
	})
}

func (s *Store) control(ctx context.Context, statement string) error {
	return s.translate(ctx, s.conn(ctx).Exec(statement).Error)
}

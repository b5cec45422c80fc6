package models

import (
	"context"
	"slices"
	"time"
)

// sweepBatch is the maximum of rows per DELETE of Sweep. So it holds the write lock of a SQLite
// file, and row locks elsewhere, for a few milliseconds.
const sweepBatch = 200

// Sweep deletes expired sessions, spent tokens, rate limit buckets, one-time tokens, trusted
// places, pending registrations and challenges, and mails that no mailer sends any more. It returns
// the number of rows. It deletes in small batches, so that other writes are not blocked. Any number
// of servers may run it concurrently.
func (s *Store) Sweep(ctx context.Context, now time.Time) (rows int, err error) {
	for _, sweep := range []func(context.Context, time.Time) (int, error){
		s.sweepSessions, s.sweepSpentTokens, s.sweepBuckets, s.sweepTokens, s.sweepMails,
		s.sweepTrustedPlaces, s.sweepPendingRegistrations, s.sweepChallenges,
	} {
		for {
			n, err := sweep(ctx, now)
			rows += n
			if err != nil {
				return rows, err
			}
			if n < sweepBatch {
				break
			}
		}
	}
	return rows, nil
}

// The conditions of expired rows.
const (
	expiredCondition       = "expires_at <= ?"
	bucketExpiredCondition = "until <= ?"
)

func (s *Store) sweepSessions(ctx context.Context, now time.Time) (int, error) {
	return sweepOwned[string](ctx, s, &Session{}, now)
}

func (s *Store) sweepSpentTokens(ctx context.Context, now time.Time) (int, error) {
	var hashes [][]byte
	err := s.conn(ctx).Model(&SpentToken{}).Where(expiredCondition, now).Limit(sweepBatch).Pluck("hash", &hashes).Error
	return sweepBatchOf(ctx, s, &SpentToken{}, "hash", hashes, expiredCondition, now, err)
}

func (s *Store) sweepBuckets(ctx context.Context, now time.Time) (int, error) {
	var ids [][]byte
	err := s.conn(ctx).Model(&Bucket{}).Where(bucketExpiredCondition, now.UnixMicro()).
		Limit(sweepBatch).Pluck("id", &ids).Error
	return sweepBatchOf(ctx, s, &Bucket{}, "id", ids, bucketExpiredCondition, now.UnixMicro(), err)
}

func (s *Store) sweepTokens(ctx context.Context, now time.Time) (int, error) {
	return sweepOwned[string](ctx, s, &OneTimeToken{}, now)
}

func (s *Store) sweepTrustedPlaces(ctx context.Context, now time.Time) (int, error) {
	return sweepOwned[[]byte](ctx, s, &TrustedPlace{}, now)
}

func (s *Store) sweepPendingRegistrations(ctx context.Context, now time.Time) (int, error) {
	return sweepOwned[string](ctx, s, &PendingRegistration{}, now)
}

// sweepOwned sweeps a table whose rows belong to users. The DELETE also names the users, so that a
// database that is sharded by user sends it only to their shards. It still uses the primary key.
func sweepOwned[K any](ctx context.Context, s *Store, row any, now time.Time) (int, error) {
	var list []struct {
		ID     K
		UserID string
	}
	err := s.conn(ctx).Model(row).Select("id, user_id").Where(expiredCondition, now).Limit(sweepBatch).Find(&list).Error
	if err != nil || len(list) == 0 {
		return 0, s.translate(ctx, err)
	}
	ids, users := make([]K, len(list)), make([]string, len(list))
	for i, r := range list {
		ids[i], users[i] = r.ID, r.UserID
	}
	slices.Sort(users)
	return len(list), s.Transaction(ctx, func(tx *Store) error {
		_, err := tx.deleteWhere(ctx, row, "user_id IN ? AND id IN ? AND "+expiredCondition,
			slices.Compact(users), ids, now)
		return err
	})
}

// mailRetention is the age after which a due mail is deleted: no mailer runs, or it would have
// given the mail up.
const mailRetention = 7 * 24 * time.Hour

func (s *Store) sweepMails(ctx context.Context, now time.Time) (int, error) {
	var ids []string
	const isOver, last = "due_at <= ?", -mailRetention
	err := s.conn(ctx).Model(&Mail{}).Where(isOver, now.Add(last)).Limit(sweepBatch).Pluck("id", &ids).Error
	return sweepBatchOf(ctx, s, &Mail{}, "id", ids, isOver, now.Add(last), err)
}

// sweepBatchOf deletes by primary key: a range would lock the gaps into which other transactions
// insert. The DELETE repeats the condition, since a session may have been refreshed meanwhile.
func sweepBatchOf[K any](
	ctx context.Context, s *Store, row any, key string, keys []K, over string, now any, err error) (int, error,
) {
	if err != nil || len(keys) == 0 {
		return 0, s.translate(ctx, err)
	}
	err = s.Transaction(ctx, func(tx *Store) error {
		return tx.translate(ctx, tx.conn(ctx).Where(key+" IN ? AND "+over, keys, now).Delete(row).Error)
	})
	return len(keys), err
}

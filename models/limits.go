package models

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"fieldgate/internal/limit"
)

// Bucket is the row of one key of a rate limit. Until is the time until which the key is used up,
// in the terms of GCRA; an expired row means the same as a missing one.
type Bucket struct {
	ID    []byte `gorm:"primaryKey;size:32"`
	Until int64  // microseconds since 1970: SQL arithmetic on it is the same on every database
}

// Reservation is one use of one key of a limit.
type Reservation struct {
	Name            string // of the limit; LimitReachedError reports it
	ID              []byte
	Rate            limit.Rate
	CountsSuccesses bool // the caller keeps it after a success; Acquire and Release ignore it
	CheckOnly       bool // Acquire checks for room and does not count it
}

// LimitReachedError is the error of Acquire if a limit is used up.
type LimitReachedError struct {
	Name string        // of the reservation with the longest wait
	Wait time.Duration // the time until it is available
}

func (e *LimitReachedError) Error() string { return "too many attempts, try again later" }

// acquireAttempts bounds the attempts of Acquire when another transaction changes a bucket
// meanwhile. A full bucket ends Acquire at the next attempt. More attempts are needed only while
// reservations are released as fast as they are acquired.
const acquireAttempts = 5

var (
	errBucketChanged = errors.New("a rate limit bucket was changed or deleted after it was read")
	errInTransaction = errors.New("rate limits must be counted outside of a transaction: a rollback would undo the count of an attempt")
)

// Acquire counts all reservations except those that are CheckOnly, and returns the counted ones for
// Release. If one has no room, it counts none and returns *LimitReachedError, after one query that
// only reads. Of any number of concurrent calls, on any number of servers, exactly as many succeed
// as the rates allow.
func (s *Store) Acquire(ctx context.Context, reservations []Reservation) (acquired []Reservation, err error) {
	if s.inTransaction {
		return nil, errInTransaction
	}
	if len(reservations) == 0 {
		return nil, nil
	}
	for range acquireAttempts {
		now := s.Now()
		rows, err := s.readBuckets(ctx, reservations)
		if err != nil {
			return nil, err
		}
		if full := longestWait(reservations, rows, now); full != nil {
			return nil, full
		}
		acquired := slices.DeleteFunc(sortedByID(reservations), func(r Reservation) bool { return r.CheckOnly })
		if err := s.advanceBuckets(ctx, acquired, rows, now); !errors.Is(err, errBucketChanged) {
			return acquired, err
		}
	}
	return nil, &LimitReachedError{Name: reservations[0].Name, Wait: time.Second}
}

// readBuckets reads the rows of all reservations in one query. It returns Until by ID.
func (s *Store) readBuckets(ctx context.Context, reservations []Reservation) (map[string]time.Time, error) {
	var ids [][]byte
	for _, reservation := range reservations {
		ids = append(ids, reservation.ID)
	}
	var list []Bucket
	if err := s.conn(ctx).Where("id IN ?", ids).Find(&list).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	rows := make(map[string]time.Time, len(list))
	for _, row := range list {
		rows[string(row.ID)] = time.UnixMicro(row.Until)
	}
	return rows, nil
}

// sortedByID returns the reservations in the order of their IDs. Transactions that lock the same
// rows in one order cannot deadlock.
func sortedByID(reservations []Reservation) []Reservation {
	return slices.SortedFunc(slices.Values(reservations), func(a, b Reservation) int {
		return bytes.Compare(a.ID, b.ID)
	})
}

// longestWait returns the *LimitReachedError with the longest wait; nil, and no typed nil, if there
// is room for all.
func longestWait(reservations []Reservation, rows map[string]time.Time, now time.Time) (full error) {
	var wait time.Duration
	for _, reservation := range reservations {
		if w := reservation.Rate.Wait(rows[string(reservation.ID)], now); w > wait {
			full, wait = &LimitReachedError{Name: reservation.Name, Wait: w}, w
		}
	}
	return full
}

// advanceBuckets moves Until of every row if all rows have room. Otherwise it changes nothing and
// returns errBucketChanged. Each statement names one row: MariaDB may lock the whole table for
// several.
func (s *Store) advanceBuckets(
	ctx context.Context, reservations []Reservation, rows map[string]time.Time, now time.Time,
) error {
	if len(reservations) == 0 {
		return nil
	}
	var fresh []Bucket
	for _, reservation := range reservations {
		if _, found := rows[string(reservation.ID)]; !found {
			fresh = append(fresh, Bucket{ID: reservation.ID})
		}
	}
	return s.Transaction(ctx, func(tx *Store) error {
		if len(fresh) > 0 {
			// Another transaction may insert the same row. On MySQL that row is then locked for the
			// UPDATE.
			if err := tx.conn(ctx).Clauses(keepExisting("id", "until")).Create(fresh).Error; err != nil {
				return tx.translate(ctx, err)
			}
		}
		for _, reservation := range reservations {
			r := tx.conn(ctx).Exec("UPDATE limits SET until = CASE WHEN until > ? THEN until ELSE ? END + ? WHERE id = ? AND until <= ?",
				now.UnixMicro(), now.UnixMicro(), reservation.Rate.Step().Microseconds(),
				reservation.ID, reservation.Rate.Latest(now).UnixMicro())
			if r.Error == nil && r.RowsAffected != 1 {
				return errBucketChanged
			}
			if r.Error != nil {
				return tx.translate(ctx, r.Error)
			}
		}
		return nil
	})
}

// Release undoes reservations that Acquire returned.
func (s *Store) Release(ctx context.Context, reservations []Reservation) error {
	if s.inTransaction {
		return errInTransaction
	}
	if len(reservations) == 0 {
		return nil
	}
	return s.Transaction(ctx, func(tx *Store) error {
		for _, reservation := range reservations {
			r := tx.conn(ctx).Exec("UPDATE limits SET until = until - ? WHERE id = ?",
				reservation.Rate.Step().Microseconds(), reservation.ID)
			if r.Error != nil {
				return tx.translate(ctx, r.Error)
			}
		}
		return nil
	})
}

// TableName implements GORM's Tabler.
func (Bucket) TableName() string { return "limits" }

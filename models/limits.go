package models

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"fieldgate/internal/limit"
)

// Bucket is one key of a rate limit and until when it is used up. After that the row says no more than one that is not
// there.
type Bucket struct {
	ID    []byte `gorm:"primaryKey;size:32"`
	Until int64  // microseconds since 1970: a limit is moved on by arithmetic in SQL, the same on every database
}

// Reservation is one use of one key of a limit.
type Reservation struct {
	Name            string // the limit's, for LimitReachedError
	ID              []byte
	Rate            limit.Rate
	CountsSuccesses bool // not to be given back after a success; Take and Give do not read it
	CheckOnly       bool // Acquire asks only whether there is room
}

// LimitReachedError is the error of a Slot that is not to be had.
type LimitReachedError struct {
	Name string        // the slot's; of several, the one that takes longest
	Wait time.Duration // until it is to be had
}

func (e *LimitReachedError) Error() string { return "too many attempts, try again later" }

// acquireAttempts is how often Take looks again when somebody has changed a row since it looked. A row that has no room
// any more ends it at the next look, so there are more only while slots come back as fast as they go.
const acquireAttempts = 5

var (
	errBucketChanged = errors.New("a limit was used up, or its row swept away, since it was read")
	errInTransaction = errors.New("a limit is counted outside of any transaction: what is rolled back was tried nevertheless")
)

// Acquire takes all of the slots but those to check, and returns them for Give, or takes none and returns
// *LimitReachedError, after one query that only reads. Of any number of calls at once, on any number of servers,
// exactly as many succeed as there are slots.
func (s *Store) Acquire(ctx context.Context, slots []Reservation) (taken []Reservation, err error) {
	if s.inTransaction {
		return nil, errInTransaction
	}
	if len(slots) == 0 {
		return nil, nil
	}
	for range acquireAttempts {
		now := s.Now()
		rows, err := s.readBuckets(ctx, slots)
		if err != nil {
			return nil, err
		}
		if full := longestWait(slots, rows, now); full != nil {
			return nil, full
		}
		taken := slices.DeleteFunc(sortedByID(slots), func(slot Reservation) bool { return slot.CheckOnly })
		if err := s.advanceBuckets(ctx, taken, rows, now); !errors.Is(err, errBucketChanged) {
			return taken, err
		}
	}
	return nil, &LimitReachedError{Name: slots[0].Name, Wait: time.Second}
}

// readBuckets reads all rows of the slots in one query: until when, by ID.
func (s *Store) readBuckets(ctx context.Context, slots []Reservation) (map[string]time.Time, error) {
	var ids [][]byte
	for _, slot := range slots {
		ids = append(ids, slot.ID)
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

// sortedByID sorts slots: two transactions that take the same ones never wait for each other crosswise.
func sortedByID(slots []Reservation) []Reservation {
	return slices.SortedFunc(slices.Values(slots), func(a, b Reservation) int { return bytes.Compare(a.ID, b.ID) })
}

// longestWait returns an error, and not a typed nil, only if there is one.
func longestWait(slots []Reservation, rows map[string]time.Time, now time.Time) (full error) {
	var wait time.Duration
	for _, slot := range slots {
		if w := slot.Rate.Wait(rows[string(slot.ID)], now); w > wait {
			full, wait = &LimitReachedError{Name: slot.Name, Wait: w}, w
		}
	}
	return full
}

// advanceBuckets moves every row on, if all of them still have room, or returns errBucketChanged and has done nothing. Each
// row is named alone: asked for several, MariaDB may lock all of the table.
func (s *Store) advanceBuckets(ctx context.Context, slots []Reservation, rows map[string]time.Time, now time.Time) error {
	if len(slots) == 0 {
		return nil
	}
	var fresh []Bucket
	for _, slot := range slots {
		if _, there := rows[string(slot.ID)]; !there {
			fresh = append(fresh, Bucket{ID: slot.ID})
		}
	}
	return s.Transaction(ctx, func(tx *Store) error {
		if len(fresh) > 0 {
			// Somebody else may insert the same row: then it is theirs, and on MySQL locked for the UPDATE already.
			if err := tx.conn(ctx).Clauses(keepExisting("id", "until")).Create(fresh).Error; err != nil {
				return tx.translate(ctx, err)
			}
		}
		for _, slot := range slots {
			r := tx.conn(ctx).Exec("UPDATE limits SET until = CASE WHEN until > ? THEN until ELSE ? END + ? WHERE id = ? AND until <= ?",
				now.UnixMicro(), now.UnixMicro(), slot.Rate.Step().Microseconds(), slot.ID, slot.Rate.Latest(now).UnixMicro())
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

// Release gives slots back that Take has returned.
func (s *Store) Release(ctx context.Context, slots []Reservation) error {
	if s.inTransaction {
		return errInTransaction
	}
	if len(slots) == 0 {
		return nil
	}
	return s.Transaction(ctx, func(tx *Store) error {
		for _, slot := range slots {
			r := tx.conn(ctx).Exec("UPDATE limits SET until = until - ? WHERE id = ?", slot.Rate.Step().Microseconds(), slot.ID)
			if r.Error != nil {
				return tx.translate(ctx, r.Error)
			}
		}
		return nil
	})
}

// TableName is read by GORM.
func (Bucket) TableName() string { return "limits" }

package models

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// AuditEntry records an event: who did it, to which account, and from which address. Entries are
// deleted only when they are old. They change in two ways only: deleting an account clears its
// addresses, and IncrementAudit raises the Detail of a counter.
type AuditEntry struct {
	ID        string `gorm:"primaryKey"` // UUIDv7: sorts by time
	Event     string
	Detail    *string
	UserID    *string // the account concerned; nil if no account has the address of the attempt
	ActorID   *string // the user who acted; nil without a session and on the command line
	SessionID *string
	IP        *string
	UserAgent *string
	CreatedAt time.Time

	User  *User `gorm:"-"` // set by AuditLog; nil if the account does not exist (any more)
	Actor *User `gorm:"-"` // as User
}

// TableName implements GORM's Tabler.
func (AuditEntry) TableName() string { return "audit" }

// CreateAudit inserts an entry. Call it in the transaction of the event.
func (s *Store) CreateAudit(ctx context.Context, e *AuditEntry) error {
	return s.insert(ctx, e)
}

// IncrementAudit adds one to the Detail of the entry with the ID of e. If no such entry exists, it
// inserts e, whose Detail is the first count, and reports that as written.
func (s *Store) IncrementAudit(ctx context.Context, e *AuditEntry) (written bool, err error) {
	// Arithmetic on a number stored as text works the same in both databases.
	more := gorm.Expr("detail + 1")
	err = s.Transaction(ctx, func(tx *Store) error {
		r := tx.conn(ctx).Model(&AuditEntry{}).Where("id = ?", e.ID).Updates(map[string]any{"detail": more})
		if r.Error != nil || r.RowsAffected > 0 {
			written = false
			return tx.translate(ctx, r.Error)
		}
		written = true
		counts := clause.OnConflict{
			Columns:   []clause.Column{{Name: "id"}},
			DoUpdates: clause.Assignments(map[string]any{"detail": more}),
		}
		return tx.translate(ctx, tx.conn(ctx).Clauses(counts).Create(e).Error)
	})
	return written, err
}

// AuditFilter narrows the result of AuditLog. The zero value selects all entries.
type AuditFilter struct {
	UserID  string // only events of this account; "" selects all accounts
	After   string // only entries older than the one with this id; "" starts at the newest
	Before  string // only entries newer than the one with this id; "" ends at the oldest
	Limit   int    // the maximum number of entries; 0 is no limit
	FromEnd bool   // return the last Limit entries of the range, not the first
}

// AuditLog returns entries with their users, newest first.
func (s *Store) AuditLog(ctx context.Context, f AuditFilter) ([]*AuditEntry, error) {
	if !isASCII(f.UserID) || !isASCII(f.After) || !isASCII(f.Before) {
		return nil, nil // ids are ASCII
	}
	q := s.auditEntries(ctx, f)
	if f.FromEnd {
		q = q.Order("id")
	} else {
		q = q.Order("id DESC")
	}
	if f.Limit > 0 {
		q = q.Limit(f.Limit)
	}
	var list []*AuditEntry
	if err := q.Find(&list).Error; err != nil {
		return nil, s.translate(ctx, err)
	}
	if f.FromEnd {
		slices.Reverse(list)
	}
	return list, s.loadAuditUsers(ctx, list)
}

// HasAuditFrom reports whether an entry with this id or a newer one exists. userID is as in
// AuditFilter.
func (s *Store) HasAuditFrom(ctx context.Context, userID, id string) (bool, error) {
	return s.hasAudit(ctx, userID, "id >= ?", "id", id)
}

// HasAuditUpTo reports whether an entry with this id or an older one exists. userID is as in
// AuditFilter.
func (s *Store) HasAuditUpTo(ctx context.Context, userID, id string) (bool, error) {
	return s.hasAudit(ctx, userID, "id <= ?", "id DESC", id)
}

func (s *Store) hasAudit(ctx context.Context, userID, condition, order, id string) (bool, error) {
	if !isASCII(userID) || !isASCII(id) {
		return false, nil
	}
	var ids []string
	err := s.auditEntries(ctx, AuditFilter{UserID: userID}).Where(condition, id).
		Order(order).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

func (s *Store) auditEntries(ctx context.Context, f AuditFilter) *gorm.DB {
	q := s.conn(ctx).Model(&AuditEntry{})
	if f.UserID != "" {
		q = q.Where("user_id = ?", f.UserID)
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	if f.Before != "" {
		q = q.Where("id > ?", f.Before)
	}
	return q
}

// loadAuditUsers reads all users of the entries in one query.
func (s *Store) loadAuditUsers(ctx context.Context, list []*AuditEntry) error {
	var ids []string
	for _, e := range list {
		for _, id := range []*string{e.UserID, e.ActorID} {
			if id != nil {
				ids = append(ids, *id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var users []*User
	if err := s.conn(ctx).Where("id IN ?", ids).Find(&users).Error; err != nil {
		return s.translate(ctx, err)
	}
	byID := make(map[string]*User, len(users))
	for _, u := range users {
		byID[u.ID] = u
	}
	for _, e := range list {
		if e.UserID != nil {
			e.User = byID[*e.UserID]
		}
		if e.ActorID != nil {
			e.Actor = byID[*e.ActorID]
		}
	}
	return nil
}

// clearAuditAddresses removes IP addresses and user agents from the entries of a user, and keeps
// the entries.
func (s *Store) clearAuditAddresses(ctx context.Context, userID string) error {
	nowhere := map[string]any{"ip": nil, "user_agent": nil}
	for _, condition := range []string{"user_id = ?", "actor_id = ?"} {
		if err := s.conn(ctx).Model(&AuditEntry{}).Where(condition, userID).Updates(nowhere).Error; err != nil {
			return s.translate(ctx, err)
		}
	}
	return nil
}

// SweepAudit deletes the entries from before a time and returns their number. It deletes in small
// batches, so that other writes are not blocked.
func (s *Store) SweepAudit(ctx context.Context, before time.Time) (rows int, err error) {
	for {
		var ids []string
		const old = "created_at < ?"
		err := s.conn(ctx).Model(&AuditEntry{}).Where(old, before).Limit(sweepBatch).Pluck("id", &ids).Error
		n, err := sweepBatchOf(ctx, s, &AuditEntry{}, "id", ids, old, before, err)
		rows += n
		if err != nil || n < sweepBatch {
			return rows, err
		}
	}
}

// maxRecentAudit is the number of newest entries that RecentAddresses reads.
const maxRecentAudit = 10_000

// AddressCounts counts events by IP address.
type AddressCounts struct {
	Total    int    // events with an address
	Top      string // the address with the most events; "" if there is none
	TopCount int    // events of Top
}

// RecentAddresses counts the events with these names by IP address, among the newest maxRecentAudit
// entries of the audit log.
func (s *Store) RecentAddresses(ctx context.Context, events ...string) (a AddressCounts, err error) {
	var rows []struct {
		IP    string
		Times int
	}
	err = s.conn(ctx).Raw("SELECT ip, COUNT(*) AS times FROM (SELECT ip, event FROM audit ORDER BY id DESC LIMIT ?) AS recent "+
		"WHERE event IN ? AND ip IS NOT NULL GROUP BY ip ORDER BY times DESC, ip", maxRecentAudit, events).Scan(&rows).Error
	for i, row := range rows {
		if i == 0 {
			a.Top, a.TopCount = row.IP, row.Times
		}
		a.Total += row.Times
	}
	return a, s.translate(ctx, err)
}

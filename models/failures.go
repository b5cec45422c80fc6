package models

import (
	"context"
	"time"
)

// Failures are the failed attempts at one account.
type Failures struct {
	UserID string
	Count  int64
	IP     *string // nil if they came from several addresses, or from an unknown one
}

// maxFailureEntries is how many entries FailuresByUser reads at most, the newest ones.
const maxFailureEntries = 20_000

// FailuresByUser counts the entries of the audit log with one of the events since a time, by the account that they are
// about. It returns at most n accounts that have atLeast of them, those with the most first.
//
// The entries are read off the index of their times, in a query of its own: grouped at once, SQLite would scan the whole
// log by account.
func (s *Store) FailuresByUser(ctx context.Context, events []string, since time.Time, atLeast, n int) (list []Failures, err error) {
	recent := s.conn(ctx).Model(&AuditEntry{}).Select("user_id, ip").
		Where("created_at > ? AND event IN ?", since, events).Order("created_at DESC").Limit(maxFailureEntries)
	err = s.conn(ctx).Table("(?) AS recent", recent).
		Select("user_id, COUNT(*) AS count, CASE WHEN MIN(ip) = MAX(ip) THEN MIN(ip) END AS ip").Where("user_id IS NOT NULL").
		Group("user_id").Having("COUNT(*) >= ?", atLeast).Order("COUNT(*) DESC, user_id").Limit(n).Find(&list).Error
	return list, s.translate(ctx, err)
}

// HasSignedIn reports whether the audit log has a session of a user that began with one of the events, from an IP address
// unless that is "".
func (s *Store) HasSignedIn(ctx context.Context, userID, ip string, events []string) (bool, error) {
	q := s.conn(ctx).Model(&AuditEntry{}).Where("user_id = ? AND event IN ? AND session_id IS NOT NULL", userID, events)
	if ip != "" {
		q = q.Where("ip = ?", ip)
	}
	var ids []string
	err := q.Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

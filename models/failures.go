package models

import (
	"context"
	"time"
)

// Failures counts the failed attempts on one account.
type Failures struct {
	UserID string
	Count  int64
	IP     *string // nil if the attempts have several addresses, or an unknown one
}

// maxFailureEntries is the number of newest entries that FailuresByUser reads at most.
const maxFailureEntries = 20_000

// FailuresByUser counts the entries of the audit log since a time that have one of the events, by
// account. It returns at most n accounts with at least atLeast entries, those with the most first.
//
// A query of its own reads the entries from the index on their times. In one query with the
// grouping, SQLite would scan the whole log by account.
func (s *Store) FailuresByUser(
	ctx context.Context, events []string, since time.Time, atLeast, n int) (list []Failures, err error,
) {
	recent := s.conn(ctx).Model(&AuditEntry{}).Select("user_id, ip").
		Where("created_at > ? AND event IN ?", since, events).Order("created_at DESC").Limit(maxFailureEntries)
	err = s.conn(ctx).Table("(?) AS recent", recent).
		Select("user_id, COUNT(*) AS count, CASE WHEN MIN(ip) = MAX(ip) THEN MIN(ip) END AS ip").Where("user_id IS NOT NULL").
		Group("user_id").Having("COUNT(*) >= ?", atLeast).Order("COUNT(*) DESC, user_id").Limit(n).Find(&list).Error
	return list, s.translate(ctx, err)
}

// HasSignedIn reports whether the audit log contains a session of a user that one of the events
// opened. If ip is not "", the session must come from that address.
func (s *Store) HasSignedIn(ctx context.Context, userID, ip string, events []string) (bool, error) {
	q := s.conn(ctx).Model(&AuditEntry{}).Where("user_id = ? AND event IN ? AND session_id IS NOT NULL", userID, events)
	if ip != "" {
		q = q.Where("ip = ?", ip)
	}
	var ids []string
	err := q.Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.translate(ctx, err)
}

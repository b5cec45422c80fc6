package account

import (
	"context"
	"encoding/base64"
	"strings"

	"fieldgate/models"
)

// AuditQuery asks for a page of the audit log. The zero value of a field, but of First, is no restriction.
type AuditQuery struct {
	First  int     // 1 to 100
	After  string  // a cursor of AuditPage
	UserID *string // only what was done to this account
}

// AuditPage is a page of the audit log, the newest entry first.
type AuditPage struct {
	Entries []*models.AuditEntry
	More    bool
}

// cursorAudit is what the cursors of the audit log begin with, as those of Users begin with others: one of another
// listing is refused, and not taken for a place before everything or behind it.
const cursorAudit = "a"

// AuditCursor is where an entry stands among all; it stays good whatever is added or deleted.
func AuditCursor(e *models.AuditEntry) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorAudit + e.ID))
}

// parseAuditCursor takes what AuditCursor has written, and nothing else. The id before which a page begins is "" for the
// first one.
func parseAuditCursor(c string) (before string, ok bool) {
	if c == "" {
		return "", true
	}
	text, err := base64.RawURLEncoding.DecodeString(c)
	before, ok = strings.CutPrefix(string(text), cursorAudit)
	return before, ok && err == nil && isID(before) && AuditCursor(&models.AuditEntry{ID: before}) == c
}

// AuditLog returns a page of what was done. It returns *InputError.
func (s *Service) AuditLog(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	var check inputCheck
	if q.First < 1 || q.First > maxPage {
		check.field("first", "must be 1 to 100")
	}
	before, ok := parseAuditCursor(q.After)
	if !ok {
		check.field("after", "must be the endCursor of an earlier page")
	}
	filter := models.AuditFilter{Before: before, Limit: q.First + 1}
	if q.UserID != nil {
		filter.UserID = *q.UserID
		if !isID(filter.UserID) { // "" too: who has no id at hand does not want everybody's entries
			check.field("userId", "must be the id of an account")
		}
	}
	if err := check.err(); err != nil {
		return nil, err
	}
	list, err := s.Store.AuditLog(ctx, filter)
	if err != nil {
		return nil, err
	}
	if len(list) > q.First {
		return &AuditPage{list[:q.First], true}, nil
	}
	return &AuditPage{list, false}, nil
}

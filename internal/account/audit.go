package account

import (
	"context"

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

// AuditCursor is where an entry stands among all; it stays good whatever is added or deleted.
func AuditCursor(e *models.AuditEntry) string { return cursor(models.Place{ID: e.ID}) }

// AuditLog returns a page of what was done. It returns *InputError.
func (s *Service) AuditLog(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	var check inputCheck
	if q.First < 1 || q.First > maxPage {
		check.field("first", "must be 1 to 100")
	}
	before, ok := parseCursor(q.After, "", "")
	if !ok {
		check.field("after", "must be the endCursor of an earlier page")
	}
	filter := models.AuditFilter{Before: before.ID, Limit: q.First + 1}
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

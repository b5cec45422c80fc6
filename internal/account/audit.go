package account

import (
	"context"

	"fieldgate/models"
)

// AuditQuery selects a page of the audit log. The zero value of a field other than First is no
// restriction.
type AuditQuery struct {
	PageQuery
	UserID *string // only entries about this account
}

// AuditPage is a page of the audit log, newest entry first.
type AuditPage struct {
	PageInfo
	Entries []*models.AuditEntry
	// Cursors are the positions of Entries. They stay valid when entries are added or deleted.
	Cursors []string
}

// AuditLog returns a page of the audit log. It returns *InputError.
func (s *Service) AuditLog(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	var check inputCheck
	limit, fromEnd := check.page(q.PageQuery)
	cursors := auditCursors{s.config.Tokens}
	filter := models.AuditFilter{
		After: cursors.parse(&check, "after", q.After), Before: cursors.parse(&check, "before", q.Before),
		Limit: limit + 1, FromEnd: fromEnd,
	}
	if q.UserID != nil {
		filter.UserID = *q.UserID
		if !isID(filter.UserID) { // "" too: an empty id must not select the entries of all accounts
			check.field("userId", "must be the id of an account")
		}
	}
	if err := check.err(); err != nil {
		return nil, err
	}
	list, err := s.config.Store.AuditLog(ctx, filter)
	if err != nil {
		return nil, err
	}
	page := &AuditPage{Entries: list}
	more := len(list) > limit
	switch {
	case more && fromEnd:
		page.Entries = list[1:]
	case more:
		page.Entries = list[:limit]
	}
	if page.PageInfo, err = s.auditPageInfo(ctx, filter, more); err != nil {
		return nil, err
	}
	for _, e := range page.Entries {
		page.Cursors = append(page.Cursors, cursors.seal(e.ID))
	}
	if n := len(page.Cursors); n > 0 {
		page.Start, page.End = page.Cursors[0], page.Cursors[n-1]
	}
	return page, nil
}

// auditPageInfo reports whether pages precede and follow this one. more tells that the page did not
// reach the end of its range.
func (s *Service) auditPageInfo(ctx context.Context, f models.AuditFilter, more bool) (info PageInfo, err error) {
	info.HasPrevious, info.HasNext = more && f.FromEnd, more && !f.FromEnd
	if !info.HasPrevious && f.After != "" {
		if info.HasPrevious, err = s.config.Store.HasAuditFrom(ctx, f.UserID, f.After); err != nil {
			return info, err
		}
	}
	if !info.HasNext && f.Before != "" {
		info.HasNext, err = s.config.Store.HasAuditUpTo(ctx, f.UserID, f.Before)
	}
	return info, err
}

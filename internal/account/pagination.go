package account

import (
	"bytes"
	"fmt"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

const maxPage = 100

// PageQuery selects a page of a list, following the Relay connection specification.
type PageQuery struct {
	First      int    // 1 to 100, from the beginning of the list; ignored if Last is set
	FirstGiven bool   // First was set by the client: it cannot be combined with Last
	Last       *int   // 1 to 100, from the end of the list
	After      string // cursor: only items after it
	Before     string // cursor: only items before it
}

// PageInfo describes the position of a page.
type PageInfo struct {
	HasPrevious, HasNext bool // in a search the adjacent page may turn out empty
	// Start and End are the cursors for the adjacent pages; "" if there is no position to continue
	// from.
	Start, End string
}

// page returns the size of a page and whether it is taken from the end of the list.
func (c *inputCheck) page(q PageQuery) (limit int, fromEnd bool) {
	name := "first"
	limit = q.First
	if q.Last != nil {
		name, limit, fromEnd = "last", *q.Last, true
	}
	if limit < 1 || limit > maxPage {
		c.field(name, "must be 1 to 100")
	}
	if fromEnd && q.FirstGiven {
		c.field("first", "cannot be combined with last")
	}
	return limit, fromEnd
}

// userCursors seals and opens the cursors of one search, or of the list of all accounts.
//
// A cursor holds the keys of its account in addition to the id, because the account may be deleted
// when the cursor comes back. It is sealed, because its key may be an address that User.email
// denies. It opens only for the search that it was made for.
type userCursors struct {
	tokens      *auth.Tokens
	name, email string // the prefixes
	namesOnly   bool
}

func (u userCursors) purpose() string {
	return fmt.Sprintf("cursor of users %q %q %t", u.name, u.email, u.namesOnly)
}

// First byte of a cursor: an id follows, with a name in a search, or an address.
const (
	cursorByID    = "i"
	cursorByEmail = "e"
)

func (u userCursors) seal(c models.Cursor) string {
	if c == (models.Cursor{}) {
		return ""
	}
	if c.ByEmail {
		return u.tokens.Seal(u.purpose(), []byte(cursorByEmail+c.Key))
	}
	return u.tokens.Seal(u.purpose(), []byte(cursorByID+c.ID+c.Key))
}

// open reports false unless seal made the cursor for the same search.
func (u userCursors) open(cursor string) (c models.Cursor, ok bool) {
	text, ok := u.tokens.Open(u.purpose(), cursor)
	if key, byEmail := bytes.CutPrefix(text, []byte(cursorByEmail)); ok && byEmail {
		return models.Cursor{Key: string(key), ByEmail: true}, true
	}
	rest, byID := bytes.CutPrefix(text, []byte(cursorByID))
	if !ok || !byID || len(rest) < idLength {
		return c, false
	}
	return models.Cursor{ID: string(rest[:idLength]), Key: string(rest[idLength:])}, true
}

// parse opens the cursor of an argument; "" means no cursor.
func (u userCursors) parse(check *inputCheck, name, cursor string) (c models.Cursor) {
	if cursor == "" {
		return c
	}
	c, ok := u.open(cursor)
	if !ok {
		check.field(name, "must be a cursor of an earlier page of the same search")
	}
	return c
}

// auditCursors seals and opens the cursors of the audit log.
type auditCursors struct{ tokens *auth.Tokens }

const auditPurpose = "cursor of the audit log"

func (a auditCursors) seal(entryID string) string {
	return a.tokens.Seal(auditPurpose, []byte(entryID))
}

// parse opens the cursor of an argument; "" means no cursor.
func (a auditCursors) parse(check *inputCheck, name, cursor string) (entryID string) {
	if cursor == "" {
		return ""
	}
	text, ok := a.tokens.Open(auditPurpose, cursor)
	if !ok {
		check.field(name, "must be a cursor of an earlier page")
	}
	return string(text)
}

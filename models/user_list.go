package models

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// UserFilter narrows the result of Users. The zero value selects all accounts.
type UserFilter struct {
	Prefix      string // of NameKey or EmailKey; "" matches all
	EmailPrefix string // of EmailKey, if it differs from Prefix
	NamesOnly   bool   // Prefix applies to NameKey only
	Role        string // exactly this role; "" matches all
	After       Cursor // only accounts after this position; the zero value is the start
	Before      Cursor // only accounts before this position; the zero value is the end
	Limit       int    // the maximum number of rows; at least 1
	FromEnd     bool   // return the last Limit accounts of the range, not the first
}

// Cursor is a position in the order of Users: that of an account, or how far a page has searched.
// It is valid for one search, and stays valid whatever is inserted or deleted.
type Cursor struct {
	ID      string // empty if ByEmail
	Key     string // with a Prefix: the NameKey or, if ByEmail, the EmailKey
	ByEmail bool   // in the second part of a search: the address has the Prefix, the name does not
}

// UserPage is the result of Users, in the order of the list.
type UserPage struct {
	Users   []*User
	Cursors []Cursor // the position of each of Users

	// Start and End are the cursors for the pages before and after this one. They are the zero
	// value on an empty page at the end of the list.
	Start, End Cursor

	// HasPrevious and HasNext report whether there may be a page before and after this one. In a
	// search that page can turn out to be empty.
	HasPrevious, HasNext bool
}

// lookAhead is how many accounts one page of a search reads in the second part of the list at most.
// It skips those whose name has the prefix too, since they are in the first part.
const lookAhead = 200

// Users returns a page of accounts. Without a Prefix they are ordered by id, which is the order of
// registration. With one, the accounts whose name has the prefix come first, ordered by name. Then
// follow the accounts whose address has the prefix and whose name has not, ordered by address.
//
// Each statement reads one range of one index in its order, forwards or backwards, so a page costs
// the same at any position. No index covers the condition on the name in the second part. There a
// page stops after lookAhead accounts, with fewer than Limit accounts or none, and sets HasNext (or
// HasPrevious). All skipped accounts are in the first part, so such pages are rare: at most one for
// every lookAhead accounts of the first part.
func (s *Store) Users(ctx context.Context, f UserFilter) (*UserPage, error) {
	if !isASCII(f.After.ID) || !isASCII(f.Before.ID) || !isASCII(f.Role) {
		return &UserPage{}, nil // ids and roles are ASCII
	}
	f.EmailPrefix = cmp.Or(f.EmailPrefix, f.Prefix)
	l := &userList{store: s, UserFilter: f}
	if err := l.read(ctx); err != nil {
		return nil, s.translate(ctx, err)
	}
	return l.finish(ctx)
}

// userList builds a page. It reads one account more than the page holds, to know whether another
// page follows. Until finish, the accounts are in the order of reading.
type userList struct {
	store *Store
	UserFilter
	users     []*User
	cursors   []Cursor
	stoppedAt Cursor // the last key that the page has searched, if it is not the end of the range
}

func byID(u *User) Cursor    { return Cursor{ID: u.ID} }
func byName(u *User) Cursor  { return Cursor{ID: u.ID, Key: u.NameKey} }
func byEmail(u *User) Cursor { return Cursor{Key: u.EmailKey, ByEmail: true} }

func (l *userList) read(ctx context.Context) error {
	if l.Prefix == "" {
		return l.readRange(ctx, byID, l.index("", "users_by_role"), l.idRange(l.After.ID, l.Before.ID), "id")
	}
	parts := []func(context.Context) error{l.searchNames, l.searchEmails}
	if l.FromEnd {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		if l.remaining() == 0 || l.stoppedAt != (Cursor{}) {
			return nil
		}
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// where is a condition with its arguments.
type where struct {
	text string
	args []any
}

func (w where) and(text string, args ...any) where { return w.suffix(" AND "+text, args...) }

func (w where) suffix(text string, args ...any) where {
	return where{w.text + text, append(slices.Clip(w.args), args...)}
}

// idRange selects the ids between two, exclusive; before may be "".
func (l *userList) idRange(after, before string) where {
	w := where{"id > ?", []any{after}}
	if before != "" {
		w = w.and("id < ?", before)
	}
	return w
}

// searchNames reads the first part of a search.
func (l *userList) searchNames(ctx context.Context) error {
	if l.After.ByEmail {
		return nil
	}
	ranges := l.nameRanges()
	if l.FromEnd {
		slices.Reverse(ranges)
	}
	index := l.index("users_by_name", "users_by_role_and_name")
	for _, r := range ranges {
		if err := l.readRange(ctx, byName, index, r.where, r.order...); err != nil {
			return err
		}
	}
	return nil
}

type orderedRange struct {
	where
	order []string
}

// nameRanges splits the first part of a search into ranges, in its order. The accounts with the
// name of a cursor are a range of their own, because not every database reads "(name_key, id) > (?,
// ?)" as a range.
func (l *userList) nameRanges() (ranges []orderedRange) {
	sameName := func(key, after, before string) orderedRange {
		ids := l.idRange(after, before)
		return orderedRange{where{"name_key = ?", []any{key}}.and(ids.text, ids.args...), []string{"id"}}
	}
	after, before := l.After, l.Before
	if before.ByEmail {
		before = Cursor{}
	}
	if after.ID != "" && before.ID != "" {
		switch order := strings.Compare(after.Key, before.Key); {
		case order == 0:
			return []orderedRange{sameName(after.Key, after.ID, before.ID)}
		case order > 0:
			return nil
		}
	}
	between := where{"name_key >= ?", []any{l.Prefix}}
	if after.ID != "" {
		ranges = append(ranges, sameName(after.Key, after.ID, ""))
		between = where{"name_key > ?", []any{after.Key}}
	}
	if before.ID != "" {
		between = between.and("name_key < ?", before.Key)
	} else {
		between = between.and("name_key < ?", prefixEnd(l.Prefix))
	}
	ranges = append(ranges, orderedRange{between, []string{"name_key", "id"}})
	if before.ID != "" {
		ranges = append(ranges, sameName(before.Key, "", before.ID))
	}
	return ranges
}

// searchEmails reads the second part of a search.
func (l *userList) searchEmails(ctx context.Context) error {
	if l.NamesOnly || l.Before.ID != "" {
		return nil
	}
	from, to := where{"email_key >= ?", []any{l.EmailPrefix}}, where{"email_key < ?", []any{prefixEnd(l.EmailPrefix)}}
	if l.After.ByEmail {
		from = where{"email_key > ?", []any{l.After.Key}}
	}
	if l.Before.ByEmail {
		to = where{"email_key < ?", []any{l.Before.Key}}
	}
	index := l.index("users_by_email", "users_by_role_and_email")
	last, err := l.lookAhead(ctx, index, from.and(to.text, to.args...))
	if err != nil {
		return err
	}
	if last != "" {
		l.stoppedAt = Cursor{Key: last, ByEmail: true}
		if l.FromEnd {
			from = where{"email_key >= ?", []any{last}}
		} else {
			to = where{"email_key <= ?", []any{last}}
		}
	}
	r := from.and(to.text, to.args...).and("NOT (name_key >= ? AND name_key < ?)", l.Prefix, prefixEnd(l.Prefix))
	return l.readRange(ctx, byEmail, index, r, "email_key")
}

// lookAhead returns the last address that a page reads, or "" if it reads the whole range.
func (l *userList) lookAhead(ctx context.Context, index string, r where) (string, error) {
	var last []User
	r = r.suffix(" ORDER BY "+l.order("email_key")+" LIMIT 1 OFFSET ?", lookAhead-1)
	if err := l.query(ctx, "email_key", index, r).Find(&last).Error; err != nil || len(last) == 0 {
		return "", err
	}
	return last[0].EmailKey, nil
}

// prefixEnd returns a key after all keys with the prefix. A range needs no escaping of wildcards,
// unlike LIKE, and every database uses the index for it. U+10FFFF is the last character.
func prefixEnd(prefix string) string { return prefix + "\U0010FFFF" }

func (l *userList) index(anyRole, oneRole string) string {
	if l.Role != "" {
		return oneRole
	}
	return anyRole
}

// order returns the columns with their direction, in the order of reading.
func (l *userList) order(columns ...string) string {
	if l.FromEnd {
		return strings.Join(columns, " DESC, ") + " DESC"
	}
	return strings.Join(columns, ", ")
}

// readRange reads accounts until the page is full.
func (l *userList) readRange(
	ctx context.Context, cursor func(*User) Cursor, index string, r where, order ...string,
) error {
	if l.remaining() == 0 {
		return nil
	}
	var users []*User
	r = r.suffix(" ORDER BY "+l.order(order...)+" LIMIT ?", l.remaining())
	err := l.query(ctx, userColumns, index, r).Find(&users).Error
	for _, u := range users {
		l.users, l.cursors = append(l.users, u), append(l.cursors, cursor(u))
	}
	return err
}

// userColumns lists the columns by name, as GORM's queries do, because * could change in a prepared
// statement.
var userColumns = func() string {
	user, err := schema.Parse(&User{}, new(sync.Map), schema.NamingStrategy{})
	if err != nil {
		panic(err) // a type that cannot be parsed is a bug
	}
	return strings.Join(user.DBNames, ", ")
}()

// query names the index. Without it, MariaDB tends to find the role in one index and then to read
// all accounts with that role up to the start of the page.
func (l *userList) query(ctx context.Context, columns, index string, r where) *gorm.DB {
	if l.Role != "" {
		r = where{"role = ?", []any{l.Role}}.and(r.text, r.args...)
	}
	table := "users"
	if index != "" {
		table += " " + l.store.dialect.indexHint(index)
	}
	return l.store.conn(ctx).Raw("SELECT "+columns+" FROM "+table+" WHERE "+r.text, r.args...)
}

func (l *userList) remaining() int { return l.Limit + 1 - len(l.users) }

// finish puts the page into the order of the list.
func (l *userList) finish(ctx context.Context) (*UserPage, error) {
	p := &UserPage{Users: l.users, Cursors: l.cursors}
	more, end := l.stoppedAt != Cursor{}, l.stoppedAt
	if l.remaining() == 0 {
		p.Users, p.Cursors = p.Users[:l.Limit], p.Cursors[:l.Limit]
		more, end = true, Cursor{}
	}
	if l.FromEnd {
		slices.Reverse(p.Users)
		slices.Reverse(p.Cursors)
	}
	p.Start, p.End = end, end
	if n := len(p.Cursors); n > 0 {
		p.Start, p.End = p.Cursors[0], p.Cursors[n-1]
	}
	if l.FromEnd {
		p.Start, p.HasPrevious = cmp.Or(end, p.Start), more
	} else {
		p.End, p.HasNext = cmp.Or(end, p.End), more
	}
	err := l.checkBeyondCursors(ctx, p)
	return p, l.store.translate(ctx, err)
}

// checkBeyondCursors looks for accounts beyond the cursors of the filter.
func (l *userList) checkBeyondCursors(ctx context.Context, p *UserPage) (err error) {
	if !p.HasPrevious && l.After != (Cursor{}) {
		if p.HasPrevious, err = l.exists(ctx, l.After, Cursor{}, l.After); err != nil {
			return err
		}
	}
	if !p.HasNext && l.Before != (Cursor{}) {
		p.HasNext, err = l.exists(ctx, l.Before, l.Before, Cursor{})
	}
	return err
}

// exists reports whether there may be an account at a cursor, where there usually is one, or in a
// range. It reads the range forwards. If the first part of a search has an account, it reads
// nothing of the second part; if it has none, no account of the second part is skipped.
func (l *userList) exists(ctx context.Context, at, after, before Cursor) (bool, error) {
	rest := &userList{store: l.store, UserFilter: l.UserFilter}
	rest.After, rest.Before, rest.Limit, rest.FromEnd = after, before, 0, false
	if err := rest.readAt(ctx, at); err != nil {
		return false, err
	}
	if rest.remaining() > 0 {
		if err := rest.read(ctx); err != nil {
			return false, err
		}
	}
	return rest.remaining() == 0 || rest.stoppedAt != Cursor{}, nil
}

// readAt reads the account at a cursor.
func (l *userList) readAt(ctx context.Context, c Cursor) error {
	switch {
	case c.ByEmail:
		r := where{"email_key = ?", []any{c.Key}}.and("NOT (name_key >= ? AND name_key < ?)", l.Prefix, prefixEnd(l.Prefix))
		return l.readRange(ctx, byEmail, l.index("users_by_email", "users_by_role_and_email"), r, "email_key")
	case l.Prefix != "":
		r := where{"name_key = ?", []any{c.Key}}.and("id = ?", c.ID)
		return l.readRange(ctx, byName, l.index("users_by_name", "users_by_role_and_name"), r, "id")
	}
	return l.readRange(ctx, byID, l.index("", "users_by_role"), where{"id = ?", []any{c.ID}}, "id")
}

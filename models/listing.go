package models

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// UserFilter narrows Users down. The zero value is everybody.
type UserFilter struct {
	Prefix      string // of NameKey or EmailKey; "" is any
	EmailPrefix string // of EmailKey, if that is not Prefix
	Role        string // exactly this role; "" is any
	After       Place  // of an earlier page with the same prefixes and Role; the zero value starts at the first
	Limit       int    // at most so many rows; at least 1
}

// Place is where an account stands in the order of Users, or how far a page has looked. It stays good whatever is
// inserted or deleted.
type Place struct {
	ID      string // but not ByEmail
	Key     string // with a Prefix: the NameKey or, ByEmail, the EmailKey
	ByEmail bool   // among those whose address begins with the Prefix, and whose name does not
}

// UserPage is what Users found.
type UserPage struct {
	Users  []*User
	Places []Place // where each of them stands
	End    Place   // where the next page goes on; the zero value on an empty last page
	More   bool    // whether there may be a next page: it can turn out to be empty
}

// lookAhead bounds how many accounts a page of a search looks at in vain: those whose address begins with the
// prefix, but whose name does too, so that they have been listed by it.
const lookAhead = 200

// Users returns a page of accounts. Without a Prefix they come in the order of their ids, which is that of
// registration. With one, those come first whose name begins with it, in the order of their names, and then those
// whose address does and whose name does not, in the order of their addresses.
//
// Each statement reads one range of one index in its order, so a page costs the same wherever it is. The one
// condition that no index answers is "and whose name does not": there a page gives up after lookAhead accounts, with
// fewer than Limit or none, and More. As all that is looked at in vain was on a page before, such pages are few:
// one for every lookAhead accounts that have been listed, at most.
func (s *Store) Users(ctx context.Context, f UserFilter) (*UserPage, error) {
	if !ascii(f.After.ID) || !ascii(f.Role) {
		return &UserPage{}, nil // ids and roles are
	}
	f.EmailPrefix = cmp.Or(f.EmailPrefix, f.Prefix)
	l := &listing{store: s, UserFilter: f}
	var err error
	switch {
	case f.Prefix != "":
		err = l.search(ctx)
	case f.Role != "":
		err = l.add(ctx, byID, "users_by_role", "id > ? ORDER BY id", f.After.ID)
	default:
		err = l.add(ctx, byID, "", "id > ? ORDER BY id", f.After.ID)
	}
	if err != nil {
		return nil, s.translate(ctx, err)
	}
	return l.finish(), nil
}

// listing is a page in the making. It takes one account more than the page has room for, to know that there is one.
type listing struct {
	store *Store
	UserFilter
	page UserPage
}

func byID(u *User) Place    { return Place{ID: u.ID} }
func byName(u *User) Place  { return Place{ID: u.ID, Key: u.NameKey} }
func byEmail(u *User) Place { return Place{Key: u.EmailKey, ByEmail: true} }

func (l *listing) search(ctx context.Context) error {
	if !l.After.ByEmail {
		if err := l.searchNames(ctx); err != nil {
			return err
		}
	}
	if l.room() == 0 {
		return nil
	}
	return l.searchEmails(ctx)
}

// searchNames reads the namesakes of the last account by themselves: not every database sees one range in
// "(name_key, id) > (?, ?)".
func (l *listing) searchNames(ctx context.Context) error {
	index := l.index("users_by_name", "users_by_role_and_name")
	from, key := "name_key >= ?", l.Prefix
	if l.After.ID != "" {
		from, key = "name_key > ?", l.After.Key
		if err := l.add(ctx, byName, index, "name_key = ? AND id > ? ORDER BY id", key, l.After.ID); err != nil {
			return err
		}
	}
	return l.add(ctx, byName, index, from+" AND name_key < ? ORDER BY name_key, id", key, behind(l.Prefix))
}

func (l *listing) searchEmails(ctx context.Context) error {
	index := l.index("users_by_email", "users_by_role_and_email")
	from, key := "email_key >= ?", l.EmailPrefix
	if l.After.ByEmail {
		from, key = "email_key > ?", l.After.Key
	}
	to, end := "email_key < ?", behind(l.EmailPrefix)
	var last []User // that this page looks at, if it does not come to the end
	err := l.query(ctx, "email_key", index, from+" AND "+to+" ORDER BY email_key LIMIT 1 OFFSET ?", key, end, lookAhead-1).Find(&last).Error
	if err != nil {
		return err
	}
	if len(last) > 0 {
		to, end = "email_key <= ?", last[0].EmailKey
		l.page.More, l.page.End = true, Place{Key: end, ByEmail: true}
	}
	return l.add(ctx, byEmail, index, from+" AND "+to+" AND NOT (name_key >= ? AND name_key < ?) ORDER BY email_key",
		key, end, l.Prefix, behind(l.Prefix))
}

// behind is a key behind all that begin with the prefix. A range instead of LIKE: no wildcard to escape, and every database
// uses the index for it. U+10FFFF is the last character there is.
func behind(prefix string) string { return prefix + "\U0010FFFF" }

func (l *listing) index(anyRole, oneRole string) string {
	if l.Role != "" {
		return oneRole
	}
	return anyRole
}

// add reads as many accounts as there is room for.
func (l *listing) add(ctx context.Context, place func(*User) Place, index, where string, args ...any) error {
	if l.room() == 0 {
		return nil
	}
	var users []*User
	err := l.query(ctx, userColumns, index, where+" LIMIT ?", append(args, l.room())...).Find(&users).Error
	for _, u := range users {
		l.page.Users, l.page.Places = append(l.page.Users, u), append(l.page.Places, place(u))
	}
	return err
}

// userColumns are named, as in the queries that GORM writes: what * stands for may change under a statement that is kept
// prepared.
var userColumns = func() string {
	user, err := schema.Parse(&User{}, new(sync.Map), schema.NamingStrategy{})
	if err != nil {
		panic(err) // a type is as it is
	}
	return strings.Join(user.DBNames, ", ")
}()

// query names the index. MariaDB, left to itself, likes to look for the role in the one index and then to go
// through everybody who has it, up to the place where the page begins.
func (l *listing) query(ctx context.Context, columns, index, where string, args ...any) *gorm.DB {
	if l.Role != "" {
		where, args = "role = ? AND "+where, append([]any{l.Role}, args...)
	}
	table := "users"
	if index != "" {
		table += " " + l.store.dialect.indexed(index)
	}
	return l.store.conn(ctx).Raw("SELECT "+columns+" FROM "+table+" WHERE "+where, args...)
}

func (l *listing) room() int { return l.Limit + 1 - len(l.page.Users) }

func (l *listing) finish() *UserPage {
	p := &l.page
	if l.room() == 0 {
		p.Users, p.Places, p.More = p.Users[:l.Limit], p.Places[:l.Limit], true
		p.End = p.Places[l.Limit-1]
	} else if n := len(p.Places); n > 0 && !p.More {
		p.End = p.Places[n-1]
	}
	return p
}

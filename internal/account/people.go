package account

import (
	"context"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"fieldgate/models"
)

// UpdateProfile changes what a person says of themselves, in the row and in user. It returns *InputError.
func (s *Service) UpdateProfile(ctx context.Context, user *models.User, name string) (*models.User, error) {
	clean, wrong := cleanName(name)
	if wrong != "" {
		return nil, invalid("name", wrong)
	}
	if err := s.Store.SetName(ctx, user.ID, clean, searchKey(clean)); err != nil {
		return nil, err
	}
	s.Sessions.Forget(user.ID)
	changed := *user
	changed.Name, changed.NameKey = clean, searchKey(clean)
	return &changed, nil
}

// User returns one account, or models.ErrNotFound.
func (s *Service) User(ctx context.Context, id string) (*models.User, error) {
	if !isID(id) {
		return nil, models.ErrNotFound
	}
	return s.Store.UserByID(ctx, id)
}

// UserByEmail returns the account with an e-mail address, however it is spelled, or models.ErrNotFound.
func (s *Service) UserByEmail(ctx context.Context, email string) (*models.User, error) {
	return s.userByEmail(ctx, email)
}

// UserQuery asks for a page of accounts. The zero value of a field, but of First, is no restriction.
type UserQuery struct {
	First  int    // 1 to 100
	After  string // the End of an earlier page, or one of its Cursors
	Search string // what the name or the address begins with
	Role   string // exactly this role
}

// UserPage is a page of accounts: oldest first, or in a search as models.Store.Users says.
type UserPage struct {
	Users   []*models.User
	Cursors []string // where each of them stands; good whatever is inserted or deleted
	End     string   // where the next page goes on; "" on an empty last page
	More    bool     // whether there may be a next page: in a search it can turn out to be empty, as any page can
}

const maxPage = 100

// maxSearchBytes has room for the longest name there is, and so for the longest address.
const maxSearchBytes = maxNameLength * utf8.UTFMax

// Users returns a page of accounts. It returns *InputError.
func (s *Service) Users(ctx context.Context, q UserQuery) (*UserPage, error) {
	var check inputCheck
	if q.First < 1 || q.First > maxPage {
		check.field("first", "must be 1 to 100")
	}
	if len(q.Search) > maxSearchBytes {
		check.field("search", "must have at most 400 bytes")
	}
	if q.Role != "" && !s.Policy.Known(q.Role) { // GraphQL's parser takes "admin" in a variable for ADMIN
		check.field("role", s.oneOfTheRoles())
	}
	name, email := searchPrefixes(q.Search)
	after, ok := parseCursor(q.After, name, email)
	if !ok {
		check.field("after", "must be the endCursor of an earlier page of the same search")
	}
	if err := check.err(); err != nil {
		return nil, err
	}
	found, err := s.Store.Users(ctx, models.UserFilter{Prefix: name, EmailPrefix: email, Role: q.Role, After: after, Limit: q.First})
	if err != nil {
		return nil, err
	}
	page := &UserPage{Users: found.Users, Cursors: make([]string, len(found.Places)), End: cursor(found.End), More: found.More}
	for i, place := range found.Places {
		page.Cursors[i] = cursor(place)
	}
	return page, nil
}

// searchPrefixes are what the key of a name begins with, or of an address, that is searched for. A whole address is
// searched for as it is compared, so that it is found however its domain is written; of half a domain nothing says how the
// whole one will be.
func searchPrefixes(search string) (name, email string) {
	search = strings.TrimSpace(search)
	name = searchKey(search)
	if key, wrong := EmailKey(search); wrong == "" {
		return name, key
	}
	return name, name
}

// What a cursor begins with says which part of a listing it is in: of everybody, or of a search those who are found
// by their name or by their address only.
const (
	cursorID    = "i"
	cursorName  = "n"
	cursorEmail = "e"
)

// cursor writes a place down for clients. It has the row's own key, and not only its id: the row may be gone when
// somebody comes back with it.
func cursor(p models.Place) string {
	text := cursorID + p.ID
	switch {
	case p == models.Place{}:
		return ""
	case p.ByEmail:
		text = cursorEmail + p.Key
	case p.Key != "":
		text = cursorName + p.ID + p.Key
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// parseCursor takes what cursor has written for a search for names and addresses that begin so, and nothing else. A forged
// one can begin a page wherever it likes, within what is searched for.
func parseCursor(c, name, email string) (p models.Place, ok bool) {
	if c == "" {
		return p, true
	}
	text, err := base64.RawURLEncoding.DecodeString(c)
	if err != nil || len(text) == 0 {
		return p, false
	}
	part, rest := string(text[:1]), string(text[1:])
	prefix := name
	switch {
	case part == cursorEmail:
		p, prefix = models.Place{Key: rest, ByEmail: true}, email
	case len(rest) >= idLength:
		p = models.Place{ID: rest[:idLength], Key: rest[idLength:]}
	}
	ok = cursor(p) == c && (p.Key == "") == (prefix == "") && utf8.ValidString(p.Key) && strings.HasPrefix(p.Key, prefix)
	return p, ok && (p.ByEmail && p.Key != "" || isID(p.ID))
}

const idLength = 36 // of a UUID

// isID reports whether s is a UUID in the form that ids have, of the several that there are.
func isID(s string) bool { return len(s) == idLength && uuid.Validate(s) == nil }

func (s *Service) unknownRole() error {
	return invalid("role", s.oneOfTheRoles())
}

func (s *Service) oneOfTheRoles() string {
	return "must be one of " + strings.Join(s.Policy.Roles(), ", ")
}

package account

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"fieldgate/models"
)

// UpdateProfile changes the name of a user and returns the updated user. It returns *InputError.
func (s *Service) UpdateProfile(ctx context.Context, user *models.User, name string) (*models.User, error) {
	clean, message := cleanName(name)
	if message != "" {
		return nil, invalid("name", message)
	}
	if err := s.config.Store.SetName(ctx, user.ID, clean, searchKey(clean)); err != nil {
		return nil, err
	}
	s.config.Sessions.Invalidate(ctx, user.ID) // a profile change has no event
	changed := *user
	changed.Name, changed.NameKey = clean, searchKey(clean)
	return &changed, nil
}

// User returns one account, or models.ErrNotFound.
func (s *Service) User(ctx context.Context, id string) (*models.User, error) {
	if !isID(id) {
		return nil, models.ErrNotFound
	}
	return s.config.Store.UserByID(ctx, id)
}

// UserByEmail returns the account with an e-mail address in any spelling, or models.ErrNotFound.
func (s *Service) UserByEmail(ctx context.Context, email string) (*models.User, error) {
	return s.userByEmail(ctx, email)
}

// UserQuery selects a page of accounts. The zero value of a field other than First is no
// restriction.
type UserQuery struct {
	PageQuery
	Search    string // prefix of a name or an address
	NamesOnly bool   // Search applies to names only
	Role      string // exactly this role
}

// UserPage is a page of accounts: oldest first, or in the search order of models.Store.Users.
type UserPage struct {
	PageInfo
	Users []*models.User
	// Cursors are the positions of Users. They stay valid when users are inserted or deleted.
	Cursors []string
}

// maxSearchBytes fits the longest name, and so the longest address.
const maxSearchBytes = maxNameLength * utf8.UTFMax

// Users returns a page of accounts. It returns *InputError.
func (s *Service) Users(ctx context.Context, q UserQuery) (*UserPage, error) {
	var check inputCheck
	limit, fromEnd := check.page(q.PageQuery)
	if len(q.Search) > maxSearchBytes {
		check.field("search", "must have at most 400 bytes")
	}
	// GraphQL's parser accepts "admin" in a variable for ADMIN
	if q.Role != "" && !s.config.Policy.IsRole(q.Role) {
		check.field("role", s.oneOfTheRoles())
	}
	name, email := searchPrefixes(q.Search)
	cursors := userCursors{s.config.Tokens, name, email, q.NamesOnly}
	after, before := cursors.parse(&check, "after", q.After), cursors.parse(&check, "before", q.Before)
	if err := check.err(); err != nil {
		return nil, err
	}
	found, err := s.config.Store.Users(ctx, models.UserFilter{
		Prefix: name, EmailPrefix: email, NamesOnly: q.NamesOnly, Role: q.Role, After: after, Before: before,
		Limit: limit, FromEnd: fromEnd,
	})
	if err != nil {
		return nil, err
	}
	page := &UserPage{Users: found.Users, Cursors: make([]string, len(found.Cursors))}
	for i, c := range found.Cursors {
		page.Cursors[i] = cursors.seal(c)
	}
	page.PageInfo = PageInfo{found.HasPrevious, found.HasNext, cursors.seal(found.Start), cursors.seal(found.End)}
	return page, nil
}

// searchPrefixes returns the prefixes to search names and addresses for. A complete address is
// searched by its key, so that any spelling of its domain finds it. An incomplete domain has no key
// yet.
func searchPrefixes(search string) (name, email string) {
	search = strings.TrimSpace(search)
	name = searchKey(search)
	if key, message := EmailKey(search); message == "" {
		return name, key
	}
	return name, name
}

const idLength = 36 // of a UUID

// isID reports whether s is a UUID in the one form that ids use.
func isID(s string) bool { return len(s) == idLength && uuid.Validate(s) == nil }

func (s *Service) unknownRole() error {
	return invalid("role", s.oneOfTheRoles())
}

func (s *Service) oneOfTheRoles() string {
	return "must be one of " + strings.Join(s.config.Policy.Roles(), ", ")
}
